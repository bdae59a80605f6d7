from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules import status
from rules.schedule import deadline, expected_after
from store.model import SECOND, Beat, Gap, Ns, Schedule

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
    assert status.rescheduled(beat, TEN, Schedule(interval=99), _at(6)) == beat


_schedules = st.builds(Schedule, interval=st.integers(1, 100), grace=st.integers(0, 100), cron=st.sampled_from([None, "* * * * *"]))


@given(old=_schedules, new=_schedules, now=st.floats(0, 200))
def test_an_edit_by_itself_never_makes_a_monitor_late_or_down(old: Schedule, new: Schedule, now: float) -> None:
    assume(old != new)
    before = status.succeeded(Beat(), old, PING)
    after = status.rescheduled(before, old, new, _at(now))
    assert after.deadline is not None
    assert after.deadline >= _at(now) + new.grace * SECOND
    assert status.shown(after, _at(now)) in ("up", status.shown(before, _at(now)))
    ordinary = expected_after(new, PING)
    if min(ordinary, expected_after(old, PING)) > _at(now):
        assert (after.expected_at, after.deadline) == (ordinary, deadline(new, ordinary))
