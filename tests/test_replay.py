"""What rules would have made of a monitor's past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from world import BASE_URL, START, World

from rules import actions
from rules.book import rule_of
from rules.rehearsal import recorded
from rules.rehearsal.firings import Firing
from rules.rehearsal.recorded import Pausing
from rules.rehearsal.replay import Replayed, lead, replay
from store.control import gaps, history
from store.model import SECOND, Monitor, Ns, Ping, Schedule
from store.points.embedded import EmbeddedPoints
from store.rule import Compare, Match, Resolve, Rule, Window

ALL = Match(all=True)
DEEP = Rule("r_deep", "threshold", "Deep", match=ALL, metric="v", operator=">", value=50.0)
DOWN = Rule("r_down", "heartbeat", "Down", match=ALL)
DAY = 86_400


class Past:
    """A world whose pings are kept as points."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.points = EmbeddedPoints(folder / "points.db")

    def ping(self, monitor: Monitor, seconds: float, value: float | None = None, **fields: Any) -> None:
        ping = Ping(self.world.at(seconds), monitor.id, numbers={} if value is None else {"v": value}, **fields)
        self.world.put(ping)
        self.points.write([ping])

    def pings(self, monitor: Monitor, start: float, end: float) -> list[Ping]:
        return list(recorded.pings(self.points, monitor, self.world.at(start), self.world.at(end)))

    def replay(self, monitor: Monitor, rules: list[Rule], start: float, end: float, lead: float = 0) -> Replayed:
        with self.world.control.read() as connection:
            away = gaps.within(connection, self.world.at(start), self.world.at(end))
            pausings = recorded.pausings(connection, monitor, self.world.at(start), self.world.at(end))
        pings = self.pings(monitor, start - lead, end)
        return replay(monitor, rules, pings, self.world.at(start), self.world.at(end), gaps=away, pausings=pausings)

    def close(self) -> None:
        self.points.close()
        self.world.close()


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    one = Past(tmp_path)
    yield one
    one.close()


def spans(firings: tuple[Firing, ...]) -> list[tuple[str, int, int | None, float | str | None]]:
    """Each by its rule: from when on it fired and until when, in seconds, and by what value."""

    def seconds(at: Ns) -> int:
        return (at - START) // SECOND

    return [
        (one.rule.name if one.rule else "", seconds(one.start), None if one.end is None else seconds(one.end), one.value) for one in firings
    ]


def test_a_replay_says_what_was_said(past: Past) -> None:
    world = past.world
    job = world.monitor(60, 30)
    world.follow(DEEP, DOWN)
    for second in range(0, 600, 60):
        past.ping(job, second, 99.0 if 200 < second < 400 else 1.0)
        world.run(second + 1)
    world.gap(545, 600)
    world.run(605)
    with world.control.begin() as connection:
        actions.pause(connection, job, BASE_URL, world.at(650))
    world.run(700)
    with world.control.begin() as connection:
        actions.resume(connection, job, BASE_URL, world.at(800))
    world.run(1_000)
    past.ping(job, 1_010, kind="fail")
    world.run(1_100)
    again = past.replay(job, [DEEP, DOWN], 0, 1_100)
    with world.control.read() as connection:
        before = history.of_monitor(connection, job.id, START, world.at(1_100))
    told = [(moved.at, moved.from_status, moved.to_status, moved.reason) for moved in before]
    assert len(told) == 4
    assert [(moved.at, moved.from_status, moved.to_status, moved.reason) for moved in again.transitions] == told
    assert spans(again.firings) == [("Deep", 240, 420, 99.0), ("Down", 890, None, None)]
    assert again.pings == 11


def test_what_had_begun_before_is_told_apart_by_its_time(past: Past) -> None:
    job = past.world.monitor(60, 30)
    for second, value in [(0, 99.0), (60, 99.0), (120, 1.0), (180, 99.0)]:
        past.ping(job, second, value)
    assert spans(past.replay(job, [DEEP], 100, 200, lead=100).firings) == [("Deep", 0, 120, 99.0), ("Deep", 180, None, 99.0)]
    late = past.replay(job, [DEEP], 130, 200, lead=130)
    assert spans(late.firings) == [("Deep", 180, None, 99.0)]
    assert [turn.after for turn in late.turns] == ["firing"]
    assert late.pings == 1


def test_rules_on_windows_look_at_points_from_before(past: Past) -> None:
    job = past.world.monitor(60, 30)
    few = Rule("r_few", "threshold", "Few", match=ALL, metric="v", operator="<", value=5.0, window=Window("count", 600), every=60)
    for second in range(0, 2_400, 60):
        past.ping(job, second, 1.0)
    assert lead([few], job) == 600 + 240
    assert spans(past.replay(job, [few], 1_200, 2_400, lead=840).firings) == []
    assert spans(past.replay(job, [few], 1_200, 2_400).firings)[0][0] == "Few"  # without them it would count too few


@pytest.mark.parametrize(
    "fields",
    [{}, {"hold": 40}, {"hold": 45}, {"consecutive": 4}, {"consecutive": 3, "hold": 95}, {"resolve": Resolve(consecutive=9)}],
)
def test_rules_on_windows_that_fired_before_fire_already_at_the_beginning(past: Past, fields: dict[str, Any]) -> None:
    job = past.world.monitor(10, 5)
    high = Rule("r_w", "threshold", "W", match=ALL, metric="v", operator=">", value=100.0, window=Window("mean", 30), every=10, **fields)
    for second in range(0, 600, 10):
        past.ping(job, second, 900.0)
    ((rule, began, ended, _),) = spans(past.replay(job, [high], 580, 600, lead=lead([high], job)).firings)
    assert (rule, ended) == ("W", None)
    assert began < 580


def test_a_rule_on_a_window_that_is_not_well_for_long_enough_still_fires_at_the_beginning(past: Past) -> None:
    job = past.world.monitor(10, 5)
    high = Rule("r_w", "threshold", "W", match=ALL, metric="v", operator=">", value=100.0, window=Window("max", 10), every=10)
    kept = replace(high, hold=45, keep_firing=95, resolve=Resolve(consecutive=3))
    for second in range(0, 700, 10):
        past.ping(job, second, 900.0 if second < 500 else 1.0)
    found = spans(past.replay(job, [kept], 590, 700, lead=lead([kept], job)).firings)
    assert [(rule, began < 590, ended) for rule, began, ended, _ in found] == [("W", True, 610)]


def test_what_a_cron_job_counted_before_is_counted(past: Past) -> None:
    job = past.world.monitor(schedule=Schedule(cron="*/5 * * * *", grace=60))
    three = Rule("r_3", "threshold", "Three", match=ALL, metric="v", operator=">", value=50.0, consecutive=3)
    for second in range(0, 1_500, 300):
        past.ping(job, second, 99.0)
    found = spans(past.replay(job, [three], 450, 1_500, lead=lead([three], job)).firings)
    assert [began for rule, began, _, _ in found if rule == "Three"] == [600]


def test_nobody_is_judged_before_being_made(past: Past) -> None:
    job = past.world.monitor(60, 30, created_at=past.world.at(DAY))
    gone = Rule(
        "r_gone", "threshold", "Gone", match=ALL, metric="v", operator="<", value=1.0, window=Window("count", 20), on_no_data="fire"
    )
    assert past.replay(job, [gone], 0, DAY) == Replayed((), (), (), 0)
    assert [began for _, began, _, _ in spans(past.replay(job, [gone], 0, 2 * DAY).firings)] == [DAY + 40]


def test_how_far_rules_look_back() -> None:
    often, nightly = Schedule(60, 30), Schedule(cron="0 2 * * *")

    def monitor(schedule: Schedule) -> Monitor:
        return Monitor("mon_1", "prj_1", "job", None, (), schedule, "token", START, START)

    slow = Rule("r", "threshold", metric="v", operator=">", value=1.0, hold=3_600, keep_firing=600, consecutive=3)
    weekly = Rule("r", "threshold", metric="v", operator=">", value=1.0, window=Window("mean", 600), compare=Compare(7 * DAY))
    assert lead([], monitor(often)) == 0
    turns = 3 + 1 + 2  # to fire, to be well again, and both rounded up
    assert lead([DEEP, slow], monitor(often)) == 3_600 + 600 + turns * 60
    assert lead([slow], monitor(nightly)) == 3_600 + 600 + turns * DAY
    assert lead([slow], monitor(replace(nightly, cron="0 2 * * 1-5"))) == 3_600 + 600 + turns * 3 * DAY
    assert lead([slow], monitor(replace(nightly, timezone="Mars/Olympus"))) == 3_600 + 600
    assert lead([slow, weekly], monitor(often)) == 7 * DAY + 600 + 3_600 + 600 + turns * 60
    assert lead([replace(weekly, every=10, resolve=Resolve(consecutive=4))], monitor(often)) == 7 * DAY + 600 + (1 + 4 + 2) * 10


def test_a_metric_alert_is_replayed_like_a_rule(past: Past) -> None:
    job = past.world.monitor(60, 30)
    alert = rule_of(past.world.alert(job, threshold=50.0, consecutive=2))
    for second, value in [(0, 99.0), (60, 98.0), (120, 1.0)]:
        past.ping(job, second, value)
    assert spans(past.replay(job, [alert], 0, 200).firings) == [("", 60, 120, 98.0)]


def test_an_outage_that_no_rule_is_about_is_a_firing_without_a_rule(past: Past) -> None:
    job = past.world.monitor(60, 30)
    past.ping(job, 0)
    (outage,) = past.replay(job, [], 0, 200).firings
    assert (outage.rule, outage.reason, outage.end) == (None, "missed", None)


def test_of_an_outage_that_several_rules_tell_all_are_over_at_once(past: Past) -> None:
    job = past.world.monitor(60, 30)
    past.ping(job, 0)
    past.ping(job, 300)
    loud = Rule("r_loud", "heartbeat", "Loud", match=ALL)
    assert spans(past.replay(job, [DOWN, loud], 0, 310).firings) == [("Down", 90, 300, None), ("Loud", 90, 300, None)]


def test_pings_come_oldest_first_over_days_and_pages(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_PAGE", 3)
    job = past.world.monitor(60, 30)
    for hour in range(0, 72, 5):
        past.ping(job, hour * 3_600)
    found = [(ping.at - START) // SECOND // 3_600 for ping in past.pings(job, 0, 3 * DAY)]
    assert found == list(range(0, 72, 5))
    for second in range(1, 10):  # within a nanosecond of each other
        past.points.write([Ping(START + second, job.id)])
    assert [ping.at - START for ping in past.pings(job, 0, 3_600)] == list(range(10))
    assert [ping.at for ping in past.pings(job, 5 * 3_600, 10 * 3_600)] == [START + 5 * 3_600 * SECOND]
    ends, older = recorded.newest(past.points, job, START, START + 3 * DAY * SECOND, 4)
    assert [(ping.at - START) // SECOND // 3_600 for ping in ends] == [55, 60, 65, 70]
    assert older
    assert recorded.newest(past.points, job, START, START + 3 * DAY * SECOND, 24)[1] is False


def test_pings_with_many_values_are_fewer(past: Past) -> None:
    job = past.world.monitor(60, 30)
    for second in range(10):
        past.points.write([Ping(past.world.at(second), job.id, numbers={f"n{n}": 1.0 for n in range(50)})])
    found, older = recorded.newest(past.points, job, START, START + 60 * SECOND, 10)
    assert (len(found), older) == (3, True)


def test_nothing_from_before_a_monitor_was_made_is_its_own(past: Past) -> None:
    job = past.world.monitor(60, 30, created_at=past.world.at(50))
    past.ping(job, 10)
    past.ping(job, 60)
    assert [ping.at for ping in past.pings(job, 0, 100)] == [past.world.at(60)]
    assert recorded.last_before(past.points, job, past.world.at(60)) is None
    last = recorded.last_before(past.points, job, past.world.at(61))
    assert last is not None
    assert last.at == past.world.at(60)


def test_who_was_paused_before_the_beginning_is_paused_at_it(past: Past) -> None:
    world = past.world
    job = world.monitor(60, 30)
    for at, deed in [(10, actions.pause), (100, actions.resume), (200, actions.pause)]:
        with world.control.begin() as connection:
            deed(connection, job, BASE_URL, world.at(at))
    with world.control.read() as connection:
        found = recorded.pausings(connection, job, world.at(50), world.at(150))
        later = recorded.pausings(connection, job, world.at(120), world.at(180))
    assert found == [Pausing(world.at(10), paused=True), Pausing(world.at(100), paused=False)]
    assert later == []
