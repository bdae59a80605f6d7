from __future__ import annotations

import time
from itertools import pairwise

import pytest
from histories import DAY, NOON, daily, regular
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import status
from rules.doctor import LIMIT, PERIOD, Lengths, diagnose
from rules.doctor.hindsight import Pause
from rules.doctor.remedy import Trial
from store.model import SECOND, Beat, Gap, Ns, Schedule


def alarms(schedule: Schedule, arrivals: list[Ns], now: Ns) -> int:
    """By the state machine, step by step."""
    beat, count = Beat(), 0
    for at in [*arrivals, now]:
        due = status.due(beat)
        if due is not None and due < at:
            count += 1
        beat = status.succeeded(beat, schedule, at)
    return count


def test_a_diagnosis_says_what_it_looked_at() -> None:
    found = diagnose(Schedule(60, 30), regular(60, 2), [], NOON)
    assert (found.start, found.end, found.pings, found.bounded) == (NOON - 2 * DAY, NOON, 2_881, False)
    assert found.lengths == Lengths(2_880, 0, 60, 60, 60, 60)
    assert found.present == Trial(Schedule(60, 30), 0, 0, 90, 90)
    assert found.rhythm is not None and found.rhythm.sentence == "every 1 min"
    assert (found.suggestion, found.change, found.offsets) == (None, None, [])
    assert found.seconds == [60] * 2_880


def test_a_suggestion_comes_with_what_to_change() -> None:
    found = diagnose(Schedule(60, 30), regular(300, 5), [], NOON)
    assert found.suggestion is not None and found.suggestion.schedule == Schedule(300, 15)
    assert found.change == {"interval": 300, "gracePeriod": 15} == found.findings[0].change


def test_only_the_last_thirty_days_are_looked_at() -> None:
    found = diagnose(Schedule(3_600, 600), regular(3_600, 50), [], NOON)
    assert (found.start, found.pings, found.bounded) == (NOON - PERIOD, 721, False)


def test_only_the_newest_pings_are_looked_at_and_that_is_said() -> None:
    arrivals = regular(60, 20)
    found = diagnose(Schedule(60, 30), arrivals, [], NOON)
    assert (found.pings, found.bounded, found.start) == (LIMIT, True, arrivals[-LIMIT])


def test_very_many_absences_shorten_what_is_looked_at() -> None:
    arrivals = regular(60, 5)
    stalls = [Gap(at + 40 * SECOND, at + 20 * SECOND, at + 40 * SECOND, "stall") for at in arrivals[::10]]
    found = diagnose(Schedule(60, 30), arrivals, stalls, NOON)
    assert found.bounded and 0 < found.pings < len(arrivals)
    assert found.lengths is not None and 295 < found.lengths.left_out <= 300


def test_times_in_which_nobody_judged_are_no_fault_of_the_settings() -> None:
    away = Gap(NOON - DAY + 3_590 * SECOND, NOON - DAY + 10 * SECOND, NOON - DAY + 3_590 * SECOND, "restart")
    paused = Pause(NOON - 2 * DAY + 10 * SECOND, NOON - 2 * DAY + 7_190 * SECOND)
    arrivals = [at for at in regular(300, 5) if not away.start < at < away.end and not paused.start < at < paused.end]
    found = diagnose(Schedule(300, 15), arrivals, [paused, away], NOON)
    assert found.present is not None and found.present.alarms == 0
    assert found.lengths is not None and (found.lengths.left_out, found.lengths.longest) == (2, 300)
    assert [one.code for one in found.findings] == ["fits"]
    blamed = diagnose(Schedule(300, 15), arrivals, [], NOON)
    assert blamed.present is not None and (blamed.present.alarms, blamed.present.missing) == (2, 2)


def test_for_a_schedule_of_slots_it_knows_how_far_pings_are_from_them() -> None:
    found = diagnose(Schedule(grace=600, cron="0 2 * * *"), daily(["02:03"], 20), [], NOON)
    assert len(found.offsets) == 20
    assert all(180 <= offset.seconds <= 300 for offset in found.offsets)


SCHEDULES = st.one_of(
    st.builds(Schedule, interval=st.sampled_from((1, 60, 300, 3_600, 86_400)), grace=st.sampled_from((0, 10, 60, 3_600, 10**6))),
    st.builds(
        Schedule,
        cron=st.sampled_from(("0 2 * * *", "*/15 * * * *", "0 8-17 * * 1-5", "0 0 1 1 *", "30 2 * * *; 0 14 * * 0", "0 2", "61 * * * *")),
        timezone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu", "Mars/Olympus")),
        grace=st.sampled_from((0, 10, 60, 3_600, 10**6)),
    ),
)
BURSTS = st.lists(st.tuples(st.sampled_from((1, 60, 300, 3_600, 86_400, 90_000)), st.integers(1, 30), st.integers(0, 90)), max_size=4)


@st.composite
def pasts(draw: st.DrawFn) -> list[Ns]:
    """Some loops one after the other, each with a jitter of its own."""
    at, found = NOON - PERIOD + SECOND, []
    for every, count, jitter in draw(BURSTS):
        for number in range(count):
            at += (every + (number * 37 % (jitter + 1))) * SECOND + draw(st.integers(0, 1))
            found.append(at)
    return [at for at in found if at < NOON]


@settings(deadline=None, max_examples=150)
@given(schedule=SCHEDULES, arrivals=pasts())
def test_whatever_came_something_is_said_and_all_counts_are_true(schedule: Schedule, arrivals: list[Ns]) -> None:
    found = diagnose(schedule, arrivals, [], NOON)
    assert found.findings and all(one.sentence.endswith((".", "?")) for one in found.findings)
    assert found.pings == len(arrivals)
    assert found.seconds == sorted((after - before) / SECOND for before, after in pairwise(arrivals))
    for trial in [found.present, found.suggestion, *found.graces]:
        if trial is not None:
            assert trial.alarms == alarms(trial.schedule, arrivals, NOON)
            assert 0 <= trial.missing <= trial.alarms
    if found.suggestion is not None:
        assert found.change


@pytest.mark.parametrize(
    ("schedule", "arrivals"),
    [
        (Schedule(60, 30), regular(60, 7, 5)),
        (Schedule(60, 30), regular(60, 7, 1, late=0.02, by=40)),
        (Schedule(86_400, 3_600), regular(60, 7, 5)),
        (Schedule(grace=30, cron="* * * * *"), regular(60, 7, 5)),
        (Schedule(grace=300, cron="0 2 * * *", timezone="Europe/Berlin"), regular(60, 7, 5)),
    ],
)
def test_ten_thousand_pings_are_a_matter_of_milliseconds(schedule: Schedule, arrivals: list[Ns]) -> None:
    diagnose(schedule, arrivals[:20], [], NOON)
    began = time.process_time()
    assert diagnose(schedule, arrivals, [], NOON).pings > 9_900
    assert time.process_time() - began < 0.5  # 20 to 90 ms on a quiet machine; what grew with the square would take minutes
