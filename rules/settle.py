"""Settle: applies each acknowledged ping exactly once, in the order of receipt.

State, history, outgoing messages and the journal offsets are one transaction, so a crash anywhere replays to the same result.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

from msgspec.structs import replace
from prometheus_client import Counter, Gauge

from rules import book, ledger
from rules.case import Case
from rules.storm import Recent
from store.control import Control, gaps, offsets, progress, standings, verdicts
from store.inbox import Inbox, Intake
from store.model import SECOND, Gap, Ns, Ping, Record

_settled = Counter("lastbeat_records_settled", "Records of the journals that the rules are done with.")
_watermark = Gauge("lastbeat_watermark_seconds", "Everything received before this Unix time is settled.", multiprocess_mode="mostrecent")

_BATCH = 500  # records a transaction: about 50 ms, so that others who write never wait long


class Settle:
    """A step that settles the next records of the inbox.

    `reached`: everything received before it is settled. `watermark`: the same, and nothing that is not settled yet tells of a time
    before: a gap of ours began long before the stamp by which it is ordered, and until it is settled nobody may be declared down by
    what was not heard in it. So the watermark waits until nothing is waiting. Both are None at first.
    """

    def __init__(self, control: Control, inbox: Inbox, base_url: str) -> None:
        self._control = control
        self._inbox = inbox
        self._base_url = base_url
        self.reached: Ns | None = None
        self.watermark: Ns | None = None
        self.heard = Recent()
        with control.read() as connection:
            self._offsets = offsets.load(connection, "settle")

    def step(self, now: Ns) -> bool:
        """Settle one batch; True when more is waiting."""
        intake = self._inbox.take(self._offsets, _BATCH)
        match intake.records:
            case []:
                pass
            case [Gap() as gap]:
                self._settle_gap(gap, intake, now)
            case pings:
                with self._control.begin() as connection:
                    cases = ledger.load(connection, {ping.monitor for ping in pings if isinstance(ping, Ping)})
                    _apply(pings, cases)
                    ledger.save(connection, cases.values(), self._base_url, now)
                    offsets.save(connection, "settle", intake.passed)
        heard = collections.Counter(record.at // SECOND for record in intake.records if isinstance(record, Ping) and record.kind != "log")
        for second, number in heard.items():
            self.heard.add(second * SECOND, number)
        self._offsets.update(intake.passed)
        _settled.inc(len(intake.records))
        self.reached = intake.horizon
        if not intake.more and intake.horizon is not None:  # while no worker serves, what is known stays true
            self.watermark = intake.horizon
        if self.watermark is not None:
            _watermark.set(self.watermark / SECOND)
        return intake.more

    def _settle_gap(self, gap: Gap, intake: Intake, now: Ns) -> None:
        """Judge everybody whom the gap may concern, a bounded number at a time; a crash goes on behind the last who was done."""
        with self._control.read() as connection:
            behind = progress.of(connection, gap)
            known = [one for one in gaps.within(connection, gap.start, gap.end) if one.reason == "clock" and one.at != gap.at]
            wide = replace(gap, start=gap.start - gap.lead)  # as slots of cron meet it
            intervals = {rule.uid: rule.interval for rule in book.current(connection).rules if rule.interval is not None}
            lasting = standings.touched_by(connection, wide, behind, intervals)
            judged = replace(gap, moved=bool(known))
            concerned = sorted({*verdicts.touched_by(connection, wide, behind), *lasting})
        if gap.reason == "clock" and known:
            concerned = []  # each worker has seen the clock being put forward, and it was put forward once
        for start in range(0, len(concerned), _BATCH):
            chunk = concerned[start : start + _BATCH]
            with self._control.begin() as connection:
                cases = ledger.load(connection, chunk)
                for case in cases.values():
                    case.gap(judged)
                ledger.save(connection, cases.values(), self._base_url, now)
                progress.save(connection, gap, chunk[-1])
        with self._control.begin() as connection:
            gaps.add(connection, gap)
            ledger.say_unverified(connection, gap, self._base_url, now)
            offsets.save(connection, "settle", intake.passed)


def _apply(records: Sequence[Record], cases: dict[str, Case]) -> None:
    for record in records:
        if isinstance(record, Ping) and record.monitor in cases:  # else it was deleted since
            cases[record.monitor].ping(record)
