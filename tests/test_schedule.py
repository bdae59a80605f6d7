from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.absence import rearmed
from rules.schedule import HOUR, check, deadline, early, expected_after, same_rhythm, start_deadline, starts_from
from store.model import SECOND, Gap, Ns, Schedule

BERLIN = "Europe/Berlin"
MINUTE: Ns = 60 * SECOND


def _at(text: str, zone: str = "UTC") -> Ns:
    named = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return int(named.replace(microsecond=0).timestamp()) * SECOND + named.microsecond * 1_000


def _cron(cron: str, zone: str = "UTC", grace: int = 3_600) -> Schedule:
    return Schedule(grace=grace, cron=cron, timezone=zone)


def test_an_interval_counts_from_the_ping() -> None:
    ping = _at("2026-11-23 03:04:05.678901") + 234
    assert expected_after(Schedule(interval=60), ping) == ping + 60 * SECOND


def test_grace_is_in_seconds_and_comes_on_top() -> None:
    expected = _at("2026-11-23 02:00")
    assert deadline(Schedule(interval=86_400, grace=90), expected) == _at("2026-11-23 02:01:30")
    assert deadline(_cron("0 2 * * *", grace=0), expected) == expected


@pytest.mark.parametrize(
    ("ping", "expected"),
    [
        ("2026-11-23 02:00:00", "2026-11-24 02:00"),
        ("2026-11-23 02:00:00.000001", "2026-11-24 02:00"),
        ("2026-11-23 02:47:11", "2026-11-24 02:00"),
        ("2026-11-24 01:50:00", "2026-11-24 02:00"),
        ("2026-12-31 13:00:00", "2027-01-01 02:00"),
    ],
)
def test_a_cron_job_is_expected_at_the_next_slot(ping: str, expected: str) -> None:
    assert expected_after(_cron("0 2 * * *"), _at(ping)) == _at(expected)


@pytest.mark.parametrize(
    ("cron", "grace", "early"),
    [
        ("0 2 * * *", 3_600, 300),  # five minutes at most
        ("0 2 * * *", 30, 30),  # or the grace
        ("0 2 * * *", 0, 0),
        ("*/5 * * * *", 3_600, 30),  # or a tenth of the way from the slot before
        ("* * * * *", 3_600, 6),
    ],
)
def test_a_ping_a_little_early_counts_for_the_coming_slot(cron: str, grace: int, early: int) -> None:
    schedule = _cron(cron, grace=grace)
    slot = _at("2026-11-23 02:00")
    following = expected_after(schedule, slot)
    assert expected_after(schedule, slot - early * SECOND) == following > slot
    assert expected_after(schedule, slot - early * SECOND - 1) == slot


def test_how_early_depends_on_the_slot_before_not_on_the_one_after() -> None:
    twice = _cron("0,5 9 * * *")
    assert expected_after(twice, _at("2026-11-23 09:00:10")) == _at("2026-11-23 09:05"), "that was the job of 9:00"
    assert expected_after(twice, _at("2026-11-23 08:56:00")) == _at("2026-11-23 09:05")


TWICE = "0 2 * * 1-5; 55 1 * * MON"


def test_several_expressions_are_expected_at_the_slots_of_any() -> None:
    weekdays = _cron("0 2 * * 1-5; 0 8 * * 6,0", BERLIN)
    assert expected_after(weekdays, _at("2026-11-20 02:10", BERLIN)) == _at("2026-11-21 08:00", BERLIN)
    assert expected_after(weekdays, _at("2026-11-22 08:10", BERLIN)) == _at("2026-11-23 02:00", BERLIN)


def test_how_early_depends_on_the_slot_before_of_whichever_expression() -> None:
    monday, tuesday = _at("2026-11-23 02:00"), _at("2026-11-24 02:00")
    assert early(_cron(TWICE), monday) == 30 * SECOND
    assert early(_cron(TWICE), tuesday) == 300 * SECOND
    assert expected_after(_cron(TWICE), monday - 31 * SECOND) == monday, "that was the job of 1:55"
    assert expected_after(_cron(TWICE), tuesday - 31 * SECOND) == _at("2026-11-25 02:00")


def test_a_late_ping_counts_for_no_slot_that_clocks_put_right_behind_its_own() -> None:
    both = _cron("55 1 * * *; 30 2 * * *", BERLIN)
    put_forward = _at("2026-03-29 01:00")  # in place of 02:30
    assert expected_after(both, _at("2026-03-29 00:57")) == put_forward
    assert expected_after(both, put_forward - 30 * SECOND) == _at("2026-03-30 01:55", BERLIN)


@given(st.sampled_from(["2026-03-29", "2026-10-25"]), st.integers(0, 8 * 60), st.integers(-29, 29))
def test_a_job_that_pings_half_a_minute_early_or_late_has_each_of_its_slots_once(day: str, start: int, jitter: int) -> None:
    schedule = _cron("*/20 1-3 * * *; 5 2 * * *; 30 2 * * *; 15 3 * * *", BERLIN, grace=60)
    exact = expected_after(schedule, _at(day) - 60 * MINUTE + start * MINUTE)
    following = expected_after(schedule, exact)
    assert expected_after(schedule, exact + jitter * SECOND) == following


def test_the_start_of_a_run_is_missed_before_its_success() -> None:
    schedule = Schedule(cron="0 2 * * *", grace=3_600, start_by=600)
    expected = _at("2026-11-23 02:00")
    assert start_deadline(schedule, expected) == _at("2026-11-23 02:10")
    assert deadline(schedule, expected) == _at("2026-11-23 03:00")
    for start_by in (None, 3_600, 7_200):  # the grace is over then, whatever was asked for
        assert start_deadline(Schedule(cron="0 2 * * *", grace=3_600, start_by=start_by), expected) == _at("2026-11-23 03:00")


def test_a_start_belongs_to_its_slot_as_a_ping_would_and_to_an_interval_from_the_last_ping_on() -> None:
    expected = _at("2026-11-23 02:00")
    assert starts_from(_cron("0 2 * * *"), expected) == expected - 300 * SECOND
    assert starts_from(_cron("0 2 * * *", grace=20), expected) == expected - 20 * SECOND
    assert starts_from(Schedule(interval=86_400, grace=20), expected) == _at("2026-11-22 02:00")


def test_the_rhythm_of_a_schedule_is_what_it_expects_and_not_what_it_tolerates() -> None:
    plain = Schedule(interval=60)
    assert same_rhythm(plain, Schedule(interval=60, grace=5, max_run=7, min_run=3, start_by=4))
    assert not any(same_rhythm(plain, other) for other in (Schedule(interval=61), _cron("* * * * *")))
    assert same_rhythm(plain, Schedule(timezone=BERLIN)), "an interval is as long in any zone"


def test_a_schedule_that_cannot_be_computed_says_why() -> None:
    now = _at("2026-11-23 10:00")
    for schedule in (_cron("0 0 30 2 *"), _cron("nonsense"), _cron("0 2 * * *", "Mars/Olympus")):
        with pytest.raises(ValueError, match=r"never comes|five fields|not known"):
            expected_after(schedule, now)
        with pytest.raises(ValueError, match=r"never comes|five fields|not known"):
            rearmed(schedule, now, Gap(now, now, now, "restart"), due=now, last_ping_at=None)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    return st.just("*") | number | st.integers(1, high).map("*/{}".format) | st.tuples(number, number).map(",".join)


_crons = st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 7)).map(" ".join)
_zones = st.sampled_from(["UTC", BERLIN, "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata", "Africa/Cairo"])
_schedules = st.builds(Schedule, st.integers(1, 90_000), st.integers(0, 7_200), st.none() | _crons, _zones).filter(
    lambda schedule: check(schedule.cron, schedule.timezone) is None
)
_clock_changes = [_at(day) for day in ("2026-03-29", "2026-04-04", "2026-04-24", "2026-10-03", "2026-10-25", "2026-10-29", "2026-11-01")]
_instants = st.builds(
    lambda day, hour, rest: day + hour * HOUR + rest, st.sampled_from(_clock_changes), st.integers(-3, 30), st.integers(0, HOUR)
)


@given(_schedules, _instants)
def test_the_next_ping_is_always_expected_later(schedule: Schedule, ping: Ns) -> None:
    assert expected_after(schedule, ping) > ping


@given(_schedules, _instants, st.integers(0, 40_000), st.integers(10, 200_000))
def test_after_a_gap_a_job_is_expected_after_it_and_never_sooner_than_before(schedule: Schedule, ping: Ns, start: int, length: int) -> None:
    expected = expected_after(schedule, ping)
    gap_start = ping + start * SECOND
    gap_end = gap_start + length * SECOND
    gap = Gap(gap_end, gap_start, gap_end, "restart")
    again = rearmed(schedule, expected, gap, due=deadline(schedule, expected), last_ping_at=None)
    if again is None:
        assert gap_end < expected or gap_start > deadline(schedule, expected)
    else:
        assert again.expected_at > max(gap_end, expected)
