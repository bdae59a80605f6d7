"""Settle: applies each acknowledged ping exactly once, in the order of receipt.

State, history, outgoing messages and the journal offsets are one transaction, so a crash anywhere replays to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from rules import ledger
from store.control import Control, offsets, verdicts
from store.inbox import Inbox, Intake
from store.model import SECOND, Gap, Ns, Ping, Record

_settled = Counter("lastbeat_records_settled", "Records of the journals that the rules are done with.")
_watermark = Gauge("lastbeat_watermark_seconds", "Everything received before this Unix time is settled.", multiprocess_mode="mostrecent")

_BATCH = 500  # records a transaction: about 50 ms, so that others who write never wait long


class Settle:
    """A step that settles the next records of the inbox. `watermark`: everything received before it is settled; None at first."""

    def __init__(self, control: Control, inbox: Inbox, base_url: str) -> None:
        self._control = control
        self._inbox = inbox
        self._base_url = base_url
        self.watermark: Ns | None = None
        with control.read() as connection:
            self._offsets = offsets.load(connection, "settle")

    def step(self, now: Ns) -> bool:
        """Settle one batch; True when more is waiting."""
        intake = self._inbox.take(self._offsets, _BATCH)
        if intake.records:
            with self._control.begin() as connection:
                self._settle(connection, intake, now)
            self._offsets.update(intake.passed)
            _settled.inc(len(intake.records))
        self.watermark = intake.horizon
        if intake.horizon is not None:
            _watermark.set(intake.horizon / SECOND)
        return intake.more

    def _settle(self, connection: Connection, intake: Intake, now: Ns) -> None:
        cases = ledger.load(connection, _concerned(connection, intake.records))
        for record in intake.records:
            if isinstance(record, Gap):
                unverified = [case for case in cases.values() if case.gap(record)]
                ledger.say_unverified(connection, record, unverified, self._base_url, now)
            elif record.monitor in cases:  # else it was deleted since
                cases[record.monitor].ping(record)
        ledger.save(connection, cases.values(), self._base_url, now)
        offsets.save(connection, "settle", intake.passed)


def _concerned(connection: Connection, records: Sequence[Record]) -> set[str]:
    pinged = {record.monitor for record in records if isinstance(record, Ping)}
    return pinged.union(*(verdicts.touched_by(connection, record) for record in records if isinstance(record, Gap)))
