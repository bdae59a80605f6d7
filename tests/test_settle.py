from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from world import BASE_URL, START, World

from rules import actions, ledger
from store.control import history, metric_keys, monitors, offsets
from store.control.tables import incidents, outbox
from store.journal import Journal
from store.model import SECOND, Gap, GapReason, MetricKey, Ping, Schedule
from store.rule import Match, Rule


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


def test_the_first_ping_makes_a_monitor_up_and_says_nothing(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.run(11)
    beat = world.beat(job)
    assert (beat.status, beat.last_ping_at, beat.expected_at, beat.deadline) == ("up", world.at(10), world.at(70), world.at(100))
    assert world.events() == []


def test_a_missed_ping_is_declared_once_right_after_its_deadline(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.run(100)
    assert world.beat(job).status == "up", "the deadline itself is still in time"
    world.run(100.001)
    beat = world.beat(job)
    assert (beat.status, beat.down_since, beat.deadline) == ("down", world.at(100), None)
    world.run(5_000)
    ((event, details),) = world.said()
    assert event == "monitor_down"
    assert details == {
        "reason": "missed",
        "lastPingAt": "2023-11-14T22:13:30.000Z",
        "expectedAt": "2023-11-14T22:14:30.000Z",
        "downSince": "2023-11-14T22:15:00.000Z",
    }


def test_a_ping_ends_the_outage_and_the_same_channel_hears_of_it(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.run(200)
    world.ping(job, 210)
    world.run(211)
    assert world.events() == ["monitor_down", "monitor_up"]
    assert world.said()[1][1] == {"reason": "ping", "downSince": "2023-11-14T22:15:00.000Z", "downSeconds": 110}
    with world.control.read() as connection:
        rows = connection.execute(select(outbox.c.incident_id, outbox.c.sequence, outbox.c.channel_id)).all()
        (incident,) = history.incidents_of(connection, job.id)
    assert [row.sequence for row in rows] == [1, 2]
    assert {row.incident_id for row in rows} == {incident.id}
    assert (incident.opened_at, incident.resolved_at, incident.resolution) == (world.at(100), world.at(210), "ping")


def test_a_ping_after_the_deadline_was_a_miss_even_if_nobody_looked_in_between(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.ping(job, 100.001)
    world.run(101)
    assert world.events() == ["monitor_down", "monitor_up"]
    with world.control.read() as connection:
        moved = [(t.from_status, t.to_status, t.at) for t in history.of_monitor(connection, job.id, START, world.at(1_000))]
    assert moved == [("new", "up", world.at(10)), ("up", "down", world.at(100)), ("down", "up", world.at(100.001))]


def test_a_backlog_delays_alarms_and_invents_none(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    for n in range(1_201):
        world.ping(job, n * 60.0)
    world.marks[0].set(world.at(72_001))
    assert world.settle.step(world.at(72_001)) is True
    world.overdue.step(world.at(72_001))
    assert world.beat(job).status == "up", "the rest of the journal is not read yet"
    world.run(72_001)
    assert world.events() == []
    assert world.beat(job).last_ping_at == world.at(72_000)


def test_nothing_is_overdue_while_a_worker_has_pings_that_are_not_durable(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.marks[0].set(world.at(95))
    world.tick(1_000)
    assert world.beat(job).status == "up"


def test_records_of_several_workers_are_settled_in_the_order_of_receipt(tmp_path: Path) -> None:
    world = World(tmp_path, workers=2)
    world.channel()
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10, slot=1)
    world.ping(job, 70, slot=0)
    world.ping(job, 130, slot=1)
    world.run(131)
    assert world.events() == []
    world.ping(job, 260, slot=1)
    world.marks[1].set(world.at(300))
    world.tick(300)
    assert world.beat(job).last_ping_at == world.at(130), "worker 0 may still bring something older"
    world.ping(job, 200, slot=0)
    world.run(300)
    assert world.events() == []
    world.close()


def test_a_crash_before_the_commit_changes_nothing_and_after_it_repeats_nothing(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.alert(job, consecutive=2)
    world.ping(job, 10, numbers={"v": 150.0})
    world.run(11)
    world.restart()
    world.run(12)
    world.ping(job, 20, numbers={"v": 150.0})
    world.run(21)
    assert world.events() == ["metric_alert"]
    with world.control.read() as connection:
        assert offsets.load(connection, "settle") == {world.journals[0].id: 2}


def test_our_restart_gives_short_monitors_another_chance(world: World) -> None:
    job, calm = world.monitor(interval=60, grace=30), world.monitor(interval=3_600, grace=30)
    for monitor in (job, calm):
        world.ping(monitor, 10)
    world.run(65)
    world.gap(65, 300)
    world.run(301)
    assert world.beat(job).deadline == world.at(300 + 60 + 30)
    assert world.beat(calm).deadline == world.at(10 + 3_600 + 30)
    assert world.events() == []
    world.run(391)
    assert world.events() == ["monitor_down"]


def test_after_a_mere_stall_a_deadline_waits_a_moment_for_the_pings_that_waited(world: World) -> None:
    waiting, dead, later = world.monitor(interval=60, grace=2), world.monitor(interval=60, grace=3), world.monitor(interval=60, grace=30)
    for job in (waiting, dead, later):
        world.ping(job, 0)
    world.run(60)
    world.gap(61, 65, "stall")
    world.ping(waiting, 65.1)
    world.run(65.9)
    assert world.events() == []
    assert world.beat(later).deadline == world.at(90)
    world.run(66.1)
    assert (world.beat(dead).status, world.beat(dead).down_since) == ("down", world.at(66))


def test_when_the_last_worker_dies_what_is_known_to_be_missed_is_declared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.overdue._BATCH", 1)
    jobs = [world.monitor(), world.monitor()]
    for job in jobs:
        world.ping(job, 0)
    world.marks[0].set(world.at(100))
    world.settle.step(world.at(100))
    world.overdue.step(world.at(100))
    world.locks[0].close()
    world.settle.step(world.at(101))
    while world.overdue.step(world.at(101)):
        pass
    assert {world.beat(job).status for job in jobs} == {"down"}
    world.locks.clear()


def test_an_edit_gives_and_takes_nothing_of_what_stalls_hold(world: World) -> None:
    edited = world.monitor(grace=300)
    world.ping(edited, 0)
    world.run(118)
    with world.control.begin() as connection:
        cases = ledger.load(connection, [edited.id])
        cases[edited.id].reschedule(replace(edited, schedule=Schedule(60, 100)), [], world.at(118))
        ledger.save(connection, cases.values(), BASE_URL, world.at(118))
    assert world.beat(edited).deadline == world.at(218)
    world.gap(217.2, 223.2, "stall")
    world.ping(edited, 223.3)
    world.run(224)
    assert world.beat(edited).status == "up", "it was sent in time"


def test_a_machine_that_is_out_of_breath_for_long_does_not_hide_who_is_down(world: World) -> None:
    rule = Rule("rule_h", "heartbeat", "Missed", match=Match(all=True), grace=100)
    job, starting = world.monitor(grace=2), world.monitor(schedule=Schedule(600, 500, start_by=62))
    running = world.monitor(interval=86_400, max_run=62)
    world.follow(rule)
    for one in (job, starting, running):
        world.ping(one, 0, kind="start" if one is running else "success")
    world.run(61)
    for turn in range(400):  # two seconds each, without a moment between them
        world.gap(61 + 2 * turn, 63 + 2 * turn, "stall")
    world.run(861)
    since = {beat.down_since for beat in (world.beat(job), world.beat(running))}
    assert since == {world.at(122)}, "a minute later than planned"
    assert world.beat(starting).down_since == world.at(600 + 62 + 60)
    assert world.stands(rule, job).active_at == world.at(60 + 100 + 60)


def test_a_dead_worker_holds_up_nobody(tmp_path: Path) -> None:
    world = World(tmp_path, workers=2)
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10, slot=1)
    world.run(11)
    world.locks[1].close()
    world.marks[0].set(world.at(200))
    world.tick(200)
    assert world.beat(job).status == "down"
    world.locks.pop()
    world.close()


def test_a_file_that_is_no_journal_is_passed_over_and_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    (world.inboxes / "9.db").write_bytes(b"this is not a database, whatever its name says" * 100)
    job = world.monitor()
    world.ping(job, 10)
    world.run(11)
    world.run(12)
    assert world.beat(job).status == "up"
    assert [record.message.count("9.db cannot be read") for record in caplog.records] == [1]


def test_a_journal_that_took_anothers_place_is_read_from_its_beginning(world: World) -> None:
    job = world.monitor()
    for n in range(5):
        world.ping(job, n)
    world.run(10)
    world.journals[0].close()
    for path in world.inboxes.glob("0.db*"):
        path.unlink()
    world.journals[0] = Journal(world.inboxes / "0.db", 1 << 30)
    world.ping(job, 20)
    world.run(21)
    assert world.beat(job).last_ping_at == world.at(20)


def test_a_gap_leaves_a_daily_job_unverified_until_its_next_turn(world: World) -> None:
    job = world.monitor(interval=86_400, grace=3_600)
    world.ping(job, 0)
    world.run(86_000)
    world.gap(86_300, 100_000)
    world.run(100_001)
    beat = world.beat(job)
    assert (beat.status, beat.expected_at) == ("unverified", world.at(2 * 86_400))
    world.ping(job, 172_900)
    world.run(172_901)
    assert world.beat(job).status == "up"
    assert world.events() == ["monitors_unverified"]


def test_all_whom_we_cannot_vouch_for_are_named_in_one_message(world: World) -> None:
    jobs = [world.monitor(interval=86_400, name=f"job {n}") for n in range(3)]
    for job in (*jobs, world.monitor(interval=60), world.monitor(interval=200_000)):
        world.ping(job, 0)
    world.run(30)
    world.gap(30, 90_000)
    world.run(90_001)
    ((event, details),) = world.said()
    assert event == "monitors_unverified"
    assert details == {
        "from": "2023-11-14T22:13:50.000Z",
        "to": "2023-11-15T23:13:20.000Z",
        "reason": "restart",
        "count": 3,
        "text": "3 monitors could not be verified: Lastbeat was not listening from 2023-11-14T22:13:50.000Z to 2023-11-15T23:13:20.000Z.",
        "monitors": [{"id": job.id, "name": job.name} for job in jobs],
    }


def test_who_stays_away_at_its_next_turn_is_down_after_all(world: World) -> None:
    job = world.monitor(interval=86_400, grace=3_600)
    world.ping(job, 0)
    world.run(86_000)
    world.gap(86_300, 100_000)
    world.run(2 * 86_400 + 3_601)
    assert world.beat(job).status == "down"
    assert world.events() == ["monitors_unverified", "monitor_down"]


def test_a_gap_that_concerns_many_is_settled_in_pieces_and_goes_on_after_a_crash(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.settle._BATCH", 4)
    jobs = [world.monitor(interval=86_400, grace=3_600, name=f"job {n}") for n in range(10)]
    for job in jobs:
        world.ping(job, 0)
    world.run(1)
    world.gap(86_300, 2 * 86_400 - 200)  # it ends so near the next turn that its ping may have come early, and so unheard
    saves: list[int] = []
    save = ledger.save

    def crash_at_the_second(*arguments: Any) -> None:
        saves.append(1)
        if len(saves) == 2:
            raise OSError("the power went")
        save(*arguments)

    monkeypatch.setattr("rules.ledger.save", crash_at_the_second)
    world.marks[0].set(world.at(2 * 86_400 - 100))
    with pytest.raises(OSError, match="the power went"):
        world.settle.step(world.at(2 * 86_400 - 100))
    assert sorted(world.beat(job).status for job in jobs) == ["unverified"] * 4 + ["up"] * 6
    world.restart()
    world.run(2 * 86_400 - 100)
    found = {(world.beat(job).status, world.beat(job).expected_at, world.beat(job).listened) for job in jobs}
    assert found == {("unverified", world.at(3 * 86_400), world.at(86_300) - world.at(0))}, "each was judged once"
    assert [(event, details["count"]) for event, details in world.said()] == [("monitors_unverified", 10)]
    assert world.said()[0][1]["text"].startswith("10 monitors could not be verified: Lastbeat was not listening from 2023-11-15T")


def test_where_no_channel_is_for_everybody_all_are_told_of_an_outage_of_ours(tmp_path: Path) -> None:
    world = World(tmp_path)
    one, other = world.channel(is_default=False), world.channel(is_default=False)
    job = world.monitor(interval=86_400, grace=3_600)
    world.ping(job, 0)
    world.run(1)
    world.gap(86_300, 100_000)
    world.run(100_001)
    with world.control.read() as connection:
        told = connection.execute(select(outbox.c.event, outbox.c.channel_id)).all()
    assert sorted(map(tuple, told)) == sorted(("monitors_unverified", channel.id) for channel in (one, other))
    world.close()


def test_pings_on_both_sides_of_a_gap_keep_their_order(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.ping(job, 69)
    world.gap(70, 300)
    world.ping(job, 310)
    world.ping(job, 365)
    world.run(366)
    assert world.events() == []
    assert world.beat(job).last_ping_at == world.at(365)


def test_who_was_overdue_before_our_gap_is_down_all_the_same(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 10)
    world.run(60)
    world.gap(101, 200)
    world.run(201)
    assert world.beat(job).down_since == world.at(100)


def test_keys_are_discovered_with_their_newest_values(world: World) -> None:
    job = world.monitor()
    world.ping(job, 1, numbers={"v": 1.0, "w": 5.0}, texts={"s": "done"})
    world.ping(job, 2, texts={"v": "two"})
    world.run(3)
    with world.control.read() as connection:
        found, total = metric_keys.find(connection, job.id)
    assert found == [MetricKey("s", "done", world.at(1)), MetricKey("v", "two", world.at(2)), MetricKey("w", 5.0, world.at(1))]
    assert total == 3


def test_pings_of_a_deleted_monitor_are_passed_over(world: World) -> None:
    job, gone = world.monitor(), world.monitor()
    world.put(Ping(world.at(1), gone.id))
    world.ping(job, 2)
    with world.control.begin() as connection:
        monitors.bury(connection, gone.id, world.at(1))
    world.run(3)
    assert world.beat(job).status == "up"


def test_three_breaches_in_a_row_fire_and_one_calm_sample_resolves(world: World) -> None:
    job = world.monitor(interval=3_600)
    alert = world.alert(job, consecutive=3)
    values = [150.0, 150.0, 50.0, 150.0, 150.0, None, 101.0, 500.0, 100.0]
    states = []
    for n, value in enumerate(values):
        world.ping(job, n + 1, numbers={} if value is None else {"v": value})
        world.run(n + 1.5)
        states.append(world.standing(alert).state)
    assert states == ["pending", "pending", "ok", "pending", "pending", "pending", "firing", "firing", "ok"]
    fired, resolved = world.said()
    condition = {"alertId": alert.id, "metricKey": "v", "operator": ">", "threshold": 100}
    assert fired == ("metric_alert", condition | {"value": 101, "consecutive": 3})
    assert resolved == ("metric_alert_resolved", condition | {"value": 100, "reason": "recovered"})


def test_texts_are_compared_with_text_thresholds_only(world: World) -> None:
    job = world.monitor(interval=3_600)
    failed = world.alert(job, operator="=", threshold="failed")
    number = world.alert(job, operator="!=", threshold=3.0)
    world.ping(job, 1, texts={"v": "failed"})
    world.run(2)
    assert (world.standing(failed).state, world.standing(number).state) == ("firing", "ok")
    world.ping(job, 3, numbers={"v": 4.0})
    world.run(4)
    assert (world.standing(failed).state, world.standing(number).state) == ("firing", "firing")


def test_an_alert_with_a_channel_tells_that_channel_alone(world: World) -> None:
    own = world.channel(is_default=False)
    job = world.monitor()
    world.alert(job, channel_id=own.id)
    world.ping(job, 1, numbers={"v": 101.0})
    world.run(2)
    with world.control.read() as connection:
        assert connection.execute(select(outbox.c.channel_id)).scalars().all() == [own.id]


def test_a_ping_older_than_the_last_changes_nothing(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 50)
    world.run(51)
    world.ping(job, 40)
    world.run(52)
    assert world.beat(job).last_ping_at == world.at(50)


def test_nobody_is_down_by_what_a_gap_that_is_still_waiting_swallowed(world: World) -> None:
    job, other = world.monitor(), world.monitor()
    world.ping(job, 0)
    world.ping(other, 1)
    world.run(5)
    world.ping(other, 10)  # not settled when everything is killed
    world.gap(10.2, 300)
    world.marks[0].set(world.at(300.1))
    world.restart()
    while True:  # both have their turn, one after the other, as in the engine
        more = world.settle.step(world.at(300.2))
        world.overdue.step(world.at(300.2))
        if not more:
            break
    assert (world.beat(job).status, world.events()) == ("up", [])
    world.run(391)
    assert world.beat(job).status == "down"


def test_a_second_gap_may_swallow_a_ping_whose_moment_the_first_left_unknown(world: World) -> None:
    job = world.monitor(interval=3_600, grace=30)
    world.ping(job, 0)
    world.run(1)
    world.gap(3_500, 4_000)  # it pings at 3,600, unheard
    world.run(4_001)
    world.gap(7_195, 7_205)  # and at 7,200
    world.run(10_790)
    assert (world.beat(job).status, world.events()) == ("up", [])
    world.ping(job, 10_800)
    world.run(10_801)
    assert world.beat(job).listened == 0


def test_after_a_pause_too_a_ping_may_come_at_any_moment(world: World) -> None:
    job = world.monitor(interval=86_400, grace=600)
    world.ping(job, 0)
    world.run(1)
    with world.control.begin() as connection:
        actions.pause(connection, job, "", world.at(10))
    with world.control.begin() as connection:
        actions.resume(connection, job, "", world.at(40_000))  # expected at 126,400, and it pings at 86,400
    world.gap(86_390, 86_410)
    world.run(126_400 + 601)
    assert (world.beat(job).status, "monitor_down" in world.events()) == ("unverified", False)


def test_restarts_that_never_end_leave_no_dead_job_untold(world: World) -> None:
    job = world.monitor(interval=60, grace=30)
    world.ping(job, 0)
    world.run(1)
    for second in range(50, 1_000, 25):
        world.gap(second, second + 2)
        world.run(second + 3)
    assert world.beat(job).status == "down"


def test_a_clock_that_is_put_forward_takes_no_time_from_anybody(world: World) -> None:
    six, brief = world.monitor(interval=21_600), world.monitor(interval=60)
    for job in (six, brief):
        world.ping(job, 0)
    world.run(2)
    world.gap(3, 7_203, "clock")  # two hours
    world.run(7_204)
    assert (world.beat(six).expected_at, world.beat(brief).expected_at) == (world.at(28_800), world.at(7_263))
    world.run(7_292)
    assert world.beat(brief).status == "up"
    world.run(7_294)
    assert world.beat(brief).status == "down", "a job that stopped is told of all the same"
    world.run(28_829)
    assert world.beat(six).status == "up"
    world.run(28_831)
    assert world.beat(six).status == "down"


def test_a_rare_job_whose_clock_was_moved_while_nothing_could_be_stored_is_waited_for_a_whole_interval(world: World) -> None:
    job = world.monitor(interval=43_200)
    world.ping(job, 0)
    world.run(1)
    world.put(Gap(world.at(54_000), world.at(50_400), world.at(54_000), "clock"))  # an hour, after a ping that was refused
    world.gap(43_200, 80_000, "not_stored")
    world.run(80_001)
    assert world.beat(job).expected_at == world.at(80_000 + 43_200)
    world.run(86_400 + 3_600)  # when its next ping comes, in truth
    assert world.beat(job).status == "unverified"


def test_each_worker_sees_the_clock_being_put_forward_and_it_was_once(tmp_path: Path) -> None:
    world = World(tmp_path, workers=2)
    job = world.monitor(interval=21_600)
    world.ping(job, 0)
    world.run(2)
    world.put(Gap(world.at(7_203), world.at(3), world.at(7_203), "clock"), 0)
    world.put(Gap(world.at(7_203.2), world.at(3.2), world.at(7_203.2), "clock"), 1)
    world.run(7_205)
    assert world.beat(job).expected_at == world.at(28_800)
    world.close()


def test_what_a_rule_counts_in_time_lasts_no_longer_by_a_clock_that_is_put_forward(world: World) -> None:
    job = world.monitor(interval=86_400)
    rule = Rule("r", "threshold", "Long", match=Match(all=True), metric="v", operator=">", value=1.0, hold=600)
    late = Rule("h", "heartbeat", "Late", match=Match(all=True), interval=3_600, grace=600)
    world.follow(rule, late)
    world.ping(job, 0, numbers={"v": 5.0})
    world.run(2)
    world.gap(3, 1_803, "clock")
    world.run(1_804)
    assert world.events() == []
    assert world.stands(late, job).due_at == world.at(3_600 + 600 + 1_800)
    world.run(2_399)
    assert world.events() == []
    world.run(2_401)
    assert world.stands(rule, job).state == "firing"


def test_a_rule_of_a_monitor_that_is_down_is_put_off_too_when_the_clock_is_put_forward(world: World) -> None:
    job = world.monitor(interval=86_400)
    rule = Rule("r", "absent", "Gone", match=Match(all=True), metric="v", hold=100)
    world.follow(rule)
    world.ping(job, 148, kind="fail")
    world.run(224)
    world.gap(225, 311, "clock")
    world.run(320)
    assert world.stands(rule, job).due_at == world.at(248 + 86)


@pytest.mark.parametrize(("reason", "until"), [("restart", 125 + 60 + 30), ("clock", 125 + 60 + 30), ("stall", 160)])
def test_what_lasts_waits_for_the_success_that_a_gap_may_have_swallowed_also_where_a_failure_was_reported(
    world: World, reason: GapReason, until: int
) -> None:
    job = world.monitor(interval=60, grace=30)
    rules = (
        Rule("failing", "status", "Failing", match=Match(all=True), hold=100),
        Rule("deep", "threshold", "Deep", match=Match(all=True), metric="v", operator=">", value=1.0, hold=100),
    )
    world.follow(*rules)
    world.ping(job, 0, numbers={"v": 0.0})
    world.ping(job, 60, kind="fail", numbers={"v": 5.0})
    world.gap(115 if reason != "stall" else 123, 125, reason)  # it pings at 120, unheard
    world.run(until)
    assert [world.stands(rule, job).state for rule in rules] == ["pending"] * 2
    world.run(until + 1)
    assert [world.stands(rule, job).state for rule in rules] == ["firing"] * 2, "if it never pings again, nobody else would tell"


def test_one_gap_after_the_other_puts_off_what_lasts_for_a_few_turns(world: World) -> None:
    job = world.monitor(interval=60, grace=10)
    rule = Rule("failing", "status", "Failing", match=Match(all=True), hold=100)
    world.follow(rule)
    world.ping(job, 60, kind="fail")
    for turn in range(2, 7):  # whenever it may ping we are not there
        world.gap(60 * turn - 5, 60 * turn + 5)
        world.run(60 * turn + 6)
    assert world.stands(rule, job).due_at == world.at(300 + 5 + 60 + 10), "it was put off four times"
    world.run(376)
    assert world.stands(rule, job).state == "firing"


def test_what_was_to_be_decided_before_the_clock_was_put_forward_is_decided_as_of_then(world: World) -> None:
    job, run = world.monitor(interval=86_400), world.monitor(interval=86_400, max_run=60)
    rule = Rule("r", "absent", "Gone", match=Match(all=True), metric="v", hold=100)
    world.follow(rule)
    world.ping(job, 0)
    world.ping(run, 0, kind="start")
    world.marks[0].set(world.at(1))
    world.settle.step(world.at(1))
    world.gap(200, 800, "clock")  # settled before anybody has looked what was due
    world.run(900)
    assert world.stands(rule, job).state == "firing"
    with world.control.read() as connection:
        (fired,) = connection.execute(select(incidents.c.opened_at).where(incidents.c.alert_id == "r")).scalars()
    assert fired == world.at(100)
    assert (world.beat(run).status, world.beat(run).down_since) == ("down", world.at(60))


def test_a_run_that_became_over_long_in_another_outage_is_told_of_right_after_that_whatever_gap_comes_then(world: World) -> None:
    job = world.monitor(interval=1_000, grace=0, max_run=100)
    world.ping(job, 0)
    world.run(1_001)
    world.ping(job, 1_002, kind="start", rid="long")
    world.run(2_000)
    world.ping(job, 2_001, rid="other")
    world.gap(2_010, 2_011)
    world.run(2_020)
    assert (world.beat(job).status, world.beat(job).down_since) == ("down", world.at(2_001))


def test_while_our_clock_is_ahead_a_cron_job_is_waited_for_by_the_one_on_the_wall(world: World) -> None:
    world.overdue._lead = lambda: 50 * SECOND
    job = world.monitor(schedule=Schedule(interval=60, grace=20, cron="*/2 * * * *"))  # slots at 40, 160, 280 ... seconds
    for second in (90, 210, 330):  # by our clock; it pings at its slots
        world.ping(job, second, lead=50 * SECOND)
        world.run(second + 119)
        assert world.beat(job).status == "up"
    with world.control.read() as connection:
        assert len(history.of_monitor(connection, job.id, START, world.at(1_000))) == 1
    world.run(469)
    assert world.beat(job).status == "up"
    world.run(471)
    assert (world.beat(job).status, world.beat(job).down_since) == ("down", world.at(420))


def test_nobody_waits_behind_those_who_are_waited_for_by_the_clock_on_the_wall(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.overdue._BATCH", 2)
    world.overdue._lead = lambda: 3_600 * SECOND
    slotted = [world.monitor(schedule=Schedule(interval=60, grace=20, cron="*/2 * * * *")) for _ in range(5)]
    other, ruled = world.monitor(interval=300), world.monitor(interval=86_400)
    rule = Rule("r", "heartbeat", "Late", match=Match(all=True), cron="*/3 * * * *", timezone="UTC", grace=0)
    world.follow(rule)
    for job in (*slotted, other, ruled):
        world.ping(job, 5, lead=3_600 * SECOND)
    world.run(400)
    assert [world.beat(job).status for job in slotted] == ["up"] * 5
    assert world.beat(other).status == "down"
    assert world.stands(rule, ruled).state == "ok"


def test_what_slots_a_gap_met_is_by_the_clock_on_the_wall(world: World) -> None:
    world.overdue._lead = lambda: 50 * SECOND
    job = world.monitor(schedule=Schedule(interval=60, grace=20, cron="*/2 * * * *"))
    world.ping(job, 90, lead=50 * SECOND)
    world.run(91)
    world.put(Gap(world.at(215), world.at(200), world.at(215), "restart", 50 * SECOND))  # it pings within, at 210 by our clock
    world.run(330)
    assert (world.beat(job).status, world.events()) == ("up", [])


@pytest.mark.parametrize("lead", [2_700, 0], ids=["still slower", "level again"])
def test_after_our_clock_went_slower_a_ping_comes_sooner_than_its_interval_says_and_may_be_lost_so(world: World, lead: int) -> None:
    job = world.monitor(interval=86_400, grace=3_600)
    world.ping(job, 0, lead=(lead + 864) * SECOND)
    world.run(1)
    # By our clock it may ping from 85,236 on: a hundredth of a day sooner, and five minutes early.
    slowed = world.at(80_000) if lead else world.at(40_000)
    world.put(Gap(world.at(85_300), world.at(80_000), world.at(85_300), "suspend", lead * SECOND, slowed))
    world.run(90_001)
    assert world.beat(job).status == "unverified"
