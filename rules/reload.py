"""Reads the rule files again when they change, and lets them be in force all together, or not at all.

What is in force is kept in the control store, not in the files: a file that is broken changes nothing, not even over a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge

from rules.accept import accept, arm
from rules.rule_files import RuleErrors, paths
from store.control import Control, projects, rule_set
from store.model import SECOND, Ns
from store.rule import Rule

log = logging.getLogger(__name__)
_loaded = Gauge("lastbeat_rules_loaded", "Rules of the files that are in force.", multiprocess_mode="mostrecent")
_good = Gauge(
    "lastbeat_rules_last_reload_successful",
    "1 where the rule files are those in force, 0 where they have errors.",
    multiprocess_mode="mostrecent",
)
_reloads = Counter("lastbeat_rules_reloads", "Times that the rule files were read, by outcome.", ["outcome"])


_STILL: Final = SECOND // 2  # a file that was changed just now may be half of what it will be
_LOGGED: Final = 20  # errors; all of them are on the pages, and `lastbeat rules check` says them too

Stamp = list[tuple[str, int, int, int]]


class Reload:
    """A step that looks at the files, and reads them when they are not what they were, or when somebody said so (`hurry`).

    `read` gives the rules of a place, or raises RuleErrors. Rules that are for a project know it by its name, so they are read again too
    when projects come, go or are renamed.
    """

    def __init__(self, control: Control, place: Path, read: Callable[[Path], Sequence[Rule]], base_url: str) -> None:
        self._control = control
        self._place = place
        self._read = read
        self._base_url = base_url
        self._seen: Stamp | None = None
        self._changed: tuple[Stamp, Ns] = [], 0
        self._for_projects = self._refused = self._hurried = False

    def hurry(self) -> None:
        """Read the files at the next step, changed or not; and once more, where they are being read just now."""
        self._seen, self._hurried = None, True

    def step(self, now: Ns) -> bool:
        stamp = self._stamp()
        if self._seen is not None and not self._is_news(stamp, now):
            return arm(self._control, self._base_url, now)
        self._hurried = False
        try:
            rules = self._read(self._place)
        except RuleErrors as errors:
            self._refuse([str(error) for error in errors.errors])
        else:
            with self._control.begin() as connection:
                changed = accept(connection, rules, self._base_url, now)
                rule_set.note_refused(connection, [])
            if changed or self._refused or self._seen is None:
                log.info("%d rule%s in force, from %s", len(rules), " is" if len(rules) == 1 else "s are", self._place)
            self._refused, self._for_projects = False, any(rule.project is not None for rule in rules)
            _reloads.labels("accepted").inc()
            _good.set(1)
            _loaded.set(len(rules))
        self._seen = None if self._hurried else stamp
        return True

    def _is_news(self, stamp: Stamp, now: Ns) -> bool:
        """Whether the files are others than those that were read, and have been so for a moment."""
        if stamp == self._seen:
            return False
        if stamp != self._changed[0]:
            self._changed = stamp, now
        return now - self._changed[1] >= _STILL

    def _stamp(self) -> Stamp:
        if not self._for_projects:
            return _stamp(self._place)
        with self._control.read() as connection:
            known = [(f"{project.id} {project.name}", 0, 0, 0) for project in projects.find(connection)]
        return [*_stamp(self._place), *known]

    def _refuse(self, sentences: list[str]) -> None:
        self._refused = True
        for sentence in sentences[:_LOGGED]:
            log.error("%s", sentence)
        if len(sentences) > _LOGGED:
            log.error("and %d more: `lastbeat rules check %s` says them all", len(sentences) - _LOGGED, self._place)
        log.error("the rule files in %s have errors; the rules that were in force stay in force", self._place)
        with self._control.begin() as connection:
            rule_set.note_refused(connection, sentences)
        _reloads.labels("refused").inc()
        _good.set(0)


def _stamp(place: Path) -> Stamp:
    found = []
    try:
        there = paths(place)
    except OSError:
        return [(str(place), -1, 0, 0)]
    for path in there:
        try:
            stat = path.stat()
        except OSError:
            found.append((str(path), 0, 0, 0))
        else:
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
    return found
