from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from rules import absence
from rules.absence import Rearmed, outlasts
from rules.schedule import HOUR, deadline
from store.model import SECOND, Gap, GapReason, Ns, Schedule

MINUTE: Ns = 60 * SECOND


def _at(text: str) -> Ns:
    named = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(named.replace(microsecond=0).timestamp()) * SECOND + named.microsecond * 1_000


def rearmed(
    schedule: Schedule, expected: Ns, start: Ns, end: Ns, *, due: Ns | None = None, last_ping_at: Ns | None = None, slowed: Ns = 0
) -> Rearmed | None:
    gap = Gap(end, start, end, "restart", slowed=slowed)
    return absence.rearmed(schedule, expected, gap, due=deadline(schedule, expected) if due is None else due, last_ping_at=last_ping_at)


def _cron(cron: str, zone: str = "UTC", grace: int = 3_600) -> Schedule:
    return Schedule(grace=grace, cron=cron, timezone=zone)


MINUTELY = Schedule(interval=60, grace=30)
EXPECTED = _at("2026-11-23 10:00:00")


@pytest.mark.parametrize(
    ("start", "end", "concerned"),
    [
        ("09:58:00", "09:59:53.999999", False),
        ("09:58:00", "09:59:54", True),  # it may have come a tenth of its interval early
        ("09:59:55", "10:00:05", True),
        ("10:00:05", "10:00:16", True),
        ("10:00:30", "10:00:45", True),
        ("10:00:30.000001", "10:00:45", False),  # missed before we went away
        ("09:00:00", "12:00:00", True),
    ],
)
def test_a_gap_concerns_a_monitor_whose_ping_may_have_come_in_it(start: str, end: str, concerned: bool) -> None:
    gap_end = _at(f"2026-11-23 {end}")
    again = rearmed(MINUTELY, EXPECTED, _at(f"2026-11-23 {start}"), gap_end)
    assert again == (Rearmed(gap_end + 60 * SECOND, unverified=False) if concerned else None)


def test_the_window_ends_when_the_ping_is_missed_however_late_that_is() -> None:
    start, end = EXPECTED + MINUTE, EXPECTED + 2 * MINUTE
    assert rearmed(MINUTELY, EXPECTED, start, end) is None
    assert rearmed(MINUTELY, EXPECTED, start, end, due=EXPECTED + MINUTE) is not None, "an edit had granted more"
    assert rearmed(MINUTELY, EXPECTED, EXPECTED + 10 * SECOND, end, due=EXPECTED + 5 * SECOND) is None, "its start had been missed"


def test_a_gap_that_is_far_away_needs_no_look_at_the_calendar() -> None:
    expected = _at("2026-11-23 02:00")
    gone = _cron("0 2 * * *", "Mars/Olympus")
    assert rearmed(gone, expected, expected - HOUR, expected - 301 * SECOND) is None
    assert rearmed(gone, expected, deadline(gone, expected) + 1, expected + 9 * HOUR) is None


def test_without_grace_the_window_is_a_moment() -> None:
    strict = Schedule(interval=60, grace=0)
    assert rearmed(strict, EXPECTED, EXPECTED - MINUTE, EXPECTED - 1) is None
    assert rearmed(strict, EXPECTED, EXPECTED + 1, EXPECTED + MINUTE) is None
    assert rearmed(strict, EXPECTED, EXPECTED - 1, EXPECTED + 1) is not None


def test_where_our_clock_has_gone_slower_since_the_last_ping_the_window_begins_a_hundredth_sooner() -> None:
    strict, day = Schedule(interval=86_400, grace=0), 86_400 * SECOND
    for turns in (1, 2):  # after an outage of ours it may be counted from the last ping but one
        pinged, opens = EXPECTED - turns * day, EXPECTED - turns * 864 * SECOND
        for end, concerned in ((opens - 1, False), (opens, True)):
            again = rearmed(strict, EXPECTED, end - 1, end, last_ping_at=pinged, slowed=pinged + 1)
            assert (again is not None) is concerned
        assert rearmed(strict, EXPECTED, opens, EXPECTED - 1, last_ping_at=pinged, slowed=pinged) is None, "it was level again"
    by_cron = _cron("0 10 * * *", grace=0)
    assert rearmed(by_cron, EXPECTED, EXPECTED - MINUTE, EXPECTED - 1, last_ping_at=EXPECTED - day, slowed=EXPECTED - 1) is None


def test_up_to_an_hour_is_waited_for_once_more_and_longer_is_unverified() -> None:
    start, end = EXPECTED - MINUTE, EXPECTED + MINUTE
    assert rearmed(Schedule(interval=3_600), EXPECTED, start, end) == Rearmed(end + HOUR, unverified=False)
    assert rearmed(Schedule(interval=3_601), EXPECTED, start, end) == Rearmed(EXPECTED + HOUR + SECOND, unverified=True)


@pytest.mark.parametrize(
    ("gap_end", "turn"),
    [
        ("2026-11-23 09:58", "2026-11-24 10:00"),  # the gap hid the minutes before
        ("2026-11-23 10:10", "2026-11-24 10:00"),
        ("2026-11-24 09:54:59", "2026-11-24 10:00"),
        ("2026-11-24 09:55", "2026-11-25 10:00"),  # that of the next day may have come early, and in the gap
        ("2026-11-24 10:00", "2026-11-25 10:00"),
        ("2026-11-27 03:00", "2026-11-27 10:00"),
    ],
)
def test_a_daily_job_keeps_its_rhythm_over_a_gap(gap_end: str, turn: str) -> None:
    start = _at("2026-11-23 09:00")
    by_interval, by_cron = Schedule(interval=86_400, grace=3_600), _cron("0 10 * * *")
    assert rearmed(by_interval, EXPECTED, start, _at(gap_end)) == Rearmed(_at(turn), unverified=True)
    assert rearmed(by_cron, EXPECTED, start, _at(gap_end)) == Rearmed(_at(turn), unverified=True)


def test_a_rare_job_whose_rhythm_is_not_known_is_waited_for_a_whole_interval() -> None:
    schedule, day, end = Schedule(interval=86_400, grace=60), 86_400 * SECOND, EXPECTED + 6 * HOUR
    cases: list[tuple[Ns, GapReason, Ns]] = [
        (EXPECTED - day, "restart", EXPECTED + day),
        (EXPECTED - day + HOUR, "restart", end + day),  # it was counted from the end of a pause
        (EXPECTED - day, "clock", end + day),  # by the moved clock it pings at another time
    ]
    for pinged, reason, turn in cases:
        gap = Gap(end, EXPECTED - MINUTE, end, reason)
        again = absence.rearmed(schedule, EXPECTED, gap, due=EXPECTED + MINUTE, last_ping_at=pinged)
        assert again == Rearmed(turn, unverified=True)


def test_the_next_turn_may_come_sooner_too_where_our_clock_has_gone_slower() -> None:
    schedule, day = Schedule(interval=86_400, grace=3_600), 86_400 * SECOND
    start, pinged, opens = EXPECTED - MINUTE, EXPECTED - day, EXPECTED + day - (300 + 864) * SECOND
    for slowed, end, turn in ((0, opens, 1), (start, opens - 1, 1), (start, opens, 2)):
        again = rearmed(schedule, EXPECTED, start, end, last_ping_at=pinged, slowed=slowed)
        assert again == Rearmed(EXPECTED + turn * day, unverified=True)


@pytest.mark.parametrize(
    ("gap_end", "slot"),
    [
        ("09:59:40", "10:05"),
        ("10:00:00", "10:05"),
        ("10:04:29", "10:05"),
        ("10:04:30", "10:10"),
        ("10:05:00", "10:10"),
        ("11:01:00", "11:05"),
    ],
)
def test_a_frequent_cron_job_is_expected_at_the_slot_after_the_gap(gap_end: str, slot: str) -> None:
    again = rearmed(_cron("*/5 * * * *", grace=60), EXPECTED, EXPECTED - MINUTE, _at(f"2026-11-23 {gap_end}"))
    assert again == Rearmed(_at(f"2026-11-23 {slot}"), unverified=False)


def test_the_hour_is_measured_to_the_jobs_next_turn() -> None:
    twice = _cron("0,30 9 * * *")
    nine, half_past = _at("2026-11-23 09:00"), _at("2026-11-23 09:30")
    assert rearmed(twice, nine, nine - MINUTE, nine + MINUTE) == Rearmed(half_past, unverified=False)
    assert rearmed(twice, half_past, half_past - MINUTE, half_past + MINUTE) == Rearmed(_at("2026-11-24 09:00"), unverified=True)


def _stall(start: float, end: float) -> Gap:
    return Gap(round(end * SECOND), round(start * SECOND), round(end * SECOND), "stall")


@pytest.mark.parametrize(
    ("start", "end", "held", "until"),
    [
        (90, 95, 0, 100),  # it is far enough behind the stall
        (95, 99, 0, 100),
        (95, 99.5, 0, 100.5),
        (95, 103, 0, 104),
        (100, 103, 0, 104),
        (100.5, 103, 0, 100),  # it had passed before
        (99, 101, 57, 102),
        (99, 105, 57, 103),  # held for a minute in all
        (99, 105, 60, 100),
    ],
)
def test_a_stall_holds_a_deadline_for_a_moment_and_many_for_a_minute(start: float, end: float, held: int, until: float) -> None:
    stall = Gap(round(end * SECOND), round(start * SECOND), round(end * SECOND), "stall")
    assert 100 * SECOND + absence.hold(100 * SECOND, stall, held * SECOND) == round(until * SECOND)


def test_a_run_outlasts_the_start_of_the_next_where_its_grace_is_long() -> None:
    hourly = Schedule(cron="0 * * * *; 50 6 * * *", start_by=60)
    for grace, seven, eight in ((600, False, False), (700, True, False), (3_660, True, False), (3_661, True, True)):
        schedule = replace(hourly, grace=grace)
        assert outlasts(schedule, _at("2026-11-23 07:00")) is seven, "it is ten minutes after the one of 6:50"
        assert outlasts(schedule, _at("2026-11-23 08:00")) is eight
    assert not outlasts(replace(hourly, grace=9_000, start_by=None), EXPECTED)
    assert outlasts(Schedule(interval=3_600, grace=1), EXPECTED)
