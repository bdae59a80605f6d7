"""The state machine of a monitor: what each event makes of its `Beat`. Pure functions of (state, schedule, event).

| from               | event                        | to         |
|--------------------|------------------------------|------------|
| any but paused     | success                      | up         |
| any but paused     | failure                      | down       |
| any                | start, log                   | same       |
| up, unverified     | deadline passed              | down       |
| new, up, unverified | a run takes too long        | down       |
| up, unverified     | our gap met its window       | same, later; unverified where the next ping is far away |
| any                | pause                        | paused     |
| paused             | resume                       | new or up  |
"""

from __future__ import annotations

from msgspec.structs import replace

from rules import runs
from rules import schedule as schedules
from store.model import SECOND, Beat, Gap, Ns, Schedule, ShownStatus


def succeeded(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported success at `at`. A paused monitor takes no notice, and an older ping than the last says nothing new.

    A success that is merely said again does not hide a failure that was reported after it was said first.
    """
    if _deaf(beat, at):
        return beat
    going_on = _after_end(beat, rid, "success", at)
    if _hides_a_failure(beat, rid, at):
        return replace(beat, last_ping_at=at, runs=going_on)
    expected = schedules.expected_after(schedule, at)
    return replace(
        beat,
        status="up",
        last_ping_at=at,
        expected_at=expected,
        deadline=schedules.deadline(schedule, expected),
        down_since=None,
        runs=going_on,
        run_due=_run_due(going_on, at),
    )


def failed(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported failure at `at`: down at once. A failure that is merely said again takes back no success that came after it."""
    if _deaf(beat, at):
        return beat
    going_on = _after_end(beat, rid, "fail", at)
    if beat.status != "down" and _is_overtaken(beat, rid, at):
        return replace(beat, last_ping_at=at, runs=going_on)
    expected = schedules.expected_after(schedule, at)
    since = beat.down_since if beat.status == "down" else at
    return replace(beat, status="down", last_ping_at=at, expected_at=expected, deadline=None, down_since=since, runs=going_on, run_due=None)


def started(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """A run began at `at`. That is no sign of success, so it moves nothing but the runs."""
    if beat.status == "paused":
        return beat
    return _timed(replace(beat, runs=runs.began(beat.runs, rid, at, schedule.max_run)))


def due(beat: Beat) -> Ns | None:
    """When the monitor is declared down if nothing comes before: a ping is missed, or a run takes too long."""
    if beat.deadline is None or beat.run_due is None:
        return beat.run_due if beat.deadline is None else beat.deadline
    return min(beat.deadline, beat.run_due)


def missed(beat: Beat) -> Beat:
    """Its deadline, or that of a run, passed: down since then, whenever that is found out."""
    since = due(beat)
    told = runs.let_go(beat.runs, since) if since is not None and since == beat.run_due else beat.runs
    return replace(beat, status="down", down_since=since, deadline=None, runs=told, run_due=None)


def after_gap(beat: Beat, schedule: Schedule, gap: Gap) -> Beat:
    """We were not listening while its ping was expected: it gets another chance (design: "Gaps").

    After a mere stall the pings that waited for us come in a moment, so a deadline within it only waits for them.
    """
    if beat.runs:
        beat = _timed(replace(beat, runs=runs.after_gap(beat.runs, gap)))
    if beat.deadline is None or beat.expected_at is None:
        return beat
    if gap.reason == "stall":
        held = gap.end + runs.AFTER_A_STALL
        return replace(beat, deadline=held) if gap.start <= beat.deadline < held else beat
    again = schedules.rearmed(schedule, beat.expected_at, gap.start, gap.end)
    if again is None:
        return beat
    return _waiting(replace(beat, status="unverified" if again.unverified else beat.status), schedule, again.expected_at)


def paused(beat: Beat) -> Beat:
    return replace(beat, status="paused", deadline=None, down_since=None, run_due=None, runs=())


def resumed(beat: Beat, schedule: Schedule, now: Ns) -> Beat:
    """Watch again: a monitor that was ever pinged gets one whole period from now, another waits for its first ping."""
    if beat.status != "paused":
        return beat
    if beat.last_ping_at is None:
        return replace(beat, status="new")
    return _waiting(replace(beat, status="up"), schedule, schedules.expected_after(schedule, now))


def rescheduled(beat: Beat, old: Schedule, new: Schedule, now: Ns) -> Beat:
    """The schedule was edited: counted anew from the last ping.

    An edit by itself makes nobody late and takes back nothing that a gap of ours granted: where it would, a new period begins now.
    """
    if old.max_run != new.max_run:
        beat = _timed(replace(beat, runs=runs.limited(beat.runs, new.max_run, now)))
    if beat.deadline is None or beat.expected_at is None or beat.last_ping_at is None:
        return beat
    if replace(old, grace=new.grace, max_run=new.max_run) == new:
        return replace(beat, deadline=max(schedules.deadline(new, beat.expected_at), now + new.grace * SECOND))
    expected = schedules.expected_after(new, beat.last_ping_at)
    granted = beat.expected_at != schedules.expected_after(old, beat.last_ping_at)
    return _waiting(beat, new, schedules.expected_after(new, now) if granted or expected <= now else expected)


def shown(beat: Beat, now: Ns) -> ShownStatus:
    """The status people see: "late" is an up monitor whose ping is expected and not here, still within its grace."""
    if beat.status == "up" and beat.expected_at is not None and beat.expected_at < now:
        return "late"
    return beat.status


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
    return replace(beat, run_due=None if beat.status in ("down", "paused") else _run_due(beat.runs, 0))


def _waiting(beat: Beat, schedule: Schedule, expected_at: Ns) -> Beat:
    return replace(beat, expected_at=expected_at, deadline=schedules.deadline(schedule, expected_at))
