"""Rules on heartbeats and on reported failures: whom they tell of an outage, and those that wait in their own way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update
from world import World

from rules import actions, ledger, overdue
from rules.accept import accept, arm
from rules.definitions import MonitorDefinition, defined_monitor
from store.control import channels, history, monitors, rule_set, standings
from store.control.tables import monitors as monitors_table
from store.control.tables import outbox
from store.instant import iso
from store.model import Channel, Monitor, Plan, Schedule
from store.rule import Match, Resolve, Rule, Standing

ALL = Match(all=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


def heartbeat(uid: str = "rule_h", **fields: Any) -> Rule:
    return Rule(uid, "heartbeat", "Missed", match=fields.pop("match", ALL), **fields)


def failure(uid: str = "rule_s", **fields: Any) -> Rule:
    return Rule(uid, "status", "Failing", match=fields.pop("match", ALL), **fields)


def heard(world: World) -> list[tuple[str, str]]:
    """Which channel was told of what, in the order of the outbox."""
    with world.control.read() as connection:
        return [(row.channel_id, row.event) for row in connection.execute(select(outbox).order_by(outbox.c.number))]


def pinged(world: World, job: Monitor, *times: float, kind: Any = "success") -> None:
    for time in times:
        world.ping(job, time, kind=kind)
        world.run(time + 0.5)


def test_an_outage_that_no_rule_is_about_is_told_as_ever(world: World) -> None:
    usual, job = world.channel(), world.monitor()
    world.follow(heartbeat(match=Match(tags=("backup",))))
    pinged(world, job, 0)
    world.run(91)
    assert heard(world) == [(usual.id, "monitor_down")]


def test_a_plain_rule_says_who_is_told_of_the_monitors_own_outage(world: World) -> None:
    usual, ops, job = world.channel(), named(world, "ops"), world.monitor()
    world.follow(heartbeat(channels=("ops",), labels={"severity": "critical"}))
    pinged(world, job, 0)
    world.run(91)
    pinged(world, job, 100)
    assert heard(world) == [(ops.id, "monitor_down"), (ops.id, "monitor_up")]
    pinged(world, job, 110, kind="fail")
    assert heard(world)[2:] == [(usual.id, "monitor_down")], "no rule is about failures"
    down = world.said()[0]
    assert (down[1]["alert"], down[1]["labels"]) == ("Missed", {"severity": "critical"})
    assert world.stands(heartbeat(), job).state == "ok", "the monitor's own outage is its state"


def test_several_plain_rules_tell_each_channel_once(world: World) -> None:
    usual, ops, job = world.channel(), named(world, "ops"), world.monitor()
    world.follow(heartbeat(), heartbeat("rule_2", channels=("ops", usual.id)))
    pinged(world, job, 0)
    world.run(91)
    pinged(world, job, 100)
    both = [(usual.id, "monitor_down"), (ops.id, "monitor_down")]
    assert heard(world)[:2] == both
    assert sorted(heard(world)[2:]) == sorted((channel, "monitor_up") for channel, _ in both)


def test_a_rule_that_tells_nobody_tells_nobody(world: World) -> None:
    world.channel()
    job = world.monitor()
    world.follow(heartbeat(channels=()))
    pinged(world, job, 0)
    world.run(91)
    assert (world.beat(job).status, heard(world)) == ("down", [])


def test_a_channel_that_is_not_there_leaves_no_alarm_unheard(world: World) -> None:
    usual, job = world.channel(), world.monitor()
    world.follow(heartbeat(channels=("opps",)))
    pinged(world, job, 0)
    world.run(91)
    assert heard(world) == [(usual.id, "monitor_down")]


def test_a_rule_that_waits_longer_tells_later_and_of_an_incident_of_its_own(world: World) -> None:
    usual, job = world.channel(), world.monitor()
    world.follow(heartbeat(hold=600))
    pinged(world, job, 0)
    world.run(600)
    assert (world.beat(job).status, heard(world)) == ("down", [])
    world.run(690)
    assert heard(world) == []
    world.run(690.5)
    assert heard(world) == [(usual.id, "monitor_down")]
    ((_, details),) = world.said()
    assert (details["reason"], details["consecutive"]) == ("missed", 1)
    pinged(world, job, 700)
    assert world.events() == ["monitor_down", "monitor_up"]
    with world.control.read() as connection:
        incidents = history.incidents_of(connection, job.id)
    assert [(one.alert_id, one.resolved_at is not None) for one in incidents] == [("rule_h", True), (None, True)]


def test_a_rule_with_a_grace_of_its_own_counts_from_what_the_monitor_expects(world: World) -> None:
    world.channel()
    job = world.monitor(interval=60, grace=30)
    world.follow(heartbeat(grace=300))
    pinged(world, job, 0)
    world.run(359)
    assert world.events() == []
    world.run(361)
    assert world.events() == ["monitor_down"]


def test_a_rule_with_a_schedule_of_its_own_waits_for_its_slots(world: World) -> None:
    world.channel()
    job = world.monitor(interval=86_400)
    rule = heartbeat(cron="*/10 * * * *", timezone="UTC", grace=60)
    world.follow(rule)  # the world began at 22:13:20
    pinged(world, job, 30)  # 22:13:50, the slots are 22:20 (400 s) and 22:30 (1,000 s)
    world.run(460)
    assert world.events() == []
    world.run(461)
    assert world.events() == ["monitor_down"]
    assert world.beat(job).status == "up"


def test_a_rule_may_wait_for_several_misses_in_a_row(world: World) -> None:
    world.channel()
    job = world.monitor()
    world.follow(heartbeat(consecutive=3))
    pinged(world, job, 0)
    world.run(209)
    assert world.events() == []
    world.run(211)
    assert world.events() == ["monitor_down"]


def test_a_miss_that_a_gap_of_ours_may_have_swallowed_breaks_the_row(world: World) -> None:
    world.channel()
    job = world.monitor()
    rule = heartbeat(consecutive=2, hold=20)
    world.follow(rule)
    for begin, start, end in ((0, 118, 125), (1_000, 1_165, 1_168)):  # of the second miss: its window, and while it is to last
        pinged(world, job, begin)
        world.gap(start, end)
        world.run(end + 0.5)
        assert world.stands(rule, job).expected_at == world.at(end + 60)
    pinged(world, job, 2_000)
    world.gap(2_095, 2_105)  # between both nobody is expected
    world.run(2_106)
    assert world.stands(rule, job).due_at == world.at(2_000 + 120 + 30 + 20)


def test_a_rule_may_wait_for_several_successes_before_it_is_well(world: World) -> None:
    world.channel()
    job = world.monitor()
    rule = heartbeat(grace=10, resolve=Resolve(consecutive=3))
    world.follow(rule)
    pinged(world, job, 0)
    world.run(71)
    pinged(world, job, 72, 130)
    assert (world.events(), world.stands(rule, job).state) == (["monitor_down"], "recovering")
    pinged(world, job, 190)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_a_miss_while_it_recovers_is_the_same_incident(world: World) -> None:
    world.channel()
    job = world.monitor()
    rule = heartbeat(grace=10, keep_firing=3_600)
    world.follow(rule)
    pinged(world, job, 0)
    world.run(71)
    pinged(world, job, 80)
    world.run(151)
    assert (world.stands(rule, job).state, world.stands(rule, job).reopened) == ("firing", 1)
    pinged(world, job, 160)
    for minute in range(1, 62):
        pinged(world, job, 160 + minute * 60)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_a_gap_of_ours_puts_off_what_a_rule_expects(world: World) -> None:
    world.channel()
    job = world.monitor(interval=60, grace=30)
    world.follow(heartbeat(grace=40))
    pinged(world, job, 0)
    world.gap(50, 120)
    world.run(121)
    assert world.events() == []
    world.run(219)
    assert world.events() == []
    world.run(221)
    assert world.events() == ["monitor_down"]


def test_restarts_again_and_again_put_a_rule_off_three_times(world: World) -> None:
    rule, job = heartbeat(interval=100, grace=20, hold=10), world.monitor(interval=3_600)
    world.follow(rule)
    pinged(world, job, 0)
    for expected, due in ((100, 231), (201, 332), (302, 433), (403, 433)):
        world.gap(expected, expected + 1)  # we are away for a second just when the ping is expected
        world.run(expected + 1.5)
        assert world.stands(rule, job).due_at == world.at(due)
    world.run(433.1)
    assert world.stands(rule, job).state == "firing"
    pinged(world, job, 500)
    assert world.stands(rule, job).listened == 0


def test_a_gap_of_ours_puts_off_what_a_rule_expects_of_a_monitor_that_is_down_by_itself(world: World) -> None:
    world.channel()
    job = world.monitor(interval=60, grace=30)
    world.follow(heartbeat(grace=200))
    pinged(world, job, 0)
    world.run(92)
    assert (world.beat(job).status, world.events()) == ("down", [])
    world.gap(93, 95)
    world.run(354)
    assert world.events() == []
    world.run(356)
    assert world.events() == ["monitor_down"]


def test_a_rule_may_fire_whatever_our_own_outage_swallowed(world: World) -> None:
    world.channel()
    job = world.monitor(interval=60, grace=30)
    world.follow(heartbeat(on_own_outage="fire"))
    pinged(world, job, 0)
    world.gap(50, 120)
    world.run(121)
    assert world.events() == ["monitor_down"]


def test_such_a_rule_too_waits_for_what_no_outage_swallowed(world: World) -> None:
    world.channel()
    rare, brief = world.monitor(interval=86_400), world.monitor(interval=86_400)
    world.follow(
        heartbeat("rule_6h", interval=21_600, grace=600, on_own_outage="fire", match=Match(monitors=(rare.id,))),
        heartbeat("rule_1m", interval=60, grace=5, on_own_outage="fire", match=Match(monitors=(brief.id,))),
    )
    pinged(world, rare, 0)
    pinged(world, brief, 1)
    world.gap(60, 67, "stall")
    pinged(world, brief, 67.2)  # it waited in the kernel
    world.gap(68, 7_268, "clock")
    world.run(7_269)
    pinged(world, brief, 7_320)
    assert world.events() == []
    pinged(world, rare, 28_800)
    assert "rule_6h" not in {details["alertId"] for _, details in world.said()}


@pytest.mark.parametrize(("grace", "start", "step"), [(600, 30_100, 7_200), (2, 30_298, 8), (2, 30_300.6, 8)])
def test_a_clock_that_is_put_forward_takes_no_time_from_a_rule_that_recovers(world: World, grace: int, start: float, step: int) -> None:
    world.channel()
    job = world.monitor(interval=30 * 86_400)
    rule = heartbeat(interval=21_600, grace=grace, keep_firing=300)
    world.follow(rule)
    pinged(world, job, 0)
    world.run(30_000)
    pinged(world, job, 30_000.5)
    world.gap(start, start + step, "clock")
    world.run(start + step + 1)
    assert world.stands(rule, job).state == ("recovering" if start < 30_300 else "ok"), "it is well for 300 s, of which none passed"
    world.run(30_000.5 + 300 + step + 1)
    assert world.events() == ["monitor_down", "monitor_up"]
    world.run(30_000.5 + 21_600 + step + grace)
    assert len(world.events()) == 2
    world.run(30_000.5 + 21_600 + step + grace + 1)
    assert len(world.events()) == 3


def test_a_rule_that_needs_more_to_be_well_again_counts_no_time_that_did_not_pass(world: World) -> None:
    world.channel()
    job = world.monitor(interval=30 * 86_400)
    world.follow(heartbeat(interval=600, grace=60, keep_firing=1_000, resolve=Resolve(consecutive=2)))
    pinged(world, job, 0)
    world.run(700)
    pinged(world, job, 700)
    world.gap(710, 3_710, "clock")
    pinged(world, job, 3_800)  # 90 s later
    assert world.events() == ["monitor_down"]
    pinged(world, job, 4_300)
    world.run(4_702)
    assert world.events() == ["monitor_down", "monitor_up"]


@pytest.mark.parametrize("turns", [True, False])
def test_a_gap_concerns_a_rule_that_has_recovered_whether_or_not_anybody_looked(world: World, turns: bool) -> None:
    world.channel()
    job = world.monitor(interval=30 * 86_400)
    world.follow(heartbeat(interval=60, grace=5, keep_firing=50))
    pinged(world, job, 0)
    world.run(100)
    pinged(world, job, 110)  # well at 160
    if turns:
        world.run(161)
    world.gap(162, 172)  # the next ping is expected at 170
    world.run(236)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_whose_rule_ignores_our_outages_is_not_named_among_the_unverified(world: World) -> None:
    world.channel()
    rare = [world.monitor(interval=86_400, name=f"job {n}", tags=("calm",) if n else ()) for n in range(3)]
    world.follow(heartbeat(match=Match(tags=("calm",)), on_own_outage="ignore"))
    for n, job in enumerate(rare):
        pinged(world, job, n)
    world.gap(86_300, 86_500)
    world.run(86_501)
    assert [world.beat(job).status for job in rare] == ["unverified"] * 3
    ((event, details),) = world.said()
    assert (event, [one["name"] for one in details["monitors"]]) == ("monitors_unverified", ["job 0"])


def test_a_rule_on_failures_may_count_them(world: World) -> None:
    world.channel()
    job = world.monitor()
    rule = failure(consecutive=3, resolve=Resolve(consecutive=2))
    world.follow(rule)
    pinged(world, job, 0, 10, kind="fail")
    assert (world.beat(job).status, world.events()) == ("down", [])
    pinged(world, job, 20)
    pinged(world, job, 30, 40, 50, kind="fail")
    assert world.events() == ["monitor_failed"]
    pinged(world, job, 60)
    assert world.events() == ["monitor_failed"]
    pinged(world, job, 70)
    assert world.events() == ["monitor_failed", "monitor_up"]


def test_a_paused_monitor_has_no_alert_and_a_resumed_one_waits_anew(world: World) -> None:
    world.channel()
    job = world.monitor()
    rule = heartbeat(grace=300)
    world.follow(rule)
    pinged(world, job, 0)
    world.run(361)
    with world.control.begin() as connection:
        actions.pause(connection, job, "", world.at(400))
    assert (world.events(), world.stands(rule, job).due_at) == (["monitor_down", "monitor_up"], None)
    world.run(5_000)
    with world.control.begin() as connection:
        actions.resume(connection, job, "", world.at(5_000))
    world.run(5_359)
    assert len(world.events()) == 2
    world.run(5_361)
    assert world.events()[2:] == ["monitor_down"]


def test_what_a_resumed_monitor_sent_before_its_pause_says_nothing_of_when_it_pings_next(world: World) -> None:
    job = world.monitor(interval=86_400, grace=3_600)
    rules = heartbeat("rule_own", interval=90_000), heartbeat("rule_slow", hold=1)
    world.follow(*rules)
    pinged(world, job, 0)
    with world.control.begin() as connection:
        actions.pause(connection, job, "", world.at(10))
    with world.control.begin() as connection:
        actions.resume(connection, job, "", world.at(80_000))
    assert [world.stands(rule, job).expected_at for rule in rules] == [world.at(170_000), world.at(166_400)]
    with world.control.begin() as connection:
        actions.resume(connection, job, "", world.at(80_100))  # which it is
    assert [world.stands(rule, job).expected_at for rule in rules] == [world.at(170_000), world.at(166_400)]


def test_a_rule_that_begins_makes_nobody_late(world: World) -> None:
    world.channel()
    job = world.monitor(interval=86_400)
    pinged(world, job, 0)
    world.run(10_000)
    world.follow(heartbeat(interval=60, grace=30), at=10_000)
    world.run(10_089)
    assert world.events() == []
    world.run(10_091)
    assert world.events() == ["monitor_down"]


@pytest.mark.parametrize(
    ("gap", "expected"),
    [((3_600, 10_800, "clock"), 93_600), ((86_300, 86_310, "restart"), 2 * 86_400), ((86_350, 86_358, "clock"), 86_408)],
)
@pytest.mark.parametrize(
    "edit",
    [
        lambda world, job: edited(world, job, min_run=1),
        lambda world, job: edited(world, job, interval=20 * 86_400),
        lambda world, _: world.follow(daily(hold=60), at=86_360),
        lambda world, _: world.follow(daily(match=Match(tags=("a",))), at=86_360),
    ],
)
def test_an_edit_takes_back_nothing_that_a_gap_or_the_clock_granted_to_a_rule(
    world: World, gap: tuple[float, float, Any], expected: int, edit: Any
) -> None:
    job = world.monitor(interval=30 * 86_400, tags=("a",))
    world.follow(daily())
    pinged(world, job, 0)
    world.gap(*gap)
    world.run(86_359)
    assert world.stands(daily(), job).expected_at == world.at(expected)
    edit(world, job)
    assert world.stands(daily(), job).expected_at == world.at(expected)


def daily(**fields: Any) -> Rule:
    return heartbeat(interval=86_400, grace=3_600, **fields)


def edited(world: World, job: Monitor, at: float = 86_360, **fields: Any) -> None:
    """Its schedule is another one from then on."""
    changed = replace(job, schedule=replace(job.schedule, **fields))
    with world.control.begin() as connection:
        cases = ledger.load(connection, [job.id])
        cases[job.id].reschedule(changed, cases[job.id].rules, world.at(at))
        ledger.save(connection, cases.values(), "", world.at(at))
        monitors.change(connection, changed)


def test_a_rule_with_another_rhythm_counts_anew_and_one_that_recovers_too(world: World) -> None:
    job = world.monitor(interval=600, grace=0)
    rule = heartbeat(hold=100, keep_firing=2_000)
    world.follow(rule)
    pinged(world, job, 0)
    world.run(701)
    pinged(world, job, 800)
    assert (world.stands(rule, job).state, world.stands(rule, job).due_at) == ("recovering", world.at(1_500))
    edited(world, job, at=900, interval=86_400)
    assert (world.stands(rule, job).expected_at, world.stands(rule, job).due_at) == (world.at(800 + 86_400), world.at(2_800))
    world.run(2_801)
    assert world.stands(rule, job).state == "ok"
    world.follow(replace(rule, interval=7_200), at=2_900)
    assert world.stands(rule, job).expected_at == world.at(2_900 + 7_200), "at what moment of it the job pings nobody knows"


def test_a_rule_that_is_late_stays_so_by_what_is_not_about_its_time(world: World) -> None:
    job = world.monitor(interval=86_400)
    world.follow(daily())
    pinged(world, job, 0)
    world.run(86_500)
    world.gap(86_501, 86_509, "clock")
    world.run(86_510)
    edited(world, job, at=86_510, min_run=1)
    edited(world, job, at=86_510, timezone="Europe/Berlin")
    assert world.stands(daily(), job).due_at == world.at(90_008)
    world.follow(replace(daily(), grace=60), at=86_511)
    late = world.stands(daily(), job)
    assert (late.expected_at, late.due_at) == (world.at(86_408), world.at(86_511 + 60)), "its new grace begins now"
    world.gap(86_560, 86_570)
    world.run(86_571)
    assert world.stands(daily(), job).expected_at == world.at(86_570 + 86_400), "it may have pinged in its new grace"


def test_a_rule_that_begins_knows_what_the_clock_did_to_its_monitor(world: World) -> None:
    plain, other = world.monitor(interval=86_400), world.monitor(interval=86_400)
    for job in (plain, other):
        pinged(world, job, 0)
    world.gap(3_600, 10_800, "clock")
    world.run(10_801)
    slow, own = heartbeat("rule_slow", hold=60), heartbeat("rule_own", interval=40_000)
    world.follow(slow, own, at=11_000)
    assert world.stands(slow, plain).expected_at == world.at(93_600)
    assert world.stands(own, other).expected_at == world.at(51_000), "a ping at 40,000 by its clock comes at 47,200 by ours"


@pytest.mark.parametrize(
    "own", [{"on_own_outage": "fire"}, {"consecutive": 2}, {"interval": 60}, {"hold": 60}, {"resolve": Resolve(consecutive=2)}]
)
class TestARuleThatIsEditedFromOrToOneThatSaysHowTheMonitorsOwnOutageIsTold:
    def test_alarms_once_where_it_waits_in_its_own_way_from_now_on(self, world: World, own: dict[str, Any]) -> None:
        world.channel()
        job = world.monitor()
        world.follow(heartbeat())
        pinged(world, job, 0)
        world.follow(heartbeat(**own), at=11)
        world.run(1_000)
        assert (world.events(), world.beat(job).status) == (["monitor_down"], "down")

    def test_alarms_once_where_it_does_so_no_more(self, world: World, own: dict[str, Any]) -> None:
        world.channel()
        job = world.monitor()
        world.follow(heartbeat(**own))
        pinged(world, job, 0)
        world.follow(heartbeat(), at=11)
        assert world.stands(heartbeat(), job).due_at is None
        world.run(1_000)
        assert (world.events(), world.beat(job).status) == (["monitor_down"], "down")

    def test_ends_what_it_has_open_and_tells_of_the_monitors_own(self, world: World, own: dict[str, Any]) -> None:
        usual, job = world.channel(), world.monitor()
        world.follow(heartbeat(**own))
        pinged(world, job, 0)
        world.run(500)
        world.follow(heartbeat(), at=501)
        told = [(event, details["reason"], details["downSince"]) for event, details in world.said()]
        mine = iso(world.at(90))
        assert told[1:] == [("monitor_up", "rule_removed", told[0][2]), ("monitor_down", "missed", mine)]
        pinged(world, job, 510)
        assert [channel for channel, _ in heard(world)] == [usual.id] * 4
        assert world.events()[3:] == ["monitor_up"]
        assert world.stands(heartbeat(), job) == Standing("rule_h", job.id)


def test_an_outage_that_nobody_was_told_of_is_told_where_no_rule_is_about_it_any_more(world: World) -> None:
    usual, ops, job = world.channel(), named(world, "ops"), world.monitor(tags=("a",))
    patient = heartbeat(consecutive=10, match=Match(tags=("a",)))
    world.follow(patient)
    pinged(world, job, 0)
    world.run(200)
    assert (world.beat(job).status, heard(world)) == ("down", [])
    world.follow(patient, heartbeat("rule_2", channels=("ops",)), at=201)
    assert heard(world) == [(ops.id, "monitor_down")]
    world.follow(at=202)
    assert heard(world)[1:] == [(usual.id, "monitor_down")], "the others know of it"
    world.follow(heartbeat(), at=203)
    pinged(world, job, 210)
    assert sorted(heard(world)[2:]) == sorted([(usual.id, "monitor_up"), (ops.id, "monitor_up")])


def test_whoever_a_rule_names_from_now_on_is_told_of_an_outage_that_goes_on(world: World) -> None:
    usual, ops, job = world.channel(), named(world, "ops"), world.monitor()
    world.follow(heartbeat(channels=()))
    pinged(world, job, 0)
    world.run(91)
    world.follow(heartbeat(channels=("ops",)), at=92)
    world.follow(heartbeat(channels=("ops", usual.id)), at=93)
    assert heard(world) == [(ops.id, "monitor_down"), (usual.id, "monitor_down")]


def test_who_is_chosen_by_the_same_edit_is_told(world: World) -> None:
    world.channel()
    ops, job = named(world, "ops"), world.monitor(tags=("quiet",))
    world.follow(heartbeat(channels=(), match=Match(tags=("quiet",))))
    pinged(world, job, 0)
    world.run(91)
    fields = MonitorDefinition().load(defined_monitor(job, [ops.id]) | {"tags": []})
    with world.control.begin() as connection:
        actions.edit_monitor(connection, job, Plan("unlimited"), fields, "", world.at(92))
    assert heard(world) == [(ops.id, "monitor_down")]


def test_a_failure_that_a_rule_counted_is_told_when_it_no_longer_does(world: World) -> None:
    world.channel()
    job = world.monitor()
    world.follow(failure(consecutive=2))
    pinged(world, job, 0, kind="fail")
    assert world.events() == []
    world.follow(failure(), at=1)
    assert [details["reason"] for _, details in world.said()] == ["failed"]


def test_a_rule_begins_to_wait_for_many_a_piece_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.accept._CHUNK", 2)
    jobs = [world.monitor(interval=86_400) for _ in range(5)]
    for n, job in enumerate(jobs):
        pinged(world, job, n)
    rule = heartbeat(interval=60, grace=30)
    with world.control.begin() as connection:
        accept(connection, [rule], "", world.at(100))

    def waiting() -> int:
        return sum(world.stands(rule, job).due_at is not None for job in jobs)

    assert waiting() == 0
    assert arm(world.control, "", world.at(100)) is True
    assert waiting() == 2
    with world.control.begin() as connection:
        accept(connection, [rule, heartbeat("rule_2", grace=500)], "", world.at(101))
    while arm(world.control, "", world.at(101)):
        pass
    assert waiting() == 5
    assert arm(world.control, "", world.at(102)) is False
    assert world.stands(heartbeat("rule_2"), jobs[4]).due_at == world.at(86_904)


def test_a_project_that_is_deleted_leaves_nothing_that_waits(world: World) -> None:
    job = world.monitor(interval=86_400)
    world.follow(heartbeat(interval=60, grace=30))
    pinged(world, job, 0)
    with world.control.begin() as connection:
        monitors.bury_all(connection, world.project.id, world.project.id, world.at(1))
    world.run(1_000)
    assert world.overdue.step(world.at(1_001)) is False
    with world.control.read() as connection:
        assert standings.due(connection, world.at(1_000), 10) == []


def test_a_rule_that_is_removed_resolves_what_it_has_open_and_says_why(world: World) -> None:
    world.channel()
    job = world.monitor(interval=86_400)
    world.follow(heartbeat(interval=60, grace=30))
    pinged(world, job, 0)
    world.run(91)
    world.follow(at=100)
    assert [(event, details["reason"]) for event, details in world.said()] == [("monitor_down", "missed"), ("monitor_up", "rule_removed")]
    world.run(10_000)
    assert len(world.events()) == 2


def test_a_rule_that_does_not_select_the_monitor_any_more_is_as_good_as_removed(world: World) -> None:
    world.channel()
    job = world.monitor(interval=86_400, tags=("a",))
    world.follow(heartbeat(interval=60, grace=30, match=Match(tags=("a",))))
    pinged(world, job, 0)
    world.run(91)
    world.follow(heartbeat(interval=60, grace=30, match=Match(tags=("b",))), at=100)
    assert world.events() == ["monitor_down", "monitor_up"]


def test_a_restart_forgets_no_rule_and_no_deadline(world: World) -> None:
    world.channel()
    job = world.monitor(interval=86_400)
    world.follow(heartbeat(interval=60, grace=30))
    pinged(world, job, 0)
    world.restart()
    world.run(89)
    world.restart()
    assert world.events() == []
    world.run(91)
    assert world.events() == ["monitor_down"]


def test_a_schedule_that_cannot_be_computed_stops_nobody_and_is_tried_again(world: World) -> None:
    world.channel()
    job, other = world.monitor(interval=86_400), world.monitor(interval=86_400)
    rule = heartbeat(cron="*/10 * * * *", timezone="UTC", grace=60)
    world.follow(rule)
    _zone(world, "Nowhere/Gone")
    pinged(world, job, 30)
    assert (world.stands(rule, job).health, world.stands(rule, job).due_at) == ("error", world.at(3_630))
    world.gap(40, 50)
    world.run(3_700)
    assert (world.events(), world.stands(rule, job).due_at) == ([], world.at(2 * 3_600 + 30))
    pinged(world, other, 3_701)
    _zone(world, "UTC")
    world.run(2 * 3_600 + 31)
    assert (world.stands(rule, job).health, world.events()) == ("ok", [])
    world.run(2 * 3_600 + 1_000)
    assert world.events() == ["monitor_down"] * 2


def test_a_schedule_that_is_lost_while_it_is_waited_for_stops_nobody(world: World) -> None:
    world.channel()
    job, other = world.monitor(interval=86_400), world.monitor(interval=60)
    rule = heartbeat(cron="*/10 * * * *", timezone="UTC", grace=60, consecutive=2)
    world.follow(rule)
    pinged(world, job, 30)
    pinged(world, other, 31)
    _zone(world, "Nowhere/Gone")
    world.run(2_000)
    assert world.stands(rule, job).health == "error"
    assert world.beat(other).status == "down"


@pytest.mark.parametrize("start", [3_000, 3_640])
def test_a_schedule_that_can_be_computed_again_after_a_gap_of_ours_is_counted_from_its_end(world: World, start: int) -> None:
    world.channel()
    job, own = world.monitor(interval=86_400), world.monitor(schedule=Schedule(cron="*/5 * * * *", grace=60, timezone="Nowhere/Gone"))
    world.follow(heartbeat(cron="*/5 * * * *", timezone="UTC", grace=60))
    _zone(world, "Nowhere/Gone")
    for one in (job, own):
        world.ping(one, 30)
    world.run(40)  # both are tried again at 3,630
    _zone(world, "UTC")  # with an upgrade for which we were stopped
    with world.control.begin() as connection:
        connection.execute(update(monitors_table).values(timezone="UTC"))
    world.restart()
    world.gap(start, 8_000)
    world.run(8_001)
    assert (world.events(), world.beat(own).status) == ([], "up"), "they may have pinged all the time"
    world.run(8_800)
    assert (world.events(), world.beat(own).status) == (["monitor_down"] * 2, "down")


@pytest.mark.parametrize("reason", ["restart", "clock"])
def test_so_is_that_of_a_monitor_that_is_down(world: World, reason: Any) -> None:
    job = world.monitor(interval=86_400)
    rule = heartbeat(cron="*/5 * * * *", timezone="UTC", grace=60)
    world.follow(rule)
    _zone(world, "Nowhere/Gone")
    world.ping(job, 30, kind="fail")
    world.run(40)
    _zone(world, "UTC")
    world.restart()
    world.gap(3_640, 8_000, reason)  # it was to be tried again at 3,630, and nobody did
    world.run(8_001)
    assert world.stands(rule, job).state == "ok"


def _zone(world: World, name: str) -> None:
    """The rules as they are in force, in another time zone."""
    with world.control.begin() as connection:
        changed = [replace(rule, timezone=name) for rule in rule_set.load(connection)]
        rule_set.replace(connection, changed)


def test_what_waits_for_a_rule_that_is_gone_stops_nobody(world: World) -> None:
    job, other = world.monitor(interval=86_400), world.monitor()
    world.follow(heartbeat(interval=60, grace=30))
    pinged(world, job, 0)
    pinged(world, other, 1)
    with world.control.begin() as connection:
        connection.exec_driver_sql("UPDATE standings SET rule = 'rule_gone'")
    world.run(200)
    assert world.beat(other).status == "down"
    assert world.overdue.step(world.at(201)) is False


def test_a_gap_concerns_a_rule_whose_interval_is_not_counted_from_a_ping(world: World) -> None:
    job = world.monitor(interval=7 * 86_400)
    rule = heartbeat(interval=2 * 86_400, grace=0)
    pinged(world, job, 0)
    world.run(100_000)
    world.follow(rule, at=300_000)  # more than its interval after the ping: it waits from now on, and nobody knows for which moment
    assert world.stands(rule, job).expected_at == world.at(300_000 + 2 * 86_400)
    world.run(300_001)
    world.gap(340_000, 341_000)  # and it may have been one of these
    world.run(510_000)
    assert world.stands(rule, job).state == "ok"


def test_a_batch_of_monitors_with_several_due_rules_is_not_the_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overdue, "_BATCH", 2)
    busy, other = world.monitor(interval=86_400), world.monitor(interval=86_400)
    rule = heartbeat("rule_1", interval=60, grace=0)
    world.follow(rule, heartbeat("rule_2", interval=60, grace=1))
    pinged(world, busy, 0)
    pinged(world, other, 5)
    world.run(100)
    assert [world.stands(rule, job).state for job in (busy, other)] == ["firing", "firing"]


def named(world: World, name: str) -> Channel:
    channel = world.channel(is_default=False)
    with world.control.begin() as connection:
        channels.change(connection, replace(channel, name=name))
    return channel
