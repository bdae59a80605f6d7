"""The rules in memory, on a virtual clock, say what the engine says on its stores."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import select
from world import START, World

from rules.book import Book
from rules.rehearsal import Rehearsal
from rules.windows import Windows
from store.control import monitors
from store.control.monitors import Watched
from store.control.tables import outbox, transitions
from store.instant import iso
from store.model import SECOND, Beat, Gap, Monitor, Ping, Schedule
from store.points.embedded import EmbeddedPoints
from store.rule import Match, Resolve, Rule, Window

_MEMORY = Path("/dev/shm")  # no disk is needed for what is thrown away
ALL = Match(all=True)
RULES = [
    Rule("r_deep", "threshold", "Deep", match=ALL, metric="v", operator=">", value=50.0, consecutive=2, resolve=Resolve("<=", 30.0, 2)),
    Rule("r_long", "threshold", "Long", match=ALL, metric="v", operator=">", value=40.0, hold=120, keep_firing=90),
    Rule("r_gone", "absent", "Gone", match=ALL, metric="v", hold=100),
    Rule("r_same", "unchanged", "Same", match=ALL, metric="v", consecutive=3),
    Rule("r_late", "heartbeat", "Late", match=ALL, grace=200, keep_firing=60),
    Rule("r_fail", "status", "Fails", match=ALL, consecutive=2),
    Rule("r_mean", "threshold", "Mean", match=ALL, metric="v", operator=">", value=45.0, window=Window("mean", 180), every=30),
    Rule("r_few", "threshold", "Few", match=ALL, metric="v", operator="<", value=2.0, window=Window("count", 240), every=60, consecutive=2),
    Rule(
        "r_rate",
        "threshold",
        "Rate",
        match=ALL,
        metric="v",
        operator=">",
        value=0.5,
        window=Window("rate", 300),
        every=60,
        on_no_data="resolve",
    ),
]

PAUSES = some.integers(1, 150)
KINDS = some.sampled_from(["success", "success", "success", "fail", "log"])
EVENTS = some.lists(
    some.one_of(
        some.tuples(some.just("ping"), PAUSES, KINDS, some.one_of(some.none(), some.integers(0, 100))),
        some.tuples(some.just("gap"), PAUSES, some.integers(2, 300), some.none()),
    ),
    max_size=10,
)


Told = tuple[list[Any], list[Any]]  # the monitor's transitions, and what people are told


def real(events: list[Any], rules: list[Rule], schedule: Schedule) -> Told:
    """What the engine makes of it, looked at every ten seconds, when intervals of windows end too."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        world = World(Path(folder))
        world.guard._hold = 0
        world.channel()
        world.follow(*rules)
        job = _job(world.project.id, schedule)
        with world.control.begin() as connection:
            monitors.add(connection, job)
        points = EmbeddedPoints(Path(folder) / "points.db")
        until = [0]
        windows = Windows(world.control, points, lambda: world.at(until[0]), "")

        def pass_to(second: int) -> None:
            for now in [*range(until[0] // 10 * 10 + 10, second, 10), second]:
                until[0] = now
                world.run(now)
                windows.step(world.at(now))

        for record in timed(events):
            pass_to(((record.start if isinstance(record, Gap) else record.at) - START) // SECOND)
            until[0] = (record.at - START) // SECOND
            world.put(record)
            if isinstance(record, Ping):
                points.write([record])
        pass_to(until[0] + 900)
        with world.control.read() as connection:
            rows = connection.execute(select(transitions).order_by(transitions.c.id))
            moved = [(row.at, row.from_status, row.to_status, row.reason) for row in rows]
            payloads = connection.execute(select(outbox.c.payload).where(outbox.c.event != "monitors_unverified")).scalars()
            said = sorted((p["timestamp"], p["event"], p["details"].get("alert", "")) for p in payloads)
        points.close()
        world.close()
        return moved, said


def rehearsed(events: list[Any], rules: list[Rule], schedule: Schedule) -> Told:
    records = timed(events)
    stage = Rehearsal([Watched(_job("prj", schedule), Beat())], Book(rules), START)
    for record in records:
        if isinstance(record, Ping):
            stage.ping(record)
        else:
            stage.gap(record)
    end = (records[-1].at - START) // SECOND if records else 0
    stage.until(START + (end + 900) * SECOND)
    moved = [(one.at, one.from_status, one.to_status, one.reason) for one in stage.transitions]
    said = sorted((iso(one.at), one.word.event, one.word.rule.name if one.word.rule else "") for one in stage.said)
    return moved, said


def timed(events: list[Any]) -> list[Ping | Gap]:
    found: list[Ping | Gap] = []
    at = SECOND // 2
    for kind, pause, what, value in events:
        at += pause * SECOND
        if kind == "ping":
            numbers = {} if value is None or what == "log" else {"v": float(value)}
            found.append(Ping(START + at, "mon_1", kind=what, numbers=numbers))
        else:
            start, at = at, at + what * SECOND
            found.append(Gap(START + at, START + start, START + at, "restart"))
    return found


def _job(project: str, schedule: Schedule) -> Monitor:
    return Monitor("mon_1", project, "job", None, (), schedule, "token", START, START)


@settings(max_examples=12, deadline=None)
@given(events=EVENTS, rules=some.lists(some.sampled_from(RULES), unique_by=lambda rule: rule.uid, max_size=4))
def test_the_engine_and_the_rehearsal_say_the_same(events: list[Any], rules: list[Rule]) -> None:
    schedule = Schedule(interval=60, grace=30)
    assert rehearsed(events, rules, schedule) == real(events, rules, schedule)


def test_a_quiet_year_costs_no_more_than_a_quiet_minute() -> None:
    stage = Rehearsal([Watched(_job("prj", Schedule(60, 30)), Beat())], Book(RULES[:6]), START)
    stage.ping(Ping(START + 1, "mon_1", numbers={"v": 99.0}))
    before = stage.steps
    stage.until(START + 365 * 86_400 * SECOND)
    assert stage.steps - before < 10
    assert [one.to_status for one in stage.transitions] == ["up", "down"]
