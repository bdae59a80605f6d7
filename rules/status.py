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

_AFTER_A_STALL: Ns = 1 * SECOND


def succeeded(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported success at `at`. A paused monitor takes no notice, and an older ping than the last says nothing new.

    A success that is merely said again does not end an outage that began after it was said first.
    """
    if _deaf(beat, at):
        return beat
    said_at = runs.repeats(beat.runs, rid, "success", at)
    beat = _ended(beat, rid, "success", at)
    if beat.status == "down" and said_at is not None and beat.down_since is not None and beat.down_since > said_at:
        return beat
    return _waiting(replace(beat, status="up", down_since=None), schedule, schedules.expected_after(schedule, at), at)


def failed(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """The job reported failure at `at`: down at once. A failure that is merely said again takes back no success that came after it."""
    if _deaf(beat, at):
        return beat
    said_at = runs.repeats(beat.runs, rid, "fail", at)
    before, beat = beat, _ended(beat, rid, "fail", at)
    if before.status != "down" and said_at is not None and before.last_ping_at is not None and before.last_ping_at > said_at:
        return beat
    expected = schedules.expected_after(schedule, at)
    since = before.down_since if before.status == "down" else at
    return replace(beat, status="down", down_since=since, expected_at=expected, deadline=None, run_due=None)


def started(beat: Beat, schedule: Schedule, at: Ns, rid: str | None = None) -> Beat:
    """A run began at `at`. That is no sign of success, so it moves nothing but the runs."""
    if beat.status == "paused":
        return beat
    return _timed(replace(beat, runs=runs.began(beat.runs, rid, at, schedule.max_run)), at)


def due(beat: Beat) -> Ns | None:
    """When the monitor is declared down if nothing comes before: a ping is missed, or a run takes too long."""
    return min((instant for instant in (beat.deadline, beat.run_due) if instant is not None), default=None)


def missed(beat: Beat) -> Beat:
    """Its deadline, or that of a run, passed: down since then, whenever that is found out."""
    return replace(beat, status="down", down_since=due(beat), deadline=None, run_due=None)


def after_gap(beat: Beat, schedule: Schedule, gap: Gap) -> Beat:
    """We were not listening while its ping was expected: it gets another chance (design: "Gaps").

    After a mere stall the pings that waited for us come in a moment, so a deadline within it only waits for them.
    """
    if gap.reason == "stall":
        return replace(beat, deadline=_held(beat.deadline, gap), run_due=_held(beat.run_due, gap))
    if beat.run_due is not None:
        beat = _timed(replace(beat, runs=runs.after_gap(beat.runs, gap)), gap.end)
    if beat.deadline is None or beat.expected_at is None:
        return beat
    again = schedules.rearmed(schedule, beat.expected_at, gap.start, gap.end)
    if again is None:
        return beat
    return _waiting(replace(beat, status="unverified" if again.unverified else beat.status), schedule, again.expected_at, gap.end)


def paused(beat: Beat) -> Beat:
    return replace(beat, status="paused", deadline=None, down_since=None, run_due=None, runs=())


def resumed(beat: Beat, schedule: Schedule, now: Ns) -> Beat:
    """Watch again: a monitor that was ever pinged gets one whole period from now, another waits for its first ping."""
    if beat.status != "paused":
        return beat
    if beat.last_ping_at is None:
        return replace(beat, status="new")
    return _waiting(replace(beat, status="up"), schedule, schedules.expected_after(schedule, now), now)


def rescheduled(beat: Beat, old: Schedule, new: Schedule, now: Ns) -> Beat:
    """The schedule was edited: counted anew from the last ping.

    An edit by itself makes nobody late and takes back nothing that a gap of ours granted: where it would, a new period begins now.
    """
    if old.max_run != new.max_run:
        beat = _timed(replace(beat, runs=runs.limited(beat.runs, new.max_run, now)), now)
    if beat.deadline is None or beat.expected_at is None or beat.last_ping_at is None:
        return beat
    if replace(old, grace=new.grace, max_run=new.max_run) == new:
        return replace(beat, deadline=max(schedules.deadline(new, beat.expected_at), now + new.grace * SECOND))
    expected = schedules.expected_after(new, beat.last_ping_at)
    granted = beat.expected_at != schedules.expected_after(old, beat.last_ping_at)
    return _waiting(beat, new, schedules.expected_after(new, now) if granted or expected <= now else expected, now)


def shown(beat: Beat, now: Ns) -> ShownStatus:
    """The status people see: "late" is an up monitor whose ping is expected and not here, still within its grace."""
    if beat.status == "up" and beat.expected_at is not None and beat.expected_at < now:
        return "late"
    return beat.status


def _deaf(beat: Beat, at: Ns) -> bool:
    return beat.status == "paused" or (beat.last_ping_at is not None and at <= beat.last_ping_at)


def _ended(beat: Beat, rid: str | None, end: runs.End, at: Ns) -> Beat:
    going_on, _ = runs.ended(beat.runs, rid, end, at)
    return _timed(replace(beat, last_ping_at=at, runs=going_on), at)


def _timed(beat: Beat, at: Ns) -> Beat:
    return replace(beat, run_due=None if beat.status == "down" else runs.due(beat.runs, at))


def _waiting(beat: Beat, schedule: Schedule, expected_at: Ns, at: Ns) -> Beat:
    return _timed(replace(beat, expected_at=expected_at, deadline=schedules.deadline(schedule, expected_at)), at)


def _held(instant: Ns | None, gap: Gap) -> Ns | None:
    """A deadline within a stall waits a moment for the pings that waited meanwhile."""
    held = gap.end + _AFTER_A_STALL
    return held if instant is not None and gap.start <= instant < held else instant
