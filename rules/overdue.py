"""Overdue: declares down every monitor whose deadline lies before the watermark, and moves the rules whose time has come.

The watermark, not the wall clock: while pings wait to be settled nobody can say that one is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from rules import book, ledger
from rules.storm import Guard, is_silence
from store.control import Control, standings, verdicts
from store.model import Ns

_BATCH = 500  # monitors a transaction: about 50 ms, so that others who write never wait long


class Overdue:
    """A step over the monitors that are due, found by the indexes on their deadlines and on those of rules; the others cost nothing."""

    def __init__(
        self,
        control: Control,
        watermark: Callable[[], Ns | None],
        base_url: str,
        guard: Guard | None = None,
        lead: Callable[[], Ns] = int,
    ) -> None:
        """`guard`: who holds alarms when most jobs fall silent at once; None: nobody. `lead`: by how much our clock is ahead of the one on
        the wall, where the slots of cron are.
        """
        self._guard = guard
        self._lead = lead
        self._control = control
        self._watermark = watermark
        self._base_url = base_url

    def step(self, now: Ns) -> bool:
        """Declare one batch, the longest overdue first; True when more may be due."""
        watermark = self._watermark()
        if watermark is None:
            return False
        lead = self._lead()
        with self._control.read() as connection:
            if not _due(connection, watermark, lead, limit=1):
                return False
        with self._control.begin() as connection:
            cases = ledger.load(connection, _due(connection, watermark, lead, _BATCH))
            for case in cases.values():
                case.until(watermark, lead)
            holds = self._guard is not None and self._guard.holds(connection, cases.values(), watermark, now)
            ledger.save(connection, cases.values(), self._base_url, now, held=is_silence if holds else None)
        return bool(cases)  # a batch that is not full is no sign: monitors with several rules that are due make it smaller


def _due(connection: Connection, watermark: Ns, lead: Ns, limit: int) -> list[str]:
    """Monitors for which time alone decides something before the watermark, up to `limit` for their deadlines and as many for rules.

    Both have their turn each time: where somebody is always overdue, rules would else wait for ever.
    """
    slotted = [rule.uid for rule in book.current(connection).rules if rule.cron is not None] if lead else []
    silent, lasting = verdicts.overdue(connection, watermark, limit, lead), standings.due(connection, watermark, limit, lead, slotted)
    return list(dict.fromkeys([*silent, *lasting]))
