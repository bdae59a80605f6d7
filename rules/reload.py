"""Reads the rule files again when they change, and lets them be in force all together, or not at all.

What is in force is kept in the control store, not in the files: a file that is broken changes nothing, not even over a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import Counter, Gauge

from rules.accept import accept, arm
from rules.rule_files import RuleErrors, paths
from store.control import Control, rule_set
from store.model import Ns
from store.rule import Rule

log = logging.getLogger(__name__)
_loaded = Gauge("lastbeat_rules_loaded", "Rules of the files that are in force.", multiprocess_mode="mostrecent")
_good = Gauge(
    "lastbeat_rules_last_reload_successful",
    "1 where the rule files are those in force, 0 where they have errors.",
    multiprocess_mode="mostrecent",
)
_reloads = Counter("lastbeat_rules_reloads", "Times that the rule files were read, by outcome.", ["outcome"])


Stamp = list[tuple[str, int, int, int]]


class Reload:
    """A step that looks at the files, and reads them when they are not what they were, or when somebody said so (`hurry`).

    `read` gives the rules of a place, or raises RuleErrors.
    """

    def __init__(self, control: Control, place: Path, read: Callable[[Path], Sequence[Rule]], base_url: str) -> None:
        self._control = control
        self._place = place
        self._read = read
        self._base_url = base_url
        self._seen: Stamp | None = None

    def hurry(self) -> None:
        """Read the files at the next step, changed or not."""
        self._seen = None

    def step(self, now: Ns) -> bool:
        stamp = _stamp(self._place)
        if stamp == self._seen:
            return arm(self._control, self._base_url, now)
        try:
            rules = self._read(self._place)
        except RuleErrors as errors:
            self._refuse([str(error) for error in errors.errors])
        else:
            with self._control.begin() as connection:
                changed = accept(connection, rules, self._base_url, now)
                rule_set.note_refused(connection, [])
            if changed or self._seen is None:
                log.info("%d rules are in force, from %s", len(rules), self._place)
            _reloads.labels("accepted").inc()
            _good.set(1)
            _loaded.set(len(rules))
        self._seen = stamp
        return True

    def _refuse(self, sentences: list[str]) -> None:
        for sentence in sentences:
            log.error("%s", sentence)
        log.error("the rule files in %s have errors; the rules that were in force stay in force", self._place)
        with self._control.begin() as connection:
            rule_set.note_refused(connection, sentences)
        _reloads.labels("refused").inc()
        _good.set(0)


def _stamp(place: Path) -> Stamp:
    found = []
    for path in paths(place):
        try:
            stat = path.stat()
        except OSError:
            continue  # gone just now: the next look finds what is left
        found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found
