from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from rules import runs
from store.model import SECOND, Gap, Ns, Ping, Run

A, B, C = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002", "cccccccc-0000-4000-8000-000000000003"


def at(seconds: float) -> Ns:
    return 1_700_000_000 * SECOND + round(seconds * SECOND)


def after(*events: tuple[float, str, str | None], max_run: int | None = None) -> tuple[runs.Runs, list[float | None]]:
    """The runs after these signals (seconds, kind, rid), and the duration that each end has told."""
    known: runs.Runs = ()
    durations: list[float | None] = []
    for seconds, kind, rid in events:
        if kind == "start":
            known = runs.began(known, rid, at(seconds), max_run)
        else:
            durations.append(runs.took(known, rid, at(seconds)))
            known = runs.ended(known, rid, kind, at(seconds))  # type: ignore[arg-type]
    return known, durations


def going(known: runs.Runs, seconds: float) -> list[str | None]:
    return [run.rid for run in runs.running(known, at(seconds))]


def test_a_run_is_timed_from_its_start_to_its_end() -> None:
    known, durations = after((0, "start", None), (7.5, "success", None))
    assert durations == [7.5]
    assert going(known, 8) == []


def test_an_end_without_a_start_has_no_duration() -> None:
    assert after((7, "success", None), (8, "fail", A))[1] == [None, None]


def test_overlapping_runs_are_timed_apart_whatever_their_order() -> None:
    known, durations = after((0, "start", A), (1, "start", B), (5, "success", A), (11, "fail", B))
    assert durations == [5, 10]
    assert going(known, 12) == []
    assert after((0, "start", A), (1, "start", B), (5, "success", B), (11, "success", A))[1] == [4, 11]


def test_a_second_start_without_a_name_means_that_the_first_run_never_ended() -> None:
    known, durations = after((0, "start", None), (60, "start", None), (63, "success", None))
    assert durations == [3]
    assert going(known, 64) == []


def test_a_start_that_is_said_twice_keeps_the_first_time() -> None:
    assert after((0, "start", A), (2, "start", A), (10, "success", A))[1] == [10]


@pytest.mark.parametrize(
    ("end", "rid", "left"),
    [
        ("success", B, [A]),  # what another run did says nothing about this one
        ("fail", B, [A]),
        ("success", None, []),
        ("fail", None, []),
        ("success", A, []),
        ("fail", A, []),
    ],
)
def test_which_ends_close_a_run(end: str, rid: str | None, left: list[str]) -> None:
    assert going(after((0, "start", A), (5, end, rid))[0], 6) == left


def test_a_run_without_a_name_ends_without_touching_the_named_ones() -> None:
    known, durations = after((0, "start", None), (1, "start", A), (5, "success", None))
    assert durations == [5]
    assert going(known, 6) == [A]


def test_a_start_that_comes_after_its_end_begins_nothing() -> None:
    assert going(after((0, "success", A), (1, "start", A))[0], 2) == []
    known, durations = after((0, "start", A), (3, "success", A), (4, "start", A), (9, "success", A))
    assert durations == [3, None]
    assert going(known, 10) == []


def test_a_name_that_is_used_again_is_a_new_run() -> None:
    assert after((0, "start", A), (3, "success", A), (60, "start", A), (65, "success", A))[1] == [3, 5]
    assert after((0, "start", A), (3_000, "start", A), (3_005, "success", A))[1] == [5], "the first run has crashed"


@pytest.mark.parametrize(
    ("seconds", "end", "rid", "said_at"),
    [
        (20, "fail", A, 5.0),
        (20, "success", A, None),
        (20, "fail", B, None),
        (20, "fail", None, None),
        (124, "fail", A, 5.0),
        (126, "fail", A, None),
    ],
)
def test_an_end_that_is_said_again_is_known(seconds: float, end: Any, rid: str | None, said_at: float | None) -> None:
    known, _ = after((0, "start", A), (5, "fail", A))
    assert runs.repeats(known, rid, end, at(seconds)) == (None if said_at is None else at(said_at))


def due(known: runs.Runs) -> Ns | None:
    run = runs.next_due(known)
    return None if run is None else run.due_at


def test_the_first_run_that_takes_too_long_is_told_of_and_each_once() -> None:
    known, _ = after((0, "start", A), (5, "start", B), max_run=10)
    assert due(known) == at(10)
    told = runs.let_go(known, at(10))
    assert due(told) == at(15)
    assert due(runs.let_go(told, at(15))) is None
    assert [run.rid for run in runs.overlong(told, at(12))] == [A]
    assert [run.rid for run in runs.overlong(told, at(20))] == [A, B]
    assert due(after((0, "start", A), (3, "success", A), max_run=10)[0]) is None


def test_what_an_end_was_last_is_remembered_from_when_it_was_said_first() -> None:
    known, _ = after((0, "success", A), (10, "success", A), (20, "success", A))
    assert runs.repeats(known, A, "success", at(21)) == at(0)
    known, _ = after((0, "success", A), (10, "fail", A))
    assert runs.repeats(known, A, "success", at(21)) is None
    assert runs.repeats(known, A, "fail", at(21)) == at(10)


def test_a_run_that_never_ends_is_given_up_after_a_day_or_twice_its_time() -> None:
    known, _ = after((0, "start", A))
    assert going(known, 86_399) == [A]
    assert going(known, 86_400) == []
    assert after((0, "start", A), (90_000, "success", A))[1] == [90_000], "an end that comes after all is timed"
    assert after((0, "start", A), (32 * 86_400, "start", B), (32 * 86_400 + 1, "success", A))[1] == [None], "but not for ever"
    long, _ = after((0, "start", A), max_run=3 * 86_400)
    assert going(long, 5 * 86_400) == [A]
    assert going(long, 6 * 86_400) == []


def test_of_too_many_runs_the_ended_and_then_the_oldest_are_given_up() -> None:
    known, _ = after((0, "start", A), (1, "success", A), (2, "start", B), *[(3.0 + n, "start", str(n)) for n in range(runs.LIMIT)])
    assert len(known) == runs.LIMIT
    assert going(known, 200) == [str(n) for n in range(runs.LIMIT)]


def test_a_gap_lets_nobody_wait_for_an_end_that_may_have_been_missed() -> None:
    known, _ = after((0, "start", A), max_run=100)
    within = runs.after_gap(known, Gap(at(60), at(50), at(60), "restart"))
    assert due(within) is None
    assert going(within, 60) == [A]
    assert runs.overlong(within, at(500)) == []
    late = Gap(at(300), at(200), at(300), "restart")
    assert runs.after_gap(known, late) == known, "it was over-long before we were away"
    early = Gap(at(1), at(-5), at(-1), "restart")  # of another worker, written down after the start
    assert runs.after_gap(known, early) == known, "it began after that"


@pytest.mark.parametrize(("max_run", "due"), [(None, None), (50, 50), (20, 50), (30, 60)])
def test_an_edited_limit_makes_no_run_over_long_by_itself(max_run: int | None, due: float | None) -> None:
    known, _ = after((0, "start", A), max_run=100)
    found = runs.next_due(runs.limited(known, max_run, at(30)))
    assert (found and found.due_at) == (None if due is None else at(due))


def test_an_edited_limit_does_not_wait_again_for_what_may_have_ended() -> None:
    known, _ = after((0, "start", A), max_run=100)
    released = runs.after_gap(known, Gap(at(60), at(50), at(60), "restart"))
    assert due(runs.limited(released, 200, at(70))) is None
    assert runs.overlong(runs.limited(released, 200, at(70)), at(5_000)) == []
    unlimited = runs.after_gap(after((0, "start", A))[0], Gap(at(60), at(50), at(60), "restart"))
    assert due(runs.limited(unlimited, 200, at(70))) is None
    assert due(runs.limited(runs.let_go(known, at(100)), 200, at(110))) is None, "nor for one that people know of"


_signals = st.tuples(st.floats(0, 300), st.sampled_from(["start", "success", "fail"]), st.sampled_from([None, A, B, C]))


@given(st.lists(_signals, max_size=30))
def test_no_duration_is_negative_and_no_run_is_there_twice(signals: list[tuple[float, str, str | None]]) -> None:
    known, durations = after(*sorted(signals, key=lambda signal: signal[0]), max_run=7)
    assert all(duration is None or 0 <= duration <= 300 for duration in durations)
    names = [run.rid for run in known]
    assert len(names) == len(set(names))
    assert all(isinstance(run, Run) for run in known)


# Through settle and the stores: what a run makes of its monitor.


@pytest.fixture
def world(tmp_path: Path) -> Any:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


def test_a_start_is_no_sign_of_success(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10, kind="start")
    world.run(11)
    beat = world.beat(job)
    assert (beat.status, beat.last_ping_at, beat.deadline) == ("new", None, None)
    assert [run.started_at for run in beat.runs] == [world.at(10)]
    world.ping(job, 20)
    world.ping(job, 100, kind="start")
    world.run(111)
    assert world.events() == ["monitor_down"], "the next ping was due at 110, however busy the job is"


def test_a_failure_is_down_at_once_and_told_once(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.ping(job, 20, kind="fail", exit_status=3, log="disk full")
    world.ping(job, 30, kind="fail")
    world.run(500)
    beat = world.beat(job)
    assert (beat.status, beat.down_since, beat.last_ping_at, beat.deadline) == ("down", world.at(20), world.at(30), None)
    ((event, details),) = world.said()
    assert event == "monitor_down"
    assert (details["reason"], details["exitStatus"], details["log"]) == ("failed", 3, "disk full")
    world.ping(job, 510)
    world.run(511)
    assert world.events() == ["monitor_down", "monitor_up"]
    assert world.beat(job).status == "up"


def test_a_monitor_may_begin_with_a_failure(world: World) -> None:
    job = world.monitor()
    world.ping(job, 10, kind="fail")
    world.run(11)
    assert (world.beat(job).status, world.events()) == ("down", ["monitor_down"])


def test_a_log_changes_nothing(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    alert = world.alert(job)
    world.ping(job, 10)
    world.run(11)
    before = world.beat(job)
    world.ping(job, 40, kind="log", numbers={"v": 500.0}, log="note")
    world.run(41)
    assert world.beat(job) == before
    assert world.standing(alert).state == "ok"
    world.run(101)
    assert world.events() == ["monitor_down"], "and it puts no deadline off"


def test_a_run_that_takes_too_long_is_down_and_its_end_is_the_recovery(world: World) -> None:
    job = world.monitor(interval=3_600, grace=30, max_run=60)
    world.ping(job, 10)
    world.ping(job, 100, kind="start", rid=A)
    world.run(160)
    assert world.events() == []
    world.run(160.001)
    beat = world.beat(job)
    assert (beat.status, beat.down_since, beat.run_due, beat.deadline) == ("down", world.at(160), None, None)
    ((event, details),) = world.said()
    assert event == "monitor_down"
    assert {key: details[key] for key in ("reason", "rid", "maxRunTime", "runStartedAt")} == {
        "reason": "overran",
        "rid": A,
        "maxRunTime": 60,
        "runStartedAt": "2023-11-14T22:15:00.000Z",
    }
    assert [run.rid for run in runs.overlong(beat.runs, world.at(200))] == [A]
    world.ping(job, 250, rid=A)
    world.run(251)
    assert world.events() == ["monitor_down", "monitor_up"]
    assert (world.beat(job).status, world.beat(job).expected_at) == ("up", world.at(250 + 3_600))


def test_a_run_is_over_long_even_before_the_first_success(world: World) -> None:
    job = world.monitor(max_run=60)
    world.ping(job, 10, kind="start")
    world.run(71)
    assert (world.beat(job).status, world.events()) == ("down", ["monitor_down"])


def test_another_runs_success_ends_the_outage_and_the_over_long_run_is_not_told_again(world: World) -> None:
    job = world.monitor(interval=3_600, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.ping(job, 80, rid=B)
    world.run(2_000)
    assert world.events() == ["monitor_down", "monitor_up"]
    assert world.beat(job).status == "up"


def test_an_over_long_run_that_nobody_looked_at_in_time_was_down_all_the_same(world: World) -> None:
    job = world.monitor(interval=3_600, max_run=60)
    world.ping(job, 10, kind="start")
    world.ping(job, 71)
    world.run(72)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_our_restart_makes_no_run_over_long(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.run(30)
    world.gap(30, 65)
    world.run(500)
    assert world.events() == [], "its end may have been sent while nobody listened"
    world.ping(job, 600, kind="start", rid=B)
    world.run(661)
    assert world.events() == ["monitor_down"]


def test_after_a_stall_a_runs_deadline_waits_a_moment(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.run(60)
    world.gap(68, 75, "stall")
    world.ping(job, 75.5, rid=A)
    world.run(80)
    assert world.events() == []
    other = world.monitor(interval=86_400, max_run=60)
    world.ping(other, 100, kind="start", rid=A)
    world.gap(158, 165, "stall")
    world.run(167)
    assert world.said()[0][1]["reason"] == "overran"


def test_a_repeated_success_does_not_hide_a_later_failure(world: World) -> None:
    job = world.monitor()
    world.ping(job, 10, rid=A)
    world.ping(job, 20, rid=B, kind="fail")
    world.ping(job, 30, rid=A)
    world.run(31)
    assert (world.beat(job).status, world.events()) == ("down", ["monitor_down"])
    world.ping(job, 40, rid=C)
    world.run(41)
    assert world.beat(job).status == "up"


def test_a_repeated_failure_does_not_take_back_a_later_success(world: World) -> None:
    job = world.monitor()
    world.ping(job, 10, rid=A, kind="fail")
    world.ping(job, 20, rid=B)
    world.ping(job, 30, rid=A, kind="fail")
    world.run(31)
    assert (world.beat(job).status, world.events()) == ("up", ["monitor_down", "monitor_up"])
    world.ping(job, 40, rid=B, kind="fail")
    world.run(41)
    assert world.beat(job).status == "down", "a run that succeeded and then failed has failed"


def test_the_duration_is_a_metric_that_alerts_and_is_shipped(world: World) -> None:
    from store.deadletter import DeadLetters
    from store.points.embedded import EmbeddedPoints
    from store.ship import Ship

    job = world.monitor(interval=3_600)
    world.alert(job, metric_key="duration_s", threshold=5.0)
    world.ping(job, 10, kind="start", rid=A)
    world.ping(job, 20, rid=A, numbers={"rows": 7.0})
    world.ping(job, 30, kind="start", rid=B)
    world.ping(job, 32, rid=B, numbers={"duration_s": 1.25})
    world.run(33)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]
    assert world.said()[0][1]["value"] == 10.0
    points = EmbeddedPoints(world.inboxes.parent / "points.db")
    ship = Ship(world.control, world.inbox, points, DeadLetters(world.inboxes.parent / "dead"))
    while ship.step(world.at(40)):
        pass
    newest: list[Ping] = points.pings(job.id, limit=10)
    assert [(p.kind, p.rid, p.duration, p.numbers) for p in newest] == [
        ("success", B, 2.0, {"duration_s": 1.25}),
        ("start", B, None, {}),
        ("success", A, 10.0, {"duration_s": 10.0, "rows": 7.0}),
        ("start", A, None, {}),
    ]
    with world.control.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM durations").scalar() == 0
    points.close()


def test_a_paused_monitor_forgets_its_runs_and_begins_none(world: World) -> None:
    from rules import actions

    job = world.monitor(max_run=60)
    world.ping(job, 10, kind="start")
    world.run(11)
    with world.control.begin() as connection:
        actions.pause(connection, job, "http://x", world.at(12))
    world.ping(job, 13, kind="start")
    world.ping(job, 14, kind="fail")
    world.run(500)
    beat = world.beat(job)
    assert (beat.status, beat.runs, beat.run_due, beat.last_ping_at) == ("paused", (), None, None)
    assert world.events() == []


def test_runs_that_are_given_up_for_others_are_counted(world: World) -> None:
    from prometheus_client import REGISTRY

    def given_up() -> float:
        return REGISTRY.get_sample_value("lastbeat_runs_given_up_total") or 0.0

    before = given_up()
    job = world.monitor()
    for n in range(runs.LIMIT + 3):
        world.ping(job, n, kind="start", rid=f"{n:08x}{A[8:]}")
    world.run(200)
    assert len(runs.running(world.beat(job).runs, world.at(200))) == runs.LIMIT
    assert given_up() - before == 3


def test_a_gap_during_another_outage_makes_no_run_over_long_later(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=600)
    world.ping(job, 5, kind="fail")
    world.ping(job, 10, kind="start", rid=A)
    world.run(40)
    world.gap(40, 100)  # in which the end of A was sent
    world.ping(job, 110, kind="start", rid=B)
    world.ping(job, 120, rid=B)
    world.run(2_000)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_a_run_that_was_due_before_a_gap_is_over_long(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.gap(75, 130)  # nothing was judged since 60
    world.run(131)
    ((event, details),) = world.said()
    assert (event, details["reason"], details["downSince"]) == ("monitor_down", "overran", "2023-11-14T22:14:30.000Z")


def test_a_run_that_became_over_long_during_another_outage_is_told_of_after_it(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.ping(job, 20, kind="fail")
    world.ping(job, 30, kind="start", rid=A)
    world.ping(job, 200, rid=B)
    world.run(201)
    assert [(event, details.get("reason")) for event, details in world.said()] == [
        ("monitor_down", "failed"),
        ("monitor_up", "ping"),
        ("monitor_down", "overran"),
    ]
    assert world.said()[-1][1]["downSince"] == "2023-11-14T22:16:40.000Z", "not before the outage ended that was there already"
    world.run(5_000)
    assert len(world.said()) == 3


def test_a_start_in_the_moment_after_a_stall_ends_nobodys_waiting(world: World) -> None:
    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.run(60)
    world.gap(68, 75, "stall")
    world.ping(job, 75.2, kind="start", rid=B)
    world.ping(job, 75.5, rid=A)
    world.run(80)
    assert world.events() == [], "its end was in time, and waited for us"
    world.run(136)
    assert world.said()[0][1]["rid"] == B


def test_one_name_for_all_runs_keeps_nobody_down(world: World) -> None:
    late, failing = world.monitor(interval=30, grace=30), world.monitor(interval=600)
    world.ping(late, 0.1, rid=A)
    world.ping(late, 80, rid=A)
    world.ping(failing, 0.2, rid=A)
    world.ping(failing, 30, rid=A, kind="fail")
    world.ping(failing, 60, rid=A, kind="start")
    world.ping(failing, 65, rid=A)
    world.run(81)
    assert world.beat(late).status == world.beat(failing).status == "up"


def test_an_edit_of_the_longest_time_takes_back_nothing_that_a_gap_granted(world: World) -> None:
    from msgspec.structs import replace as changed

    from rules import ledger

    job = world.monitor(interval=86_400, max_run=60)
    world.ping(job, 10, kind="start", rid=A)
    world.run(30)
    world.gap(30, 65)
    world.run(66)
    with world.control.begin() as connection:
        cases = ledger.load(connection, [job.id])
        cases[job.id].reschedule(changed(job, schedule=changed(job.schedule, max_run=90)), [], world.at(70))
        ledger.save(connection, cases.values(), "http://x", world.at(70))
    world.run(5_000)
    assert world.events() == []


def test_ended_runs_that_are_remembered_are_not_given_up(world: World) -> None:
    from prometheus_client import REGISTRY

    before = REGISTRY.get_sample_value("lastbeat_runs_given_up_total") or 0.0
    job = world.monitor()
    for n in range(runs.LIMIT):
        world.ping(job, n * 0.1, rid=f"{n:08x}{A[8:]}")
    world.ping(job, 49, kind="start")
    world.ping(job, 49.5, kind="start")
    world.ping(job, 49.7)
    world.ping(job, 50, kind="start", rid=B)
    world.run(51)
    assert (REGISTRY.get_sample_value("lastbeat_runs_given_up_total") or 0.0) == before
    assert [run.rid for run in runs.running(world.beat(job).runs, world.at(51))] == [B]
