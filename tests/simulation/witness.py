"""Tells the model what happened, in the order in which the engine took notice, and compares what both make of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from simulation.oracle import Life, Turn
from simulation.scene import Scene, is_known
from simulation.stage import Engine
from store.control import settings
from store.instant import iso
from store.model import SECOND, Gap, Ns, Ping, Record

_OFFSETS = "SELECT journal, seq FROM offsets WHERE reader = 'settle'"
_TRANSITIONS = "SELECT id, monitor_id, at, from_status, to_status, reason FROM transitions WHERE id > ? ORDER BY id"
_INCIDENTS = "SELECT rowid, monitor_id, alert_id, opened_at FROM incidents WHERE rowid > ? ORDER BY rowid"


class Witness:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        scene.ground.stored = self._stored
        self._fed: dict[int, int] = defaultdict(int)
        self._fed_until: Ns = 0
        self._steps: list[Gap] = []  # of the clock
        self._before_others: dict[str, Ns] = {}  # who was told of which gap while others were not yet
        self._turns: dict[str, list[Turn]] = defaultdict(list)
        self._incidents: dict[str, list[tuple[Ns, str]]] = defaultdict(list)
        self._newest_turn = self._newest_incident = 0

    def _stored(self, slot: int, records: Sequence[Record]) -> None:
        self._scene.records[slot].extend(records)
        for record in records:
            if isinstance(record, Gap):
                self._scene.say(f"gap ({record.reason}) from {iso(record.start)} to {iso(record.end)}, at {iso(record.at)}")

    # What the engine has taken notice of.

    def hear_settled(self, connection: Connection) -> None:
        """All that is settled as this transaction sees it."""
        self._feed(self._offsets(connection.exec_driver_sql(_OFFSETS).all()))

    def hear_half_a_gap(self, connection: Connection, life: Life) -> None:
        """The engine may be in the midst of telling all monitors of a gap, one after the other."""
        at, _, last = (settings.get(connection, "gap_progress") or "").partition(" ")
        gap = self._next()
        if isinstance(gap, Gap) and str(gap.at) == at and life.monitor <= last and self._before_others.get(life.monitor) != gap.at:
            life.miss_out(self._judged(gap))
            self._before_others[life.monitor] = gap.at

    def _judged(self, gap: Gap) -> Gap:
        """The gap, with whether the clock was put forward within it."""
        return replace(gap, moved=any(step.at != gap.at and step.end > gap.start and step.start < gap.end for step in self._steps))

    def is_at_a_gap(self, life: Life) -> bool:
        """Whether a gap is to be settled next, and the monitor has not been told of it."""
        following = self._next()
        return isinstance(following, Gap) and self._before_others.get(life.monitor) != following.at

    def _next(self) -> Record | None:
        return min(self._coming(), key=lambda record: record.at, default=None)

    def _coming(self) -> list[Record]:
        return [records[self._fed[slot]] for slot, records in self._scene.records.items() if len(records) > self._fed[slot]]

    def _offsets(self, rows: Iterable[Any]) -> dict[int, int]:
        return {self._scene.slots[journal]: seq for journal, seq in rows}

    def _feed(self, offsets: dict[int, int]) -> None:
        fresh: list[Record] = []
        for slot, seq in offsets.items():
            if seq < self._fed[slot]:
                raise self._scene.fail(f"the offset in journal {slot} went back from {self._fed[slot]} to {seq}")
            fresh += self._scene.records[slot][self._fed[slot] : seq]
            self._fed[slot] = seq
        for record in sorted(fresh, key=lambda record: record.at):
            if record.at < self._fed_until:
                raise self._scene.fail(f"what came at {iso(record.at)} was settled after what came at {iso(self._fed_until)}")
            self._fed_until = record.at
            if isinstance(record, Ping):
                self._scene.lives[record.monitor].hear(record)
            else:
                self._miss_out(record)

    def _miss_out(self, gap: Gap) -> None:
        if gap.reason == "clock":
            seen = is_known(gap, self._steps)
            self._steps.append(gap)
            if seen:
                return
        for life in self._scene.lives.values():
            if self._before_others.get(life.monitor) != gap.at:
                life.miss_out(self._judged(gap))

    # What it should have made of it.

    def compare(self, engine: Engine) -> None:
        """After the engine has done all there is to do."""
        watermark = engine.settle.watermark
        self._feed(self._offsets(self._scene.view.execute(_OFFSETS)))
        if watermark is not None:
            self._look(watermark, engine.clock.lead)
        self._read()
        for monitor, life in self._scene.lives.items():
            if life.turns != self._turns[monitor]:
                raise self._scene.fail(_difference(life.turns, self._turns[monitor]), monitor)
            if len(life.outages) != len(self._incidents[monitor]):
                wanted = {(outage.opened, outage.rule or "") for outage in life.outages}
                amiss = sorted(wanted ^ set(self._incidents[monitor]))
                raise self._scene.fail(f"incidents that are too many or missing: {[(iso(at), rule) for at, rule in amiss]}", monitor)

    def _look(self, watermark: Ns, lead: Ns) -> None:
        scene = self._scene
        for record in self._coming():
            if record.at < watermark:
                raise scene.fail(f"the watermark is {iso(watermark)}, and what came at {iso(record.at)} is not settled")
        now = min((worker.clock() for worker in scene.workers.values()), default=watermark)
        if watermark < now - SECOND and not scene.ground.disk_full:
            raise scene.fail(f"the watermark is {iso(watermark)} at {iso(now)}, though all workers listen")
        for life in scene.lives.values():
            life.look(watermark, lead)

    def _read(self) -> None:
        scene = self._scene
        for row, monitor, at, before, after, reason in scene.view.execute(_TRANSITIONS, (self._newest_turn,)):
            self._newest_turn = row
            self._turns[monitor].append(Turn(at, before, after, reason))
            scene.say(f"  row {row}: {iso(at)} {before} → {after} ({reason})", monitor)
        for row, monitor, rule, opened in scene.view.execute(_INCIDENTS, (self._newest_incident,)):
            self._newest_incident = row
            self._incidents[monitor].append((opened, rule or ""))
            if rule is not None:
                scene.say(f"  {rule} fires at {iso(opened)}", monitor)


def _difference(wanted: Sequence[Turn], actual: Sequence[Turn]) -> str:
    same = next((n for n, (one, other) in enumerate(zip(wanted, actual, strict=False)) if one != other), min(len(wanted), len(actual)))
    return f"it should be: {_listed(wanted[same:])}, and is: {_listed(actual[same:])}"


def _listed(turns: Sequence[Turn]) -> str:
    return ", ".join(f"{iso(turn.at)} {turn.before} → {turn.after} ({turn.reason})" for turn in turns) or "nothing"
