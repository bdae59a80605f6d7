"""Overdue: declares down every monitor whose deadline lies before the watermark.

The watermark, not the wall clock: while pings wait to be settled nobody can say that one is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from rules import ledger
from store.control import Control, verdicts
from store.model import Ns

_BATCH = 500  # monitors a transaction: about 50 ms, so that others who write never wait long


class Overdue:
    """A step over the monitors that are due, found by the index on their deadline; the others cost nothing."""

    def __init__(self, control: Control, watermark: Callable[[], Ns | None], base_url: str) -> None:
        self._control = control
        self._watermark = watermark
        self._base_url = base_url

    def step(self, now: Ns) -> bool:
        """Declare one batch, the longest overdue first; True when more may be due."""
        watermark = self._watermark()
        if watermark is None:
            return False
        with self._control.read() as connection:
            if not verdicts.overdue(connection, watermark, limit=1):
                return False
        with self._control.begin() as connection:
            due = verdicts.overdue(connection, watermark, _BATCH)
            cases = ledger.load(connection, due)
            for case in cases.values():
                case.miss()
            ledger.save(connection, cases.values(), self._base_url, now)
        return len(due) == _BATCH
