from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from rules import absence
from rules.absence import Rearmed, outlasts, rearmed
from rules.schedule import HOUR, deadline
from store.model import SECOND, Gap, Ns, Schedule

MINUTE: Ns = 60 * SECOND


def _at(text: str) -> Ns:
    named = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(named.replace(microsecond=0).timestamp()) * SECOND + named.microsecond * 1_000


def _cron(cron: str, zone: str = "UTC", grace: int = 3_600) -> Schedule:
    return Schedule(grace=grace, cron=cron, timezone=zone)


MINUTELY = Schedule(interval=60, grace=30)
EXPECTED = _at("2026-11-23 10:00:00")


@pytest.mark.parametrize(
    ("start", "end", "concerned"),
    [
        ("09:58:00", "09:59:53.399999", False),
        ("09:58:00", "09:59:53.4", True),  # a tenth of its interval early, and a hundredth by a clock of ours that goes slower
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


def test_without_grace_the_window_is_a_moment_and_what_our_clock_may_have_left_out() -> None:
    by_cron, by_interval = _cron("* * * * *", grace=0), Schedule(interval=60, grace=0)
    for strict, opens in ((by_cron, EXPECTED), (by_interval, EXPECTED - 600 * SECOND // 1_000)):
        assert rearmed(strict, EXPECTED, EXPECTED - MINUTE, opens - 1) is None
        assert rearmed(strict, EXPECTED, EXPECTED + 1, EXPECTED + MINUTE) is None
        assert rearmed(strict, EXPECTED, opens - 1, opens) is not None
        assert rearmed(strict, EXPECTED, EXPECTED, EXPECTED + 1) is not None


def test_up_to_an_hour_is_waited_for_once_more_and_longer_is_unverified() -> None:
    start, end = EXPECTED - MINUTE, EXPECTED + MINUTE
    assert rearmed(Schedule(interval=3_600), EXPECTED, start, end) == Rearmed(end + HOUR, unverified=False)
    assert rearmed(Schedule(interval=3_601), EXPECTED, start, end) == Rearmed(EXPECTED + HOUR + SECOND, unverified=True)


@pytest.mark.parametrize(
    ("gap_end", "turn"),
    [
        ("2026-11-23 09:58", "2026-11-24 10:00"),  # the gap hid the minutes before
        ("2026-11-23 10:10", "2026-11-24 10:00"),
        ("2026-11-24 09:40:35", "2026-11-24 10:00"),
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


def test_how_soon_the_next_turn_may_come_is_a_tenth_of_a_schedule_and_a_hundredth_more_of_an_interval() -> None:
    start, day = _at("2026-11-23 09:00"), _at("2026-11-24 10:00") - EXPECTED
    by_interval, by_cron = Schedule(interval=86_400, grace=3_600), _cron("0 10 * * *")
    for schedule, opens in ((by_interval, _at("2026-11-24 09:40:36")), (by_cron, _at("2026-11-24 09:55"))):
        assert rearmed(schedule, EXPECTED, start, opens - 1) == Rearmed(EXPECTED + day, unverified=True)
        assert rearmed(schedule, EXPECTED, start, opens) == Rearmed(EXPECTED + 2 * day, unverified=True)


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
    ("due", "start", "end", "held"),
    [
        (100, 90, 95, 100),  # far enough behind the stall
        (100, 95, 99, 100),
        (100, 95, 99.5, 100.5),
        (100, 95, 103, 104),
        (100, 100, 103, 104),
        (100, 100.5, 103, 100),  # it had passed before
        (157, 156, 158, 159),
        (157, 156, 162, 160),  # held for a minute in all
        (160, 158, 162, 160),
        (161, 158, 162, 163),  # more was granted than stalls hold
    ],
)
def test_a_stall_holds_a_deadline_for_a_moment_and_many_for_a_minute(due: float, start: float, end: float, held: float) -> None:
    assert absence.held(round(due * SECOND), _stall(start, end), 100 * SECOND) == round(held * SECOND)


def test_a_run_outlasts_the_start_of_the_next_where_its_grace_is_long() -> None:
    hourly = Schedule(cron="0 * * * *; 50 6 * * *", start_by=60)
    for grace, seven, eight in ((600, False, False), (700, True, False), (3_660, True, False), (3_661, True, True)):
        schedule = replace(hourly, grace=grace)
        assert outlasts(schedule, _at("2026-11-23 07:00")) is seven, "it is ten minutes after the one of 6:50"
        assert outlasts(schedule, _at("2026-11-23 08:00")) is eight
    assert not outlasts(replace(hourly, grace=9_000, start_by=None), EXPECTED)
    assert outlasts(Schedule(interval=3_600, grace=1), EXPECTED)
