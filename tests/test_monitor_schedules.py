"""Schedules and the limits of runs, through settle, overdue and the stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import START, World

from store.control import history
from store.model import SECOND, Monitor, Ns, Schedule
from store.rule import Match, Rule

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
MIDNIGHT = 86_400 - START // SECOND % 86_400  # in UTC, in seconds of the world
TWO = MIDNIGHT + 2 * 3_600
DAY = 86_400
NIGHTLY = Schedule(cron="0 2 * * *", grace=4 * 3_600, start_by=600)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


def reasons(world: World, monitor: Monitor) -> list[str]:
    """Why the monitor went from one status to another."""
    with world.control.read() as connection:
        return [one.reason for one in history.of_monitor(connection, monitor.id, 0, world.at(1e9))]


def alarms(world: World) -> list[tuple[str, str | None]]:
    return [(event, details.get("reason")) for event, details in world.said()]


def test_a_run_that_does_not_begin_is_told_of_long_before_its_grace_is_over(world: World) -> None:
    job = world.monitor(schedule=NIGHTLY)
    world.ping(job, 10)
    world.run(TWO + 600)
    assert world.events() == []
    world.run(TWO + 600.001)
    beat = world.beat(job)
    assert (beat.status, beat.down_since, beat.deadline) == ("down", world.at(TWO + 600), None)
    ((event, details),) = world.said()
    assert (event, details["reason"], details["startBy"]) == ("monitor_down", "not_started", 600)
    world.ping(job, TWO + 700, kind="start", rid=A)
    world.run(TWO + 701)
    assert world.beat(job).status == "down", "a start is no sign of success"
    world.ping(job, TWO + 900, rid=A)
    world.run(TWO + 901)
    assert alarms(world) == [("monitor_down", "not_started"), ("monitor_up", "ping")]
    assert reasons(world, job) == ["ping", "not_started", "ping"]
    assert world.beat(job).deadline == world.at(TWO + DAY + 600)


def test_a_run_that_begins_in_time_has_all_of_its_grace(world: World) -> None:
    job = world.monitor(schedule=NIGHTLY)
    world.ping(job, 10)
    world.ping(job, TWO - 200, kind="start")
    world.run(TWO + 4 * 3_600)
    assert world.events() == []
    world.run(TWO + 4 * 3_600 + 1)
    assert alarms(world) == [("monitor_down", "missed")]


def test_a_start_in_the_hours_before_is_not_the_one_that_is_expected(world: World) -> None:
    job = world.monitor(schedule=NIGHTLY)
    world.ping(job, 10)
    world.ping(job, TWO - 3_600, kind="start")
    world.run(TWO + 601)
    assert alarms(world) == [("monitor_down", "not_started")]


def test_a_restart_of_ours_that_swallowed_the_start_makes_nobody_down(world: World) -> None:
    by_cron = world.monitor(schedule=NIGHTLY)
    by_interval = world.monitor(schedule=Schedule(interval=20_000, grace=3_600, start_by=60))
    world.ping(by_cron, 10)
    world.ping(by_interval, TWO - 10_000)
    world.run(TWO - 100)
    world.gap(TWO - 100, TWO + 60)
    world.restart()
    world.run(TWO + 9_000)
    assert world.beat(by_cron).status == "unverified"
    assert world.beat(by_interval).status == "up"
    assert world.events() == ["monitors_unverified"]
    world.ping(by_interval, TWO + 12_000)  # its run began in the gap, and took long
    world.run(TWO + DAY + 600)
    assert world.beat(by_interval).last_ping_at == world.at(TWO + 12_000)
    assert "monitor_up" not in world.events()
    world.run(TWO + DAY + 601)
    assert world.beat(by_cron).down_since == world.at(TWO + DAY + 600)


def test_after_a_stall_a_start_that_waited_for_us_is_in_time(world: World) -> None:
    job = world.monitor(schedule=NIGHTLY)
    world.ping(job, 10)
    world.run(TWO)
    world.gap(TWO + 598, TWO + 603, "stall")
    world.ping(job, TWO + 603.5, kind="start")
    world.run(TWO + 700)
    assert world.events() == []


def test_a_run_that_is_too_short_is_down_at_once_and_its_ping_stays_what_it_was(world: World) -> None:
    job = world.monitor(schedule=Schedule(interval=3_600, min_run=60))
    world.ping(job, 10)
    world.ping(job, 100, kind="start", rid=A)
    world.ping(job, 102.5, rid=A, log="nothing to do")
    world.run(103)
    ((event, details),) = world.said()
    assert event == "monitor_down"
    facts = {name: details[name] for name in ("reason", "duration", "rid", "minRunTime", "log")}
    assert facts == {"reason": "underran", "duration": 2.5, "rid": A, "minRunTime": 60, "log": "nothing to do"}
    beat = world.beat(job)
    assert (beat.status, beat.down_since, beat.last_ping_at) == ("down", world.at(102.5), world.at(102.5))
    with world.control.read() as connection:
        assert connection.exec_driver_sql("SELECT seconds FROM durations").scalars().all() == [2.5]
    world.ping(job, 110, rid=A)  # its client did not hear the answer
    world.ping(job, 200, kind="start", rid=B)
    world.run(201)
    assert world.events() == ["monitor_down"]
    world.ping(job, 260, rid=B)
    world.run(261)
    assert alarms(world) == [("monitor_down", "underran"), ("monitor_up", "ping")]
    assert reasons(world, job) == ["ping", "underran", "ping"]


def test_several_expressions_are_kept_and_expected(world: World) -> None:
    job = world.monitor(schedule=Schedule(cron="0 2 * * *; 30 3 * * *", grace=60))
    world.ping(job, TWO + 5)
    world.run(TWO + 6)
    assert world.beat(job).expected_at == world.at(TWO + 5_400)
    world.run(TWO + 5_461)
    assert alarms(world) == [("monitor_down", "missed")]


def test_a_dead_job_is_told_of_however_often_we_are_restarted(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    for second in range(30, 1_000, 20):
        world.gap(second, second + 1)
        world.restart()
        world.run(second + 2)
    ((event, details),) = [said for said in world.said() if said[0] == "monitor_down"]
    assert (event, details["reason"]) == ("monitor_down", "missed")
    assert world.beat(job).down_since is not None


def break_zone(world: World, monitor: Monitor, zone: str = "Mars/Olympus") -> None:
    with world.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = ? WHERE id = ?", (zone, monitor.id))


def watched(world: World) -> dict[str, Any]:
    """A monitor whose zone is gone, and healthy ones around it."""
    found = {name: world.monitor(schedule=NIGHTLY, tags=("nightly",)) for name in ("before", "broken", "after")}
    break_zone(world, found["broken"])
    return found


def hours(count: float) -> Ns:
    return round(count * 3_600 * SECOND)


def test_a_schedule_that_cannot_be_computed_stops_nobody_elses_ping(world: World) -> None:
    jobs = watched(world)
    for job in jobs.values():
        world.ping(job, 10)
    world.run(20)
    assert [world.beat(job).status for job in jobs.values()] == ["up", "up", "up"]
    broken = world.beat(jobs["broken"])
    assert broken.health is not None and "'Mars/Olympus' is not known" in broken.health
    assert broken.deadline == world.at(10) + hours(1)
    assert [world.beat(jobs[name]).health for name in ("before", "after")] == [None, None]


def test_it_is_tried_again_every_hour_and_heals_by_itself(world: World) -> None:
    jobs = watched(world)
    for job in jobs.values():
        world.ping(job, 10)
    world.run(TWO + 700)
    assert [world.beat(job).status for job in jobs.values()] == ["down", "up", "down"], "who cannot be judged is not judged"
    assert world.beat(jobs["broken"]).deadline == world.at(10) + hours((TWO + 700) // 3_600 + 1)
    break_zone(world, jobs["broken"], "UTC")
    world.run(TWO + 700 + 3_600)
    beat = world.beat(jobs["broken"])
    assert (beat.status, beat.health, beat.deadline) == ("up", None, world.at(TWO + DAY + 600))


def test_a_gap_is_settled_for_all_although_one_cannot_be_computed(world: World) -> None:
    jobs = {name: world.monitor(schedule=NIGHTLY) for name in ("before", "broken", "after")}
    for job in jobs.values():
        world.ping(job, 10)
    world.run(20)
    break_zone(world, jobs["broken"])
    world.gap(TWO, TWO + 100)
    world.run(TWO + 200)
    assert [world.beat(job).status for job in jobs.values()] == ["unverified", "up", "unverified"]
    broken = world.beat(jobs["broken"])
    assert (broken.deadline, broken.health is None) == (world.at(TWO + 100) + hours(1), False)
    world.gap(TWO + 200, TWO + 300)
    world.run(TWO + 400)
    assert world.beat(jobs["broken"]).deadline == broken.deadline


def test_rules_that_wait_in_their_own_way_are_stopped_by_no_schedule_either(world: World) -> None:
    jobs = watched(world)
    rule = Rule("later", "heartbeat", name="Later", match=Match(tags=("nightly",)), grace=7 * 3_600, consecutive=2)
    world.follow(rule)
    for job in jobs.values():
        world.ping(job, 10)
    world.run(20)
    world.gap(TWO, TWO + 100)
    world.run(TWO + 3 * DAY)
    assert [world.beat(jobs[name]).status for name in ("before", "after")] == ["down", "down"]
    assert world.beat(jobs["broken"]).status == "up"
    assert world.stands(rule, jobs["before"]).state == "firing"


def test_a_failing_job_and_an_edit_need_no_schedule_that_can_be_computed(world: World) -> None:
    from msgspec.structs import replace

    from rules import ledger

    jobs = watched(world)
    world.ping(jobs["broken"], 10)
    world.ping(jobs["broken"], 20, kind="fail")
    world.run(21)
    assert alarms(world) == [("monitor_down", "failed")]
    world.ping(jobs["broken"], 30)
    world.run(31)
    with world.control.begin() as connection:
        cases = ledger.load(connection, [jobs["broken"].id])
        case = cases[jobs["broken"].id]
        case.reschedule(replace(case.monitor, schedule=NIGHTLY), case.rules, world.at(40))
        ledger.save(connection, cases.values(), "http://x", world.at(40))
    beat = world.beat(jobs["broken"])
    assert (beat.status, beat.health, beat.expected_at) == ("up", None, world.at(TWO))
