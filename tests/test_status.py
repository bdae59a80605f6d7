from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from rules import status
from rules.schedule import deadline, early, expected_after, same_rhythm, start_deadline
from store.model import SECOND, Beat, Gap, GapReason, Ns, Schedule

PING: Ns = 1_700_000_000 * SECOND
TEN = Schedule(interval=10, grace=2)


def _at(seconds: float) -> Ns:
    return PING + round(seconds * SECOND)


def _pinged(schedule: Schedule) -> Beat:
    return status.succeeded(Beat(), schedule, PING)


@pytest.mark.parametrize(
    ("edited", "at", "expected", "declared"),
    [
        (Schedule(interval=20, grace=2), 6, 20, 22),  # counted from the last ping
        (Schedule(interval=8, grace=2), 6, 8, 10),
        (Schedule(interval=5, grace=2), 6, 11, 13),  # that time has passed: a whole new interval from now
        (Schedule(interval=10, grace=7), 6, 10, 17),
        (Schedule(interval=10, grace=7), 11, 10, 18),  # late already: its new grace begins now
        (Schedule(interval=10, grace=1), 6, 10, 11),
        (Schedule(interval=5, grace=2), 11, 16, 18),
    ],
)
def test_an_edited_schedule_gives_the_job_time_to_keep_it(edited: Schedule, at: float, expected: float, declared: float) -> None:
    beat = status.rescheduled(_pinged(TEN), TEN, edited, _at(at))
    assert (beat.expected_at, beat.deadline) == (_at(expected), _at(declared))
    assert (beat.status, beat.last_ping_at) == ("up", PING)


def test_what_a_gap_granted_is_not_taken_back_by_an_edit() -> None:
    rearmed = status.after_gap(_pinged(TEN), TEN, Gap(_at(300), _at(9), _at(300), "restart"))
    assert rearmed.expected_at == _at(310)
    assert status.rescheduled(rearmed, TEN, Schedule(interval=10, grace=5), _at(301)).expected_at == _at(310)
    assert status.rescheduled(rearmed, TEN, Schedule(interval=400, grace=2), _at(301)).expected_at == _at(701)


@pytest.mark.parametrize("beat", [Beat(), status.paused(_pinged(TEN)), status.missed(_pinged(TEN), TEN)])
def test_who_is_not_waited_for_is_not_moved_by_an_edit(beat: Beat) -> None:
    edited = status.rescheduled(beat, TEN, Schedule(interval=99), _at(6))
    assert replace(edited, expected_at=beat.expected_at) == beat


_schedules = st.builds(Schedule, interval=st.integers(1, 100), grace=st.integers(0, 100), cron=st.sampled_from([None, "* * * * *"]))


@given(old=_schedules, new=_schedules, now=st.floats(0, 200))
def test_an_edit_by_itself_never_makes_a_monitor_late_or_down(old: Schedule, new: Schedule, now: float) -> None:
    assume(not same_rhythm(old, new) or old.grace != new.grace)
    before = status.succeeded(Beat(), old, PING)
    after = status.rescheduled(before, old, new, _at(now))
    assert after.deadline is not None
    assert after.deadline >= _at(now) + new.grace * SECOND
    assert status.shown(after, _at(now)) in ("up", status.shown(before, _at(now)))
    ordinary = expected_after(new, PING)
    if min(ordinary, expected_after(old, PING)) > _at(now):
        assert (after.expected_at, after.deadline) == (ordinary, deadline(new, ordinary))


# The start that is waited for.

NIGHTLY = Schedule(cron="0 2 * * *", grace=4 * 3_600, start_by=600)
TWO: Ns = 1_700_013_600 * SECOND  # 02:00 in UTC, some hours after PING
DAY: Ns = 86_400 * SECOND
A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"


def _two(minutes: float) -> Ns:
    return TWO + round(minutes * 60) * SECOND


def _gap(start: float, end: float, reason: GapReason = "restart") -> Gap:
    """We were not listening from so many minutes after two o'clock on."""
    return Gap(_two(end), _two(start), _two(end), reason)


def test_without_a_start_it_is_down_before_its_grace_is_over() -> None:
    beat = _pinged(NIGHTLY)
    assert (beat.expected_at, beat.deadline) == (TWO, _two(10))
    assert status.waits_for_start(beat, NIGHTLY)
    assert status.cause(beat, NIGHTLY) == "not_started"
    down = status.missed(beat, NIGHTLY)
    assert (down.status, down.down_since, down.deadline) == ("down", _two(10), None)


def test_a_start_in_time_leaves_the_run_all_of_its_grace() -> None:
    beat = status.started(_pinged(NIGHTLY), NIGHTLY, _two(9), A)
    assert (beat.status, beat.expected_at, beat.deadline) == ("up", TWO, _two(240))
    assert status.cause(beat, NIGHTLY) == "missed"
    after = status.succeeded(beat, NIGHTLY, _two(200), A)
    assert (after.expected_at, after.deadline) == (TWO + DAY, _two(10) + DAY), "and the next start is waited for again"


def test_a_success_needs_no_start() -> None:
    after = status.succeeded(_pinged(NIGHTLY), NIGHTLY, _two(5))
    assert (after.status, after.deadline) == ("up", _two(10) + DAY)


@pytest.mark.parametrize(("minutes", "counts"), [(-300, False), (-5.1, False), (-5, True), (-1, True), (0, True), (10, True)])
def test_a_start_counts_from_where_a_ping_would(minutes: float, counts: bool) -> None:
    beat = status.started(_pinged(NIGHTLY), NIGHTLY, _two(minutes))
    assert beat.deadline == (_two(240) if counts else _two(10))
    assert len(beat.runs) == 1


def test_with_an_interval_any_run_since_the_last_ping_is_the_one_that_is_waited_for() -> None:
    hourly = Schedule(interval=3_600, grace=1_800, start_by=60)
    beat = _pinged(hourly)
    assert beat.deadline == _at(3_660)
    begun = status.started(beat, hourly, _at(1_500))  # a run of half an hour begins long before its success is due
    assert begun.deadline == _at(5_400)
    assert status.succeeded(begun, hourly, _at(4_000)).deadline == _at(4_000 + 3_660)


def test_a_start_that_is_said_again_or_late_begins_nothing() -> None:
    often = Schedule(interval=60, grace=30, start_by=10)
    beat = status.started(_pinged(often), often, _at(50), A)
    ended = status.succeeded(beat, often, _at(55), A)
    assert status.started(ended, often, _at(56), A).deadline == _at(55 + 70), "it is the start of the run that has ended"
    overlapping = status.succeeded(status.started(beat, often, _at(51), B), often, _at(60), B)
    assert status.started(overlapping, often, _at(61), A).deadline == _at(60 + 70), "it was said before"
    assert status.started(overlapping, often, _at(115)).deadline == _at(60 + 90)


def test_a_failure_and_a_pause_are_followed_by_another_wait_for_a_start() -> None:
    beat = status.started(_pinged(NIGHTLY), NIGHTLY, _two(1), A)
    failed = status.failed(beat, NIGHTLY, _two(20), A)
    assert (failed.status, failed.deadline, status.waits_for_start(failed, NIGHTLY)) == ("down", None, False)
    assert status.succeeded(failed, NIGHTLY, _two(30)).deadline == _two(10) + DAY
    resumed = status.resumed(status.paused(beat), NIGHTLY, _two(30))
    assert (resumed.status, resumed.deadline) == ("up", _two(10) + DAY)


@pytest.mark.parametrize(("start", "end"), [(-6, -5), (-1, 20), (3, 4), (9, 11), (10, 300)])
def test_a_gap_that_may_have_swallowed_the_start_makes_nobody_down(start: float, end: float) -> None:
    beat = status.after_gap(_pinged(NIGHTLY), NIGHTLY, _gap(start, end))
    assert (beat.status, beat.expected_at, beat.deadline) == ("unverified", TWO + DAY, _two(10) + DAY)


@pytest.mark.parametrize(("start", "end"), [(-60, -5.1), (10.1, 30)])
def test_a_gap_before_the_time_or_after_the_miss_changes_nothing(start: float, end: float) -> None:
    beat = _pinged(NIGHTLY)
    assert status.after_gap(beat, NIGHTLY, _gap(start, end)) == beat


def test_after_a_stall_a_start_that_waited_for_us_is_in_time() -> None:
    held = status.after_gap(_pinged(NIGHTLY), NIGHTLY, _gap(9.9, 10.2, "stall"))
    assert held.deadline == _two(10.2) + SECOND
    assert status.cause(held, NIGHTLY) == "not_started"
    assert status.started(held, NIGHTLY, _two(10.2) + SECOND // 2).deadline == _two(240)


def test_a_run_that_may_go_on_is_not_asked_for_its_start_again() -> None:
    long = Schedule(cron="0 * * * *", grace=4 * 3_600, start_by=600)
    beat = status.started(_pinged(long), long, _at(2_800))
    expected = beat.expected_at
    assert expected is not None
    gap = Gap(expected + 1_800 * SECOND, expected + 1_700 * SECOND, expected + 1_800 * SECOND, "restart")
    after = status.after_gap(beat, long, gap)
    assert after.expected_at == expected + 3_600 * SECOND
    assert after.deadline == after.expected_at + 4 * 3_600 * SECOND, "the run of the last hour may take four"
    short = Schedule(cron="0 * * * *", grace=1_800, start_by=600)
    again = status.after_gap(_pinged(short), short, Gap(expected, expected - SECOND, expected, "restart"))
    assert again.deadline == expected + 4_200 * SECOND, "that one would be over"


def test_a_gap_at_any_time_since_the_last_ping_may_have_swallowed_the_start_of_an_interval() -> None:
    hourly = Schedule(interval=3_600, grace=1_800, start_by=60)
    beat = _pinged(hourly)
    after = status.after_gap(beat, hourly, Gap(_at(30), _at(20), _at(30), "restart"))
    assert (after.expected_at, after.deadline, after.listened) == (_at(3_600), _at(5_400), 0)
    assert status.after_gap(beat, hourly, Gap(_at(3_900), _at(3_700), _at(3_900), "restart")) == beat, "it was missed before"


@pytest.mark.parametrize(
    ("start_by", "minutes", "begun", "deadline"),
    [
        (1_200, 5, None, 25),  # it may be so late from now on
        (60, 5, None, 6),
        (None, 5, None, 240),
        (600, 5, 3, 240),
        (1_200, 5, 3, 240),
        (1_200, -60, None, 20),
        (1_200, 5, -20, 25),  # a run that was not for this time
    ],
)
def test_an_edited_time_to_start_makes_nobody_late(start_by: int | None, minutes: float, begun: float | None, deadline: float) -> None:
    beat = _pinged(NIGHTLY)
    if begun is not None:
        beat = status.started(beat, NIGHTLY, _two(begun))
    after = status.rescheduled(beat, NIGHTLY, replace(NIGHTLY, start_by=start_by), _two(minutes))
    assert after.deadline == (_two(deadline) if start_by != NIGHTLY.start_by else beat.deadline)


def test_a_time_to_start_that_is_new_knows_the_run_that_goes_on() -> None:
    before = replace(NIGHTLY, start_by=None)
    beat = status.started(_pinged(before), before, _two(1))
    assert status.rescheduled(beat, before, NIGHTLY, _two(120)).deadline == _two(240)
    assert status.rescheduled(_pinged(before), before, NIGHTLY, _two(-20)).deadline == _two(10)
    hourly = Schedule(interval=3_600, grace=1_800)
    asked = status.rescheduled(_pinged(hourly), hourly, replace(hourly, start_by=60), _at(1_000))
    assert asked.deadline == _at(5_400), "a start may have come since the last ping, while nobody waited for it"


def test_what_a_gap_granted_stays_granted_whatever_time_there_is_to_start() -> None:
    hourly = Schedule(interval=3_600, grace=1_800, start_by=60)
    granted = status.after_gap(_pinged(hourly), hourly, Gap(_at(30), _at(20), _at(30), "restart"))
    for edit in ({"start_by": 120}, {"start_by": 120, "grace": 2_400}, {"interval": 3_500}):
        edited = replace(hourly, **edit)
        after = status.rescheduled(granted, hourly, edited, _at(600))
        assert after.deadline == _at(edited.interval + edited.grace)


def test_another_rhythm_knows_the_run_that_goes_on() -> None:
    beat = status.started(_pinged(NIGHTLY), NIGHTLY, _two(-29))
    half_past_one = replace(NIGHTLY, cron="30 1 * * *")
    after = status.rescheduled(beat, NIGHTLY, half_past_one, _two(-29) - SECOND // 2)
    assert (after.expected_at, after.deadline) == (_two(-30) + DAY, _two(-20) + DAY), "that time has passed today"
    at_once = replace(NIGHTLY, cron="33 1 * * *")
    assert status.rescheduled(beat, NIGHTLY, at_once, _two(-28)).deadline == _two(-27 + 240)
    assert status.rescheduled(beat, NIGHTLY, replace(NIGHTLY, cron="0 3 * * *"), _two(-28)).deadline == _two(70)


@pytest.mark.parametrize("edit", [{"min_run": 5}, {"max_run": 50}])
def test_an_edit_of_other_limits_moves_no_deadline(edit: dict[str, int]) -> None:
    beat = status.after_gap(_pinged(NIGHTLY), NIGHTLY, _gap(9.9, 10.2, "stall"))
    assert status.rescheduled(beat, NIGHTLY, replace(NIGHTLY, **edit), _two(10.1)) == beat


# A run that is too short.

THOROUGH = Schedule(interval=3_600, grace=60, min_run=60)


def _run(seconds: float, rid: str | None = A, end: float = 1_000) -> Beat:
    begun = status.started(_pinged(THOROUGH), THOROUGH, _at(end - seconds), rid)
    return status.succeeded(begun, THOROUGH, _at(end), rid)


@pytest.mark.parametrize("rid", [A, None])
def test_a_success_that_comes_too_soon_after_its_start_is_a_failure(rid: str | None) -> None:
    short = _run(59.9, rid)
    assert (short.status, short.down_since, short.last_ping_at, short.deadline) == ("down", _at(1_000), _at(1_000), None)
    assert short.expected_at == _at(4_600)
    assert _run(60, rid).status == "up"


def test_the_next_success_that_is_long_enough_ends_the_outage() -> None:
    again = status.succeeded(status.started(_run(1), THOROUGH, _at(1_100), B), THOROUGH, _at(1_110), B)
    assert (again.status, again.down_since) == ("down", _at(1_000)), "the outage goes on"
    assert status.succeeded(status.started(again, THOROUGH, _at(1_200), A), THOROUGH, _at(1_300), A).status == "up"


def test_a_success_without_a_start_is_not_judged() -> None:
    once = status.succeeded(_pinged(THOROUGH), THOROUGH, _at(5), B)
    assert status.succeeded(once, THOROUGH, _at(9), B).expected_at == _at(3_609), "nor is it when it is said again"
    begun = status.started(_pinged(THOROUGH), THOROUGH, _at(10), A)
    assert status.succeeded(begun, THOROUGH, _at(11), B).status == "up", "that is another run"
    assert status.succeeded(begun, THOROUGH, _at(11)).status == "up"


def test_overlapping_runs_are_judged_each_by_itself() -> None:
    beat = status.started(status.started(_pinged(THOROUGH), THOROUGH, _at(10), A), THOROUGH, _at(60), B)
    long = status.succeeded(beat, THOROUGH, _at(80), A)
    assert long.status == "up"
    assert status.succeeded(long, THOROUGH, _at(90), B).status == "down"


def test_a_success_that_was_too_short_is_not_made_good_by_being_said_again() -> None:
    said = status.succeeded(_run(1), THOROUGH, _at(1_008), A)
    assert (said.status, said.down_since, said.last_ping_at) == ("down", _at(1_000), _at(1_008))
    well = status.succeeded(_run(1), THOROUGH, _at(1_002), B)
    assert status.succeeded(well, THOROUGH, _at(1_008), A).status == "up", "nor does it take back the success that came after it"


def test_a_failure_is_a_failure_however_long_it_took() -> None:
    begun = status.started(_pinged(THOROUGH), THOROUGH, _at(10), A)
    for end in (11, 300):
        assert status.failed(begun, THOROUGH, _at(end), A).down_since == _at(end)


def test_a_run_has_four_limits_of_its_own() -> None:
    all_of_them = Schedule(interval=3_600, grace=600, start_by=60, min_run=30, max_run=120)
    beat = _pinged(all_of_them)
    assert (status.due(beat), status.cause(beat, all_of_them)) == (_at(3_660), "not_started")
    begun = status.started(beat, all_of_them, _at(3_650), A)
    assert (status.due(begun), status.cause(begun, all_of_them)) == (_at(3_770), "overran")
    again = status.started(status.succeeded(begun, all_of_them, _at(3_700), A), all_of_them, _at(7_290), B)
    assert status.succeeded(again, all_of_them, _at(7_319), B).status == "down"
    lost = status.started(beat, replace(all_of_them, max_run=None), _at(3_650))
    assert (status.due(lost), status.cause(lost, all_of_them)) == (_at(4_200), "missed")


# A schedule that cannot be computed.

GONE = Schedule(cron="0 2 * * *", timezone="Mars/Olympus", grace=600, start_by=60, max_run=7_200, min_run=60)
HOUR: Ns = 3_600 * SECOND


def test_a_success_is_heard_although_nobody_can_tell_when_the_next_one_comes() -> None:
    beat = status.succeeded(Beat(), GONE, PING)
    assert (beat.status, beat.last_ping_at, beat.expected_at, beat.deadline) == ("up", PING, PING + HOUR, PING + HOUR)
    assert beat.health is not None and "'Mars/Olympus' is not known" in beat.health
    assert not status.waits_for_start(beat, GONE)


def test_at_its_deadline_the_schedule_is_tried_again_and_nobody_is_declared_down() -> None:
    beat = status.missed(status.succeeded(Beat(), GONE, PING), GONE)
    assert (beat.status, beat.deadline) == ("up", PING + 2 * HOUR)
    well = status.missed(beat, NIGHTLY)
    assert (well.status, well.health, well.expected_at, well.deadline) == ("up", None, TWO, _two(10))


def test_a_success_heals() -> None:
    beat = status.succeeded(Beat(), GONE, PING)
    assert status.succeeded(beat, NIGHTLY, _at(60)).health is None


def test_what_was_computed_before_is_missed_all_the_same() -> None:
    down = status.missed(_pinged(NIGHTLY), GONE)
    assert (down.status, down.down_since) == ("down", _two(10))


def test_failures_and_runs_are_judged_without_a_schedule() -> None:
    beat = status.succeeded(Beat(), GONE, PING)
    failed = status.failed(beat, GONE, _at(10))
    assert (failed.status, failed.deadline, failed.health) == ("down", None, beat.health)
    begun = status.started(beat, GONE, _at(10), A)
    assert begun.deadline == beat.deadline
    assert status.succeeded(begun, GONE, _at(20), A).status == "down", "too short"
    asked = replace(begun, deadline=PING + 9 * HOUR)
    assert status.cause(asked, GONE) == "overran"
    assert status.missed(asked, GONE).status == "down"


@pytest.mark.parametrize("reason", ["restart", "stall"])
def test_a_gap_puts_off_what_cannot_be_computed(reason: GapReason) -> None:
    beat = status.after_gap(_pinged(NIGHTLY), GONE, _gap(5, 20))
    assert (beat.status, beat.deadline) == ("up", _two(20) + HOUR)
    assert beat.health is not None
    assert status.after_gap(_pinged(NIGHTLY), GONE, _gap(-300, -60)) == _pinged(NIGHTLY), "what is far from it is no matter"
    later = status.after_gap(beat, GONE, _gap(79.9, 80.1, reason))
    assert later.deadline in (_two(80.1), _two(80.1) + SECOND)
    assert status.missed(later, GONE).status == "up"


@pytest.mark.parametrize("reason", ["restart", "clock"])
def test_what_can_be_computed_again_after_a_gap_is_counted_from_its_end(reason: GapReason) -> None:
    minutely = Schedule(cron="*/5 * * * *", grace=60)
    beat = status.succeeded(Beat(), replace(minutely, timezone="Mars/Olympus"), PING)  # tried again in an hour
    mended = status.after_gap(beat, minutely, Gap(_at(8_000), _at(3_500), _at(8_000), reason))
    again = status.missed(mended, minutely)
    assert (again.status, again.health, again.expected_at) == ("up", None, expected_after(minutely, _at(8_000)))
    assert status.after_gap(beat, minutely, Gap(_at(3_500), _at(100), _at(3_500), reason)) == beat, "it is tried again as planned"


def test_a_start_counts_where_nobody_can_tell_whether_it_is_early() -> None:
    assert status.started(_pinged(NIGHTLY), replace(NIGHTLY, timezone="Mars/Olympus"), _two(-60)).deadline == _two(240)


@pytest.mark.parametrize("beat", [status.succeeded(Beat(), GONE, PING), _pinged(NIGHTLY)])
def test_an_edit_heals_what_cannot_be_computed(beat: Beat) -> None:
    after = status.rescheduled(beat, GONE, NIGHTLY, _at(600))
    assert (after.health, after.expected_at, after.deadline) == (None, TWO, _two(10))


def test_a_pause_forgets_that_a_schedule_cannot_be_computed_and_resuming_finds_it_again() -> None:
    paused = status.paused(status.succeeded(Beat(), GONE, PING))
    assert paused.health is None
    resumed = status.resumed(paused, GONE, _at(60))
    assert (resumed.status, resumed.deadline) == ("up", _at(60) + HOUR)
    assert resumed.health is not None
    down = replace(status.failed(Beat(), GONE, PING), incident_id="inc_1")
    assert status.rescheduled(down, GONE, NIGHTLY, _at(60)).health is None


def test_of_a_monitor_that_is_down_people_see_when_a_ping_should_come_by_its_new_schedule() -> None:
    hourly = Schedule(interval=3_600, grace=60)
    down = replace(status.failed(_pinged(hourly), hourly, _seconds(10)), incident_id="inc_1")
    edited = status.rescheduled(down, hourly, Schedule(interval=60, grace=60), _seconds(500))
    assert (edited.expected_at, edited.deadline, edited.status) == (_seconds(70), None, "down")
    assert status.rescheduled(down, hourly, GONE, _seconds(500)) == down


# Gaps again and again.


def _restarted(beat: Beat, schedule: Schedule, times: int) -> Beat:
    """Each time we are away for a second of its window."""
    for _ in range(times):
        assert beat.expected_at is not None
        end = beat.expected_at + SECOND
        beat = status.after_gap(beat, schedule, Gap(end, beat.expected_at, end, "restart"))
    return beat


@pytest.mark.parametrize("schedule", [Schedule(interval=60, grace=30), NIGHTLY, Schedule(interval=86_400, grace=600)])
def test_restarts_again_and_again_put_a_deadline_off_three_times(schedule: Schedule) -> None:
    thrice = _restarted(_pinged(schedule), schedule, 3)
    assert thrice.expected_at != _restarted(_pinged(schedule), schedule, 2).expected_at
    assert _restarted(thrice, schedule, 2) == thrice
    assert status.missed(thrice, schedule).status == "down"


def test_a_gap_that_covers_the_window_always_puts_it_off() -> None:
    schedule = Schedule(interval=60, grace=30)
    thrice = _restarted(_pinged(schedule), schedule, 3)
    assert thrice.expected_at is not None and thrice.deadline is not None
    first, last = thrice.expected_at - 60 * SECOND, thrice.deadline  # after a gap nobody knows when within its interval it pings
    again = status.after_gap(thrice, schedule, Gap(last, first, last, "restart"))
    assert (again.listened, again.expected_at) == (thrice.listened, last + 60 * SECOND)
    chance = Gap(last, first + 40 * SECOND, last, "restart")
    assert status.after_gap(thrice, schedule, chance) == thrice


def test_however_many_gaps_there_are_they_put_off_what_we_hardly_listened_for() -> None:
    schedule = Schedule(interval=20, grace=3)
    beat = _pinged(schedule)
    now = PING + 1_234 * SECOND // 1_000
    for _ in range(50):  # a fifth of the time, and 64 seconds in all
        beat = status.after_gap(beat, schedule, Gap(now + 4 * SECOND, now, now + 4 * SECOND, "not_stored"))
        now += 5 * SECOND
    assert beat.deadline is not None
    assert beat.deadline > now
    for _ in range(20):
        beat = status.after_gap(beat, schedule, Gap(now + 4 * SECOND, now, now + 4 * SECOND, "not_stored"))
        now += 5 * SECOND
    assert beat.deadline is not None
    assert beat.deadline < now, "by now a job that lives would have been heard"


def test_what_each_worker_says_of_one_gap_counts_once() -> None:
    schedule = Schedule(interval=60, grace=5)
    once = status.after_gap(_pinged(schedule), schedule, Gap(_seconds(64), _seconds(50), _seconds(64), "suspend"))
    beat = once
    for late in (0.05, 0.1, 0.15):
        beat = status.after_gap(beat, schedule, Gap(_seconds(64 + late), _seconds(50 + late), _seconds(64 + late), "suspend"))
    assert beat.listened == once.listened == 50 * SECOND


def test_a_clock_that_is_put_forward_a_little_takes_no_time_from_anybody() -> None:
    interval = Schedule(interval=20, grace=5)
    for start in (5, 19, 24):
        beat = status.after_gap(_pinged(interval), interval, Gap(_seconds(start + 8), _seconds(start), _seconds(start + 8), "clock"))
        assert (beat.expected_at, beat.deadline, beat.status) == (_seconds(28), _seconds(33), "up")
    late = _pinged(interval)
    assert status.after_gap(late, interval, Gap(_seconds(34), _seconds(26), _seconds(34), "clock")) == late, "it was missed before"
    nightly = _pinged(NIGHTLY)
    assert nightly.expected_at is not None and nightly.deadline is not None
    before = Gap(nightly.expected_at - 10 * SECOND, nightly.expected_at - 18 * SECOND, nightly.expected_at - 10 * SECOND, "clock")
    assert status.after_gap(nightly, NIGHTLY, before) == nightly, "its slot is where it was"
    within = Gap(nightly.expected_at + 9 * SECOND, nightly.expected_at + SECOND, nightly.expected_at + 9 * SECOND, "clock")
    after = status.after_gap(nightly, NIGHTLY, within)
    assert (after.expected_at, after.deadline, after.status) == (nightly.expected_at, nightly.deadline + 8 * SECOND, "up")


@pytest.mark.parametrize("reason", ["restart", "clock"])
def test_a_gap_or_a_machine_that_was_paused_from_outside_may_have_swallowed_a_start_or_the_end_of_a_run(reason: GapReason) -> None:
    gap = Gap(_at(1_480), _at(1_300), _at(1_480), reason)
    starting = Schedule(interval=3_600, grace=1_800, start_by=60)
    waited = status.after_gap(_pinged(starting), starting, gap)
    assert (waited.deadline, status.cause(waited, starting)) == (_at(5_400 + (180 if reason == "clock" else 0)), "missed")
    limited = Schedule(interval=86_400, grace=1_800, max_run=600, min_run=400)
    begun = status.after_gap(status.started(_pinged(limited), limited, _at(1_000), A), limited, gap)
    assert begun.run_due is None
    again = status.succeeded(status.succeeded(begun, limited, _at(1_500), A), limited, _at(1_502), A)
    assert (again.status, again.expected_at) == ("up", _at(1_502 + 86_400)), "what the clock was put over may have been its time"
    short = status.after_gap(status.started(_pinged(limited), limited, _at(1_295), A), limited, gap)
    assert status.succeeded(short, limited, _at(1_500), A).status == "down", "it cannot have been longer"


def test_a_clock_that_is_put_forward_a_little_leaves_a_run_as_long_as_it_was() -> None:
    limited = Schedule(interval=86_400, grace=1_800, max_run=600, min_run=400)
    begun = status.after_gap(
        status.started(_pinged(limited), limited, _at(1_000), A), limited, Gap(_at(1_308), _at(1_300), _at(1_308), "clock")
    )
    assert begun.run_due == _at(1_608)
    assert status.succeeded(begun, limited, _at(1_399), A).status == "down"
    assert status.succeeded(begun, limited, _at(1_400), A).status == "up", "or this machine stood still, and the job did not"
    overlong = status.after_gap(begun, limited, Gap(_at(1_700), _at(1_650), _at(1_700), "clock"))
    assert overlong.run_due == _at(1_608), "it was so before"


def _seconds(after: float) -> Ns:
    return PING + round(after * SECOND)


@pytest.mark.parametrize("ping", [status.succeeded, status.failed])
def test_a_ping_lets_gaps_count_from_zero(ping: Any) -> None:
    schedule = Schedule(interval=60, grace=30)
    thrice = _restarted(_pinged(schedule), schedule, 3)
    assert thrice.last_ping_at is not None
    assert ping(thrice, schedule, thrice.deadline).listened == 0
    assert status.started(thrice, schedule, thrice.deadline or 0).listened == thrice.listened, "a job that only begins is not heard of"
    assert status.paused(thrice).listened == 0
    assert status.rescheduled(thrice, schedule, replace(schedule, interval=30), thrice.deadline or 0).listened == 0, (
        "of other turns nothing is known"
    )
    assert status.rescheduled(thrice, schedule, replace(schedule, grace=9), thrice.expected_at or 0).listened == thrice.listened


# Whatever we do, a job that keeps to its schedule is never down.

_periods = st.sampled_from(
    [
        Schedule(interval=600),
        Schedule(interval=3_600),
        Schedule(cron="*/20 * * * *"),
        Schedule(cron="5 * * * *; 20 */2 * * *"),
    ]
)
_limited = st.builds(
    lambda period, grace, start_by: replace(period, grace=grace, start_by=min(start_by, grace)),
    _periods,
    st.sampled_from([60, 900, 5_000]),
    st.integers(0, 900),
)
_habits = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=20)
_absences = st.lists(st.tuples(st.integers(1, 30_000), st.integers(1, 3_000)), min_size=1, max_size=6)


def _life(schedule: Schedule, habits: list[tuple[float, float]]) -> list[tuple[Ns, str]]:
    """The signals of a job that keeps to its schedule; a habit is how much of the time to begin, and to end, a run uses up."""
    signals: list[tuple[Ns, str]] = []
    ended = PING
    for lateness, length in habits:
        expected = expected_after(schedule, ended)
        first = ended + 1 if schedule.cron is None else max(ended + 1, expected - early(schedule, expected))
        last = min(start_deadline(schedule, expected), deadline(schedule, expected) - 1)
        begins = first + round(lateness * (last - first))
        # A gap knows of a ping where one was expected: of one that comes much sooner, and of those between, it cannot.
        soonest = begins + 1 if schedule.cron is not None else max(begins + 1, expected - early(schedule, expected))
        ended = soonest + round(length * (deadline(schedule, expected) - soonest))
        signals += [(begins, "start"), (ended, "success")]
        if schedule.cron is not None and expected_after(schedule, ended) != expected_after(
            replace(schedule, grace=0), max(ended, expected)
        ):
            break  # its end counts for another slot, whose run has yet to begin
    return signals


@given(_limited, _habits, _absences)
def test_no_gap_of_ours_makes_a_job_down_that_keeps_to_its_schedule(
    schedule: Schedule, habits: list[tuple[float, float]], absences: list[tuple[int, int]]
) -> None:
    signals, gaps, now = _life(schedule, habits), list[Gap](), PING
    for pause, length in absences:
        start = now + pause * SECOND
        now = start + length * SECOND
        gaps.append(Gap(now, start, now, "restart"))
    beat, put_off = _pinged(schedule), False
    received = [signal for signal in signals if not any(gap.start <= signal[0] <= gap.end for gap in gaps)]
    noticed = [(gap.end, gap) for gap in gaps if gap.start < signals[-1][0]]
    for at, event in sorted([*received, *noticed], key=lambda event: event[0]):
        due = status.due(beat)
        assert due is None or (event.start if isinstance(event, Gap) else at) <= due, "down"
        if not isinstance(event, Gap):
            beat = (status.started if event == "start" else status.succeeded)(beat, schedule, at)
            put_off = put_off and event == "start"
        elif put_off:
            return  # of what two gaps in a row may have swallowed too much is unknown
        else:
            before, beat = beat.expected_at, status.after_gap(beat, schedule, event)
            put_off = beat.expected_at != before


def test_what_stalls_held_is_forgotten_with_the_deadline_that_they_held() -> None:
    schedule = Schedule(interval=60, grace=30)
    held = _pinged(schedule)
    for second in range(89, 200, 2):
        held = status.after_gap(held, schedule, Gap(_seconds(second + 2), _seconds(second), _seconds(second + 2), "stall"))
    assert (held.deadline, held.held) == (_seconds(150), 60 * SECOND)
    longer = status.rescheduled(held, schedule, Schedule(interval=60, grace=40), _seconds(149))
    for beat in (longer, status.succeeded(held, schedule, _seconds(151)), status.paused(held)):
        assert beat.held == 0
