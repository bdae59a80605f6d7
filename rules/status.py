"""The state machine of a monitor: what each event makes of its `Beat`. Pure functions of (state, schedule, event).

| from               | event                                   | to                                                     | reason      |
|--------------------|-----------------------------------------|--------------------------------------------------------|-------------|
| any but paused     | success                                 | up                                                     |             |
| any but paused     | success of a run shorter than `min_run` | down                                                   | underran    |
| any but paused     | failure                                 | down                                                   | failed      |
| any                | start                                   | same; of the run that is expected: no longer waited for |            |
| any                | log                                     | same                                                   |             |
| up, unverified     | expected + `start_by` passed: no start  | down                                                   | not_started |
| up, unverified     | expected + `grace` passed: no success   | down                                                   | missed      |
| new, up, unverified | a run takes longer than `max_run`      | down                                                   | overran     |
| up, unverified     | our gap met its window                  | same, later; unverified where the next ping is far away |            |
| any                | pause                                   | paused                                                 |             |
| paused             | resume                                  | new or up                                              |             |

So a run has four limits, each of its own: its start in time, a shortest and a longest time from its start to its end, and the grace, within
which its success must come whatever else is said of it.

A schedule that cannot be computed (its zone has gone with an upgrade) is the trouble of its monitor alone: `health` says so, and what is
expected is computed anew after an hour, or at the next ping. Until then nobody can say that a ping is missing; failures and runs are
judged all the same.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Literal

from msgspec.structs import replace

from rules import absence, runs
from rules import schedule as schedules
from store.model import SECOND, Beat, Gap, Ns, Schedule, ShownStatus

_TURNS: Final = 4  # of a monitor that is down, in which its next word is looked for


def succeeded(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported success at `at`. A paused monitor takes no notice, and an older ping than the last says nothing new.

    A run that was too short to have done its work has failed. A success that is merely said again does not hide a failure that was
    reported after it was said first, and is not judged a second time where it was too short.
    """
    if _deaf(beat, at):
        return beat
    going_on = _after_end(beat, rid, "success", at)
    too_short = schedule.min_run is not None and beat.runs and runs.too_short(beat.runs, rid, at, schedule.min_run)
    if _hides_a_failure(beat, rid, at) or (too_short and runs.repeats(beat.runs, rid, "success", at) is not None):
        return replace(beat, last_ping_at=at, runs=going_on)
    if too_short:
        return _fallen(beat, schedule, at, going_on)
    up = replace(beat, status="up", last_ping_at=at, down_since=None, runs=going_on, run_due=_run_due(going_on, at))
    return _expecting(up, schedule, at)


def failed(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported failure at `at`: down at once. A failure that is merely said again takes back no success that came after it."""
    if _deaf(beat, at):
        return beat
    going_on = _after_end(beat, rid, "fail", at)
    if beat.status != "down" and _is_overtaken(beat, rid, at):
        return replace(beat, last_ping_at=at, runs=going_on)
    return _fallen(beat, schedule, at, going_on)


def started(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """A run began at `at`. That is no sign of success: its start is not waited for any more, its success is."""
    if beat.status == "paused":
        return beat
    beat = _timed(replace(beat, runs=runs.began(beat.runs, rid, at, schedule.max_run)))
    if waits_for_start(beat, schedule) and runs.begins(beat.runs, at) and _is_expected(beat, schedule, at):
        return _begun(beat, schedule)
    return beat


def due(beat: Beat) -> Ns | None:
    """When the monitor is declared down if nothing comes before: a ping is missed, or a run takes too long."""
    if beat.deadline is None or beat.run_due is None:
        return beat.run_due if beat.deadline is None else beat.deadline
    return min(beat.deadline, beat.run_due)


def cause(beat: Beat, schedule: Schedule) -> Literal["missed", "not_started", "overran"]:
    """What happens when the monitor is `due`."""
    if due(beat) == beat.run_due:
        return "overran"
    return "not_started" if waits_for_start(beat, schedule) else "missed"


def waits_for_start(beat: Beat, schedule: Schedule) -> bool:
    """Whether the monitor is down before its grace is over unless the run that is expected begins."""
    if schedule.start_by is None or beat.deadline is None or beat.expected_at is None or beat.health is not None:
        return False
    return beat.deadline - beat.held < schedules.deadline(schedule, beat.expected_at)


def missed(beat: Beat, schedule: Schedule) -> Beat:
    """Its deadline, or that of a run, passed: down since then, whenever that is found out.

    Where its schedule could not be computed nothing was missed: that is tried again.
    """
    since = due(beat)
    if beat.health is not None and since is not None and since != beat.run_due:
        return _expecting(beat, schedule, since)
    told = runs.let_go(beat.runs, since) if since is not None and since == beat.run_due else beat.runs
    return replace(beat, status="down", down_since=since, deadline=None, runs=told, run_due=None)


def after_gap(beat: Beat, schedule: Schedule, gap: Gap) -> Beat:
    """We were not listening while its ping was expected: it gets another chance (design: "Gaps").

    After a mere stall the pings that waited for us come in a moment, so a deadline within it only waits for them. When the clock was put
    forward no time has passed: intervals and runs are as long as they were, slots are where they are.
    """
    if beat.runs:
        beat = _timed(replace(beat, runs=runs.after_gap(beat.runs, gap)))
    if beat.deadline is None or beat.expected_at is None:
        return beat
    if gap.reason == "stall":
        more = absence.hold(beat.deadline, gap, beat.held)
        return replace(beat, deadline=beat.deadline + more, held=beat.held + more)
    if beat.health is not None:
        return _tried_again(beat, gap, beat.deadline)
    if absence.is_brief_step(gap):
        expected, due = absence.set_forward(schedule, beat.expected_at, beat.deadline, gap)
        return replace(beat, expected_at=expected, deadline=due)
    try:
        return _after_absence(beat, schedule, gap, beat.expected_at, beat.deadline)
    except ValueError as error:
        return _put_off(beat, gap.end, str(error))


def may_have_pinged(beat: Beat, schedule: Schedule, gap: Gap) -> bool:
    """Whether a ping that is waited for may have come in the gap, and so what it carried."""
    if beat.deadline is None or beat.expected_at is None or gap.reason == "stall" or absence.is_brief_step(gap):
        return False
    with suppress(ValueError):
        again = absence.rearmed(schedule, beat.expected_at, gap, due=beat.deadline, last_ping_at=beat.last_ping_at)
        return again is not None or beat.health is not None
    return True


def next_chance(beat: Beat, schedule: Schedule, gap: Gap) -> Ns | None:
    """Of a monitor that is down: until when its next ping may come, where the gap may have swallowed one; else None.

    Nothing is waited for from it, so nobody would tell if none came any more: for some turns after its last word, not for ever.
    """
    if beat.status != "down" or beat.expected_at is None or gap.reason == "stall" or absence.is_brief_step(gap):
        return None
    expected = beat.expected_at
    with suppress(ValueError):
        for _ in range(_TURNS):
            due = schedules.deadline(schedule, expected)
            if gap.start <= due:
                again = absence.rearmed(schedule, expected, gap, due=due, last_ping_at=beat.last_ping_at)
                return None if again is None else schedules.deadline(schedule, again.expected_at)
            expected = schedules.expected_after(schedule, expected)
    return None


def _after_absence(beat: Beat, schedule: Schedule, gap: Gap, expected: Ns, due: Ns) -> Beat:
    """What is expected after a gap in which nothing could be received."""
    again = absence.rearmed(schedule, expected, gap, due=due, last_ping_at=beat.last_ping_at)
    if again is None and gap.reason == "clock" and schedule.cron is None and gap.end <= due:
        step = gap.end - gap.start  # which an interval has not had
        later = replace(beat, expected_at=expected + step, deadline=due + step)
        return _begun(later, schedule) if waits_for_start(beat, schedule) else later
    if again is None:
        missed_its_start = waits_for_start(beat, schedule) and schedules.starts_from(schedule, expected) <= gap.end and gap.start <= due
        return _begun(beat, schedule) if missed_its_start else beat
    listened = absence.listened(schedule, expected, due, gap, beat.listened, beat.last_ping_at)
    if listened is None:
        return beat
    beat = replace(beat, status="unverified" if again.unverified else beat.status, listened=listened)
    # A run may be going on whose start or end we did not hear. While it may take its time, no other has to begin.
    return _waiting(beat, schedule, again.expected_at, begun=absence.outlasts(schedule, again.expected_at))


def _tried_again(beat: Beat, gap: Gap, at: Ns) -> Beat:
    """Where its schedule can be computed again by then: what is expected is counted from when we listened again."""
    return replace(beat, expected_at=gap.end, deadline=gap.end) if at < gap.end else beat


def paused(beat: Beat) -> Beat:
    return replace(beat, status="paused", deadline=None, down_since=None, run_due=None, listened=0, held=0, health=None, runs=())


def resumed(beat: Beat, schedule: Schedule, now: Ns) -> Beat:
    """Watch again: a monitor that was ever pinged gets one whole period from now, another waits for its first ping."""
    if beat.status != "paused":
        return beat
    if beat.last_ping_at is None:
        return replace(beat, status="new")
    return _expecting(replace(beat, status="up"), schedule, now)


def rescheduled(beat: Beat, old: Schedule, new: Schedule, now: Ns) -> Beat:
    """The schedule was edited: counted anew from the last ping.

    An edit by itself makes nobody late and takes back nothing that a gap of ours granted: where it would, a new period begins now.
    """
    if old.max_run != new.max_run:
        beat = _timed(replace(beat, runs=runs.limited(beat.runs, new.max_run, now)))
    expected, pinged = beat.expected_at, beat.last_ping_at
    if expected is None or pinged is None:
        return replace(beat, health=None)
    if beat.deadline is None:  # nothing is waited for, but of one that is down people see when a ping should have come
        with suppress(ValueError):
            expected = schedules.expected_after(new, pinged)
        return replace(beat, health=None, expected_at=expected)
    try:
        return _counted_anew(beat, old, new, now, expected, pinged)
    except ValueError:  # one of them cannot be computed, so what was waited for until now cannot be told
        return _expecting(beat, new, now)


def _counted_anew(beat: Beat, old: Schedule, new: Schedule, now: Ns, expected: Ns, pinged: Ns) -> Beat:
    if beat.health is not None:
        return _expecting(beat, new, now)
    if schedules.same_rhythm(old, new):
        return _tolerating(beat, old, new, now, expected)
    granted = expected != schedules.expected_after(old, pinged)
    expected = schedules.expected_after(new, pinged)
    expected = schedules.expected_after(new, now) if granted or expected <= now else expected
    return _waiting(replace(beat, listened=0), new, expected, begun=_counts_as_begun(beat, old, new, expected))


def _tolerating(beat: Beat, old: Schedule, new: Schedule, now: Ns, expected: Ns) -> Beat:
    """The same times are expected, with another grace, or another time for a run to begin in."""
    begun = _counts_as_begun(beat, old, new, expected)
    if begun and old.grace == new.grace:
        return _begun(beat, new) if waits_for_start(beat, old) else beat
    late = new.grace if begun else schedules.tolerance(new)
    if not begun and waits_for_start(beat, old) and late == schedules.tolerance(old):
        return beat
    return replace(beat, deadline=max(expected, now) + late * SECOND, held=0)


def shown(beat: Beat, now: Ns) -> ShownStatus:
    """The status people see: "late" is an up monitor whose ping is expected and not here, still within its grace."""
    if beat.status == "up" and beat.health is None and beat.expected_at is not None and beat.expected_at < now:
        return "late"
    return beat.status


def expected_at(beat: Beat) -> Ns | None:
    """When people are told that the next ping is expected; None while none is, and where nobody can tell."""
    return None if beat.status in ("paused", "new") or beat.health is not None else beat.expected_at


def _deaf(beat: Beat, at: Ns) -> bool:
    return beat.status == "paused" or (beat.last_ping_at is not None and at <= beat.last_ping_at)


def _after_end(beat: Beat, rid: str | None, end: runs.End, at: Ns) -> runs.Runs:
    # Most jobs report no starts and name no runs.
    return runs.ended(beat.runs, rid, end, at) if beat.runs or rid is not None else beat.runs


def _hides_a_failure(beat: Beat, rid: str | None, at: Ns) -> bool:
    """Whether a success is one said before, and a failure of this outage came after that."""
    if beat.status != "down" or beat.down_since is None or beat.last_ping_at is None:
        return False
    said_at = runs.repeats(beat.runs, rid, "success", at)
    # The last ping is a failure of this outage where it came since its beginning; a missed deadline lies behind the last ping.
    return said_at is not None and said_at < beat.down_since <= beat.last_ping_at


def _is_overtaken(beat: Beat, rid: str | None, at: Ns) -> bool:
    """Whether a failure is one said before, and a success came after that."""
    said_at = runs.repeats(beat.runs, rid, "fail", at)
    return said_at is not None and beat.last_ping_at is not None and said_at < beat.last_ping_at


def _run_due(going_on: runs.Runs, not_before: Ns) -> Ns | None:
    """When the monitor goes down for a run; one that became over-long during another outage makes it so right after that."""
    run = runs.next_due(going_on) if going_on else None
    return None if run is None or run.due_at is None else max(run.due_at, not_before)


def _timed(beat: Beat) -> Beat:
    return replace(beat, run_due=None if beat.status in ("down", "paused") else _run_due(beat.runs, beat.last_ping_at or 0))


def _fallen(beat: Beat, schedule: Schedule, at: Ns, going_on: runs.Runs) -> Beat:
    """The job itself told at `at` that something is wrong."""
    since = beat.down_since if beat.status == "down" else at
    down = replace(beat, status="down", last_ping_at=at, down_since=since, runs=going_on, run_due=None)
    return replace(_expecting(down, schedule, at), deadline=None)


def _expecting(beat: Beat, schedule: Schedule, after: Ns) -> Beat:
    """What is waited for after a ping at `after`, or after another moment from which on is counted."""
    beat = replace(beat, listened=0)
    try:
        expected = schedules.expected_after(schedule, after)
    except ValueError as error:
        return _put_off(beat, after, str(error))
    return _waiting(replace(beat, health=None), schedule, expected)


def _put_off(beat: Beat, at: Ns, sentence: str) -> Beat:
    """At `at` it turned out that the schedule cannot be computed."""
    again = at + schedules.HOUR
    return replace(beat, expected_at=again, deadline=again, held=0, health=sentence)


def _waiting(beat: Beat, schedule: Schedule, expected: Ns, *, begun: bool = False) -> Beat:
    due = schedules.deadline if begun else schedules.start_deadline
    return replace(beat, expected_at=expected, deadline=due(schedule, expected), held=0)


def _begun(beat: Beat, schedule: Schedule) -> Beat:
    """The run that is expected has begun, or may have: only its success is waited for."""
    assert beat.expected_at is not None
    return _waiting(beat, schedule, beat.expected_at, begun=True)


def _is_expected(beat: Beat, schedule: Schedule, at: Ns) -> bool:
    """Whether a run that begins at `at` is the one that is waited for."""
    assert beat.expected_at is not None
    try:
        return at >= schedules.starts_from(schedule, beat.expected_at)
    except ValueError:
        return True  # nobody can tell, and then nobody is late


def _counts_as_begun(beat: Beat, old: Schedule, new: Schedule, expected: Ns) -> bool:
    """Whether after an edit the start of the run that is expected at `expected` is not waited for, since it has come, or may have."""
    if new.start_by is None or (old.start_by is not None and not waits_for_start(beat, old)):
        return True
    if new.cron is None and (old.cron is not None or old.start_by is None):
        return True  # a run may have begun at any time since the last ping, and nobody took notice
    starts = schedules.starts_from(new, expected)
    return any(run.started_at >= starts for run in beat.runs)
