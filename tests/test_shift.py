from __future__ import annotations

import pytest
from histories import AFTER_THE_CHANGE, DAY, NOON, daily, random_pings, regular

from rules.doctor.hindsight import Hindsight
from rules.doctor.shift import Shift, offsets, shift
from store.instant import from_iso
from store.model import SECOND, Ns, Schedule

NIGHTLY = Schedule(grace=1_800, cron="0 2 * * *")


def seen(arrivals: list[Ns], schedule: Schedule = NIGHTLY, now: Ns = NOON) -> Shift | None:
    past = Hindsight(arrivals, [], now)
    return shift(offsets(past, schedule), schedule, past.turn_of(schedule))


def test_each_ping_is_measured_from_the_slot_that_is_nearest_to_it() -> None:
    arrivals = [from_iso(f"2026-11-{at}") for at in ("20T01:58:00", "21T02:03:20", "22T14:00:00", "22T14:00:01", "23T02:00:00")]
    found = offsets(Hindsight(arrivals, [], NOON), NIGHTLY)
    assert [offset.seconds for offset in found] == [-120, 200, 43_200, -43_199, 0]
    assert [offset.at for offset in found] == arrivals


@pytest.mark.parametrize("schedule", [Schedule(60, 30), Schedule(cron="*/5 * * * *"), Schedule(cron="0 * * * *")])
def test_without_slots_or_with_many_there_is_nothing_to_measure(schedule: Schedule) -> None:
    assert offsets(Hindsight(daily(["02:00"], 28), [], NOON), schedule) == []


def test_pings_that_have_nothing_to_do_with_the_slots_are_not_measured() -> None:
    assert offsets(Hindsight(regular(60, 7), [], NOON), NIGHTLY) == []
    assert offsets(Hindsight([], [], NOON), NIGHTLY) == []


def test_a_job_ahead_of_its_schedule_lives_by_clocks_that_are_ahead() -> None:
    assert seen(daily(["02:00"], 28, "Europe/Berlin")) == Shift(28, 28, 3_480, 3_600, True, ("Europe/Berlin", "Africa/Lagos"), 3_600)


@pytest.mark.parametrize(
    ("job", "schedule", "zone", "before"),
    [
        ("Asia/Kolkata", "UTC", "Asia/Kolkata", True),
        ("UTC", "Europe/Berlin", "UTC", False),
        ("America/New_York", "Europe/Berlin", "America/New_York", False),
        ("Australia/Sydney", "America/Los_Angeles", "Australia/Sydney", False),  # 19 hours ahead, and so five behind, a day later
        ("Asia/Kathmandu", "Asia/Kolkata", "Asia/Kathmandu", True),
    ],
)
def test_zones_of_all_kinds_are_found(job: str, schedule: str, zone: str, before: bool) -> None:
    found = seen(daily(["02:00"], 20, job), Schedule(grace=600, cron="0 2 * * *", timezone=schedule))
    assert found is not None
    assert (found.zones[0], found.before) == (zone, before)


def test_only_zones_whose_clocks_show_the_same_are_named_together() -> None:
    twice_a_day = Schedule(grace=1_800, cron="0 2 * * *; 0 14 * * *")
    found = seen(daily(["01:00", "13:00"], 20), twice_a_day)  # by the clocks of Auckland, 13 hours ahead, they would be in time as well
    assert found is not None
    assert (found.zones, found.ahead) == (("Europe/Berlin", "Africa/Lagos"), 3_600)


def test_a_change_of_clocks_in_between_tells_zones_apart() -> None:
    found = seen(daily(["02:00"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE), now=AFTER_THE_CHANGE)
    assert found is not None
    assert (found.zones, found.least, found.most) == (("Europe/Berlin",), 3_480, 7_200)


def test_an_hour_behind_may_be_the_time_that_runs_take_and_more_may_not() -> None:
    zone = "Europe/Berlin"
    by_utc = [seen(daily([time], 20), Schedule(grace=600, cron=cron, timezone=zone)) for time, cron in (("02:00", "0 2 * * *"),)]
    assert [found is not None and found.may_be_runs for found in by_utc] == [True]
    far = seen(daily(["02:00"], 20, "America/New_York"), Schedule(grace=600, cron="0 2 * * *", timezone=zone))
    assert far is not None and not far.may_be_runs


@pytest.mark.parametrize(
    "arrivals",
    [
        daily(["02:03"], 28),  # in time
        daily(["02:25"], 28),  # a long run
        daily(["01:40"], 28),  # a bit early, as by no clock
        daily(["01:00", "02:00", "02:05", "02:10"], 28),  # most are in time
        random_pings(86_400, 29),
        daily(["01:00"], 4),
    ],
)
def test_what_no_zone_explains_is_left_alone(arrivals: list[Ns]) -> None:
    assert seen(arrivals) is None


def test_a_hand_started_run_does_not_hide_it() -> None:
    arrivals = sorted([*daily(["02:00"], 28, "Europe/Berlin"), NOON - 3 * DAY, NOON - 9 * DAY + 100 * SECOND])
    found = seen(arrivals)
    assert found is not None
    assert (found.count, found.pings, found.zones[0]) == (28, 30, "Europe/Berlin")
