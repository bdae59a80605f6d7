"""Drops from a journal what all its readers are done with."""

from __future__ import annotations

from prometheus_client import Gauge

from store.control import Control, offsets
from store.journal import Journal
from store.model import Ns

_bytes = Gauge("lastbeat_journal_bytes", "Size of a worker's journal.", ["slot"], multiprocess_mode="mostrecent")


class Prune:
    """A step of the journal's own worker, in the journal's thread."""

    def __init__(self, control: Control, journal: Journal, slot: int) -> None:
        self._control = control
        self._journal = journal
        self._size = _bytes.labels(str(slot))
        self._done = 0

    def step(self, now: Ns) -> bool:
        """Drop a bounded number of records; True when there may be more."""
        self._size.set(self._journal.used_bytes())
        with self._control.read() as connection:
            passed = offsets.passed_by_all(connection, self._journal.id)
        if passed == self._done:
            return False
        more = self._journal.prune(passed)
        if not more:
            self._done = passed
        return more
