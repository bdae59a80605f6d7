"""The state machine of a monitor: what each event makes of its `Beat`. Pure functions of (state, schedule, event).

| from               | event                        | to         |
|--------------------|------------------------------|------------|
| any but paused     | ping                         | up         |
| up, unverified     | deadline passed              | down       |
| up, unverified     | our gap met its window       | same, later; unverified where the next ping is far away |
| any                | pause                        | paused     |
| paused             | resume                       | new or up  |
"""

from __future__ import annotations

from msgspec.structs import replace

from rules import schedule as schedules
from store.model import SECOND, Beat, Gap, Ns, Schedule, ShownStatus

_AFTER_A_STALL: Ns = 1 * SECOND


def pinged(beat: Beat, schedule: Schedule, at: Ns) -> Beat:
    """The job reported success at `at`. A paused monitor takes no notice, and an older ping than the last says nothing new."""
    if beat.status == "paused" or (beat.last_ping_at is not None and at <= beat.last_ping_at):
        return beat
    return _waiting(replace(beat, status="up", last_ping_at=at, down_since=None), schedule, schedules.expected_after(schedule, at))


def missed(beat: Beat) -> Beat:
    """Its deadline passed: down since then, whenever that is found out."""
    return replace(beat, status="down", down_since=beat.deadline, deadline=None)


def after_gap(beat: Beat, schedule: Schedule, gap: Gap) -> Beat:
    """We were not listening while its ping was expected: it gets another chance (design: "Gaps").

    After a mere stall the pings that waited for us come in a moment, so a deadline within it only waits for them.
    """
    if beat.deadline is None or beat.expected_at is None:
        return beat
    if gap.reason == "stall":
        held = gap.end + _AFTER_A_STALL
        return replace(beat, deadline=held) if gap.start <= beat.deadline < held else beat
    again = schedules.rearmed(schedule, beat.expected_at, gap.start, gap.end)
    if again is None:
        return beat
    return _waiting(replace(beat, status="unverified" if again.unverified else beat.status), schedule, again.expected_at)


def paused(beat: Beat) -> Beat:
    return replace(beat, status="paused", deadline=None, down_since=None)


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
    if beat.deadline is None or beat.expected_at is None or beat.last_ping_at is None:
        return beat
    if replace(old, grace=new.grace) == new:
        return replace(beat, deadline=max(schedules.deadline(new, beat.expected_at), now + new.grace * SECOND))
    expected = schedules.expected_after(new, beat.last_ping_at)
    granted = beat.expected_at != schedules.expected_after(old, beat.last_ping_at)
    return _waiting(beat, new, schedules.expected_after(new, now) if granted or expected <= now else expected)


def shown(beat: Beat, now: Ns) -> ShownStatus:
    """The status people see: "late" is an up monitor whose ping is expected and not here, still within its grace."""
    if beat.status == "up" and beat.expected_at is not None and beat.expected_at < now:
        return "late"
    return beat.status


def _waiting(beat: Beat, schedule: Schedule, expected_at: Ns) -> Beat:
    return replace(beat, expected_at=expected_at, deadline=schedules.deadline(schedule, expected_at))
