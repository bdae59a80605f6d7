from __future__ import annotations

from itertools import pairwise

import pytest
from histories import AFTER_THE_CHANGE, DAY, NOON, daily, random_pings, regular
from msgspec.structs import replace

from rules.doctor import remedy
from rules.doctor.hindsight import Hindsight
from rules.doctor.remedy import Trial
from rules.doctor.rhythm import rhythm
from rules.doctor.shift import offsets, shift
from store.model import SECOND, Ns, Schedule


def looked_back(arrivals: list[Ns], now: Ns = NOON) -> Hindsight:
    past = Hindsight(arrivals, [], now)
    beat = rhythm(arrivals, past.lengths(), "UTC")
    return past if beat is None else past.taking_turns(round(beat.every * SECOND))


def suggested(schedule: Schedule, arrivals: list[Ns]) -> Trial | None:
    past = looked_back(arrivals)
    beat = rhythm(arrivals, past.lengths(), schedule.timezone)
    return remedy.suggestion(past, remedy.tried(past, schedule), beat, shift(offsets(past, schedule), schedule, past.turn_of(schedule)))


def without(arrivals: list[Ns], *outages: tuple[float, float]) -> list[Ns]:
    """The pings but for those from so many to so many hours ago."""
    spans = [(NOON - round(start * 3_600 * SECOND), NOON - round(end * 3_600 * SECOND)) for start, end in outages]
    return [at for at in arrivals if not any(start < at < end for start, end in spans)]


@pytest.mark.parametrize(
    ("schedule", "arrivals", "grace"),
    [
        (Schedule(60, 30), regular(60, 7, 2), 10),
        (Schedule(60, 30), regular(60, 7, 1, late=0.02, by=40), 60),
        (Schedule(60, 30), regular(60, 7, 1, late=0.001, by=30), 45),
        (Schedule(300, 30), regular(300, 10, 120), 180),
        (Schedule(3_600, 30), regular(3_600, 20, 5), 180),
        (Schedule(86_400, 30), daily(["02:03"], 28), 1_800),
        (Schedule(cron="0 2 * * *"), daily(["02:03"], 28, jitter=3_600), 7_200),
        # Outages are no reason to wait longer, whether the ping came late or not at all.
        (Schedule(300, 30), without(regular(300, 10, 5), (100, 96), (50, 49.8)), 15),
        (Schedule(86_400, 30), daily(["02:03"], 28, without=(5, 6, 7, 20)), 1_800),
        (Schedule(86_400, 30), daily(["02:03"], 28, without=(3, 8, 13, 18, 23)), 1_800),
        (Schedule(cron="0 2 * * *"), sorted([*daily(["02:03"], 28, without=(5,)), NOON - 22 * DAY]), 1_800),
        # But what comes again and again belongs to the job.
        (Schedule(300, 30), regular(300, 10, 5, late=0.05, by=330), 480),
    ],
)
def test_the_grace_that_fits_covers_what_is_usual(schedule: Schedule, arrivals: list[Ns], grace: int) -> None:
    assert abs(remedy.fitted(looked_back(arrivals), schedule).grace - grace) <= grace / 3


def test_how_long_silence_lasts_is_known_as_a_rule_and_at_its_longest() -> None:
    def f(schedule: Schedule, arrivals: list[Ns]) -> tuple[float, float, bool]:
        trial = remedy.tried(looked_back(arrivals), schedule)
        return trial.turn, trial.longest_turn, trial.uneven

    assert f(Schedule(60, 30), regular(60, 7)) == (60, 60, False)
    assert f(Schedule(grace=30, cron="0 2 * * *"), daily(["02:00"], 10)) == (86_400, 86_400, False)
    assert f(Schedule(grace=30, cron="0 2 * * *; 1 2 * * *; 2 2 * * *"), daily(["02:00"], 10)) == (60, 86_280, True)
    assert f(Schedule(grace=30, cron="0 2 * * 1-5"), daily(["02:00"], 10)) == (86_400, 3 * 86_400, True)
    changed = daily(["02:00"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE)  # one day had 25 hours
    assert not remedy.tried(looked_back(changed, AFTER_THE_CHANGE), Schedule(cron="0 2 * * *", timezone="Europe/Berlin")).uneven


def test_with_the_grace_that_fits_only_outages_alarm() -> None:
    arrivals = without(regular(300, 10, 60), (100, 96), (50, 49))
    fitting = remedy.tried(looked_back(arrivals), remedy.fitted(looked_back(arrivals), Schedule(300, 0)))
    assert (fitting.alarms, fitting.missing, fitting.late) == (2, 2, 0)
    assert fitting.silence == 300 + fitting.schedule.grace


def test_the_grace_is_never_shorter_than_what_a_run_may_start_late() -> None:
    assert remedy.fitted(looked_back(regular(60, 7)), Schedule(60, 900, start_by=600)).grace == 600


@pytest.mark.parametrize(
    ("schedule", "arrivals", "change"),
    [
        (Schedule(60, 30), regular(300, 10, 5), {"interval": 300, "gracePeriod": 15}),
        (Schedule(86_400, 3_600), regular(60, 7), {"interval": 60, "gracePeriod": 10}),
        (Schedule(300, 43_200), regular(300, 10), {"gracePeriod": 15}),
        (Schedule(86_400, 60), daily(["02:03"], 28), {"gracePeriod": 1_800}),
        (Schedule(grace=300, cron="0 2 * * *"), regular(60, 7), {"schedule": None, "gracePeriod": 10}),
        (Schedule(grace=300, cron="0 * * * *"), daily(["02:03"], 28), {"schedule": "0 2 * * *", "gracePeriod": 1_800}),
        (Schedule(grace=1_800, cron="0 2 * * *"), daily(["02:00"], 28, "Europe/Berlin"), {"timezone": "Europe/Berlin"}),
        (Schedule(86_400, 1_800), daily(["02:03"], 28, weekdays=range(5)), {"schedule": "0 2 * * 1-5"}),
        (Schedule(3_600, 60), random_pings(1_800, 20), {"gracePeriod": 7_200}),
    ],
)
def test_what_is_suggested_is_as_near_to_the_present_as_may_be(schedule: Schedule, arrivals: list[Ns], change: dict[str, object]) -> None:
    found = suggested(schedule, arrivals)
    assert found is not None
    assert remedy.changes(schedule, found.schedule) == change
    assert found.alarms <= remedy.tried(looked_back(arrivals), schedule).alarms


@pytest.mark.parametrize(
    ("schedule", "arrivals"),
    [
        (Schedule(60, 30), regular(60, 7, 2)),
        (Schedule(60, 120), regular(60, 7, 2)),  # longer than needed, and it costs nothing
        (Schedule(86_400, 3_600), daily(["02:03"], 28)),
        (Schedule(grace=3_600, cron="0 2 * * 1-5"), daily(["02:03"], 28, weekdays=range(5))),
        (Schedule(300, 60), without(regular(300, 20, 5), (100, 96))),
    ],
)
def test_settings_that_fit_are_left_alone(schedule: Schedule, arrivals: list[Ns]) -> None:
    assert suggested(schedule, arrivals) is None


def test_other_graces_are_tried_on_the_present_schedule() -> None:
    arrivals = regular(60, 7, 1, late=0.02, by=40)
    past = looked_back(arrivals)
    trials = remedy.graces(past, Schedule(60, 30), 60)
    graces = [trial.schedule.grace for trial in trials]
    assert graces == sorted(set(graces)) and {30, 60} <= set(graces)
    for trial in trials:
        assert trial.alarms == sum(1 for before, after in pairwise(arrivals) if after - before > (60 + trial.schedule.grace) * SECOND)
    assert len({replace(trial.schedule, grace=0) for trial in trials}) == 1


def test_changes_are_told_by_the_names_of_the_api() -> None:
    assert remedy.changes(Schedule(60, 30), Schedule(60, 30)) == {}
    cron = Schedule(60, 45, cron="0 2 * * *", timezone="Europe/Berlin")
    assert remedy.changes(Schedule(60, 30), cron) == {"gracePeriod": 45, "schedule": "0 2 * * *", "timezone": "Europe/Berlin"}
    assert remedy.changes(cron, replace(cron, cron=None)) == {"schedule": None}
