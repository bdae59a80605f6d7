"""What a schedule would have said of the past is what the rules do say, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rules import status
from rules.doctor.hindsight import Absence, Alarm, Hindsight, Outcome, Pause
from store.instant import from_iso
from store.model import SECOND, Beat, Gap, Ns, Schedule

START: Ns = from_iso("2026-11-02")
MINUTE: Ns = 60 * SECOND
DAY: Ns = 86_400 * SECOND


def gap(start: Ns, end: Ns, reason: Any = "restart") -> Gap:
    return Gap(end, start, end, reason)


def step_by_step(schedule: Schedule, arrivals: Sequence[Ns], absences: Sequence[Absence], now: Ns) -> list[tuple[Ns, Ns | None]]:
    """The deadlines that were missed, and what ended each: the state machine over everything that happened, in its order."""
    happened: list[tuple[Ns, str, Any]] = [(at, "ping", None) for at in arrivals]
    for absence in absences:
        if isinstance(absence, Gap):
            happened.append((absence.at, "gap", absence))
        else:
            happened += [(absence.start, "pause", None), (absence.end, "resume", None)]
    beat, missed = Beat(), []
    for at, what, about in [*sorted(happened, key=lambda one: one[0]), (now, "now", None)]:
        due = status.due(beat)
        if due is not None and due < (about.start if what == "gap" else at):
            missed.append(due)
            beat = status.missed(beat, schedule)
        if what == "ping":
            beat = status.succeeded(beat, schedule, at)
        elif what == "gap":
            beat = status.after_gap(beat, schedule, about)
        elif what == "pause":
            beat = status.paused(beat)
        elif what == "resume":
            beat = status.resumed(beat, schedule, at)
    return [(due, next((at for at in arrivals if at > due), None)) for due in missed]


SCHEDULES = st.one_of(
    st.builds(Schedule, interval=st.sampled_from((1, 60, 90, 3_600, 86_400)), grace=st.integers(0, 7_200)),
    st.builds(
        Schedule,
        cron=st.sampled_from(("0 2 * * *", "*/5 * * * *", "0 */6 * * 1-5", "30 2 * * *; 0 14 1 * *")),
        timezone=st.sampled_from(("UTC", "Europe/Berlin")),
        grace=st.integers(0, 7_200),
    ),
)
WAITS = st.lists(st.one_of(st.integers(1, 400), st.integers(1, 5 * 86_400)), min_size=1, max_size=25)


@st.composite
def pasts(draw: st.DrawFn) -> tuple[list[Ns], list[Absence], Ns]:
    """Pings, whiles in which nobody judged (one after the other, all after the first ping), and the present."""
    at, arrivals = from_iso("2026-10-20"), []
    for wait in draw(WAITS):
        at += wait * SECOND
        arrivals.append(at)
    now = at + draw(st.integers(3, 3 * 86_400)) * SECOND
    cuts = sorted(draw(st.sets(st.integers(arrivals[0] // SECOND + 1, now // SECOND - 1), max_size=8)))
    absences: list[Absence] = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        kind = draw(st.sampled_from(("restart", "suspend", "stall", "pause")))
        # Not at the instant of a ping: each has its own stamp.
        begun, ended = start * SECOND + 1, end * SECOND + 1
        absences.append(Pause(begun, ended) if kind == "pause" else gap(begun, ended, kind))
    kept = [at for at in arrivals if not any(isinstance(one, Gap) and one.start < at < one.end for one in absences)]
    return kept, absences, now


@settings(deadline=None, max_examples=300)
@given(schedule=SCHEDULES, past=pasts())
def test_alarms_are_those_of_the_state_machine(schedule: Schedule, past: tuple[list[Ns], list[Absence], Ns]) -> None:
    arrivals, absences, now = past
    found = Hindsight(arrivals, absences, now).alarms(schedule)
    assert [(alarm.due, alarm.came) for alarm in found] == step_by_step(schedule, arrivals, absences, now)


def test_every_pause_between_two_pings_beyond_interval_and_grace_is_an_alarm() -> None:
    arrivals = [START + at * SECOND for at in (0, 60, 150, 241, 300, 480)]
    past = Hindsight(arrivals, [], arrivals[-1] + 91 * SECOND)
    assert past.alarms(Schedule(60, 30)) == [
        Alarm(arrivals[2] + 90 * SECOND, arrivals[3], False),
        Alarm(arrivals[4] + 90 * SECOND, arrivals[5], True),  # 180 s are three turns
        Alarm(arrivals[5] + 90 * SECOND, None, False),
    ]
    assert past.outcome(Schedule(60, 30)) == Outcome(3, 1)
    assert [past.outcome(Schedule(60, grace)).alarms for grace in (29, 31, 120)] == [4, 1, 0]


def test_a_ping_at_its_deadline_is_in_time() -> None:
    assert Hindsight([START, START + 90 * SECOND], [], START + 91 * SECOND).outcome(Schedule(60, 30)).alarms == 0
    assert Hindsight([START, START + 90 * SECOND + 1], [], START + 91 * SECOND).outcome(Schedule(60, 30)).alarms == 1


def test_of_a_cron_job_a_ping_is_missing_when_the_next_slot_has_its_own() -> None:
    daily = Schedule(grace=1_800, cron="0 2 * * *")
    two = START + 2 * 3_600 * SECOND
    arrivals = [two, two + DAY + 40 * MINUTE, two + 2 * DAY, two + 4 * DAY - 4 * MINUTE]
    alarms = Hindsight(arrivals, [], arrivals[-1] + MINUTE).alarms(daily)
    assert [(alarm.due, alarm.missing) for alarm in alarms] == [(two + DAY + 30 * MINUTE, False), (two + 3 * DAY + 30 * MINUTE, True)]


def test_what_a_job_starts_and_how_long_it_runs_is_not_asked() -> None:
    arrivals = [START + n * MINUTE for n in range(10)]
    past = Hindsight(arrivals, [], arrivals[-1])
    strict = Schedule(60, 30, max_run=1, min_run=10, start_by=0)
    assert past.outcome(strict) == Outcome(0, 0)


def test_times_that_we_were_away_in_are_left_out_of_the_lengths() -> None:
    arrivals = [START + at * SECOND for at in (0, 60, 120, 500, 560)]
    past = Hindsight(arrivals, [gap(START + 130 * SECOND, START + 450 * SECOND)], START + 570 * SECOND)
    assert [length // SECOND for length in past.lengths()] == [60, 60, 60]
    assert (past.left_out, past.latenesses(Schedule(60))) == (1, [0, 0, 0])
    assert past.outcome(Schedule(60, 5)).alarms == 0  # one interval more from when we were there again


def test_a_monitor_that_was_paused_was_not_late() -> None:
    arrivals = [START + at * SECOND for at in (0, 60, 1_000, 1_060)]
    paused = Pause(START + 70 * SECOND, START + 990 * SECOND)
    past = Hindsight(arrivals, [paused], START + 1_061 * SECOND)
    assert past.outcome(Schedule(60, 5)) == Outcome(0, 0)
    assert Hindsight(arrivals, [], START + 1_061 * SECOND).outcome(Schedule(60, 5)) == Outcome(1, 1)
    late = Pause(START + 200 * SECOND, START + 990 * SECOND)
    assert Hindsight(arrivals, [late], START + 1_061 * SECOND).outcome(Schedule(60, 5)).alarms == 1


def test_nothing_to_look_back_at_is_no_alarm() -> None:
    for schedule in (Schedule(), Schedule(cron="0 2 * * *")):
        past = Hindsight([], [], START)
        assert (past.alarms(schedule), past.lengths(), past.left_out, past.latenesses(schedule)) == ([], [], 0, [])


def test_a_schedule_that_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Hindsight([START], [], START + DAY).alarms(replace(Schedule(cron="0 2 * * *"), timezone="Mars/Olympus"))
