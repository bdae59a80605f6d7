from __future__ import annotations

from itertools import pairwise

import pytest
from histories import AFTER_THE_CHANGE, DAY, NOON, WORKDAYS, daily, random_pings, regular, within
from hypothesis import given
from hypothesis import strategies as st

from rules.cron import check
from rules.doctor.rhythm import Rhythm, days_in_words, quantile, rhythm, rounded
from store.instant import from_iso
from store.model import SECOND, Ns


def found(arrivals: list[Ns], timezone: str = "UTC") -> Rhythm | None:
    return rhythm(arrivals, [after - before for before, after in pairwise(arrivals)], timezone)


def sentence(arrivals: list[Ns], timezone: str = "UTC") -> str:
    seen = found(arrivals, timezone)
    assert seen is not None
    return seen.sentence


@pytest.mark.parametrize(
    ("arrivals", "sentence", "cron"),
    [
        (regular(60, 2, 5), "every 1 min", "* * * * *"),
        (regular(300, 10, 100), "every 5 min", "*/5 * * * *"),
        (regular(303.4, 10, 1), "every 5 min 3 s", "*/5 * * * *"),
        (regular(437, 10, 1), "every 7 min 17 s", None),
        (regular(3_600, 20, 30), "every 1 h", "0 * * * *"),
        (daily(["02:03"], 28), "every day about 02:04 (UTC)", "0 2 * * *"),
        (daily(["02:03", "08:00", "20:00"], 28), "every day about 02:04, 08:01 and 20:01 (UTC)", "0 2,8,20 * * *"),
        (daily(["02:10", "14:40"], 28), "every day about 02:11 and 14:41 (UTC)", "10 2 * * *; 40 14 * * *"),
        (daily(["23:59"], 28, jitter=180), "every day about 00:00 (UTC)", "0 0 * * *"),
        (daily(["02:03"], 28, weekdays=WORKDAYS), "on Monday to Friday about 02:04 (UTC)", "0 2 * * 1-5"),
        (daily(["02:03"], 28, weekdays=(0, 2, 4)), "on Monday, Wednesday and Friday about 02:04 (UTC)", "0 2 * * 1,3,5"),
        (daily(["02:03"], 28, weekdays=(5, 6)), "on Saturday and Sunday about 02:04 (UTC)", "0 2 * * 0,6"),
    ],
)
def test_a_job_that_keeps_to_something_is_known_by_it(arrivals: list[Ns], sentence: str, cron: str | None) -> None:
    seen = found(arrivals)
    assert seen is not None
    assert (seen.sentence, seen.cron()) == (sentence, cron)


def test_hours_and_days_of_an_office_are_those_of_its_zone() -> None:
    arrivals = within(regular(300, 25), range(8, 18), "America/New_York", WORKDAYS)
    seen = found(arrivals, "America/New_York")
    assert seen is not None
    assert seen.sentence == "every 5 min from 8:00 to 18:00 on Monday to Friday (America/New_York)"
    assert seen.cron() == "*/5 8-17 * * 1-5"
    assert seen.bound and not Rhythm(300, 1, "UTC").bound


def test_two_pings_at_a_time_are_one_turn() -> None:
    pairs = sorted(at + extra * SECOND for at in daily(["02:03"], 28) for extra in (0, 3))
    assert sentence(pairs) == "every day about 02:04 (UTC)"


def test_a_few_missing_pings_do_not_hide_the_rhythm() -> None:
    assert sentence(daily(["02:03"], 28, without=(3, 4, 15))) == "every day about 02:03 (UTC)"
    assert sentence([at for at in regular(300, 10) if not NOON - 3 * DAY < at < NOON - 2 * DAY]) == "every 5 min"


def test_two_weeks_are_needed_to_say_that_nothing_comes_on_a_day() -> None:
    ten_days = daily(["02:03"], 10, weekdays=WORKDAYS)
    assert sentence(ten_days) == "every day about 02:04 (UTC)"


def test_pings_by_a_clock_that_was_changed_are_told_by_that_clock() -> None:
    arrivals = daily(["02:03"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE)
    assert sentence(arrivals) == "every day about 02:04 (Europe/Berlin)"
    assert sentence(arrivals, "Europe/Paris") == "every day about 02:04 (Europe/Paris)"  # the schedule's own is as good
    soon_after = daily(["02:03"], 30, "Europe/Berlin", until=from_iso("2026-10-26T12:00:00"))
    assert sentence(soon_after) == "every day about 00:04 (UTC)"  # two pings may be anything
    steady = daily(["02:03"], 30, until=AFTER_THE_CHANGE)
    assert sentence(steady) == "every day about 02:04 (UTC)"


def test_what_comes_later_from_day_to_day_drifts() -> None:
    drifting, steady = found(daily(["02:03"], 29, later=90)), found(daily(["02:03"], 29))
    assert drifting is not None and steady is not None
    assert 1_500 < drifting.drift < 2_000
    assert abs(steady.drift) < 60


def test_without_a_rhythm_nothing_is_said() -> None:
    assert found(random_pings(1_800, 20)) is None
    assert found([]) is None
    assert found([NOON]) is None


@given(st.lists(st.integers(0, 30 * 86_400), unique=True, max_size=60), st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu")))
def test_any_pings_have_a_rhythm_that_can_be_told_or_none(seconds: list[int], zone: str) -> None:
    seen = found([AFTER_THE_CHANGE - 30 * DAY + second * SECOND for second in sorted(seconds)], zone)
    if seen is not None:
        assert seen.every > 0 and seen.jitter >= 0 and seen.sentence
        cron = seen.cron()
        assert cron is None or check(cron, seen.timezone) is None


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.4, 1), (59.2, 60), (61.4, 62), (303, 300), (437, 440), (3_550, 3_600), (4_000, 4_020), (86_300, 86_400), (100_000, 100_800)],
)
def test_intervals_are_written_as_people_would(seconds: float, written: int) -> None:
    assert rounded(seconds) == written


def test_quantiles_are_values_that_came() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert quantile([7.0], 0.5) == 7


def test_days_in_words() -> None:
    assert days_in_words((0, 1, 2, 3, 4)) == "Monday to Friday"
    assert days_in_words((5, 6)) == "Saturday and Sunday"
    assert days_in_words(tuple(range(7))) == ""
    assert days_in_words((2,)) == "Wednesday"
