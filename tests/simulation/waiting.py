"""When a ping is expected, how early it may come, and until when a gap of ours puts it off. For the model; independent of `rules`."""

from __future__ import annotations

from typing import Final

from simulation.slots import Slots, Span, slots
from store.model import SECOND, Gap, Ns, Schedule

_EARLY_LIMIT: Final = 300 * SECOND
_HOUR: Final = 3_600 * SECOND
# Turns for which we listened in all; then gaps put nothing off any more, but those that leave nothing of its window.
PATIENCE: Final = 3.5


def slots_of(schedule: Schedule, span: Span) -> Slots:
    assert schedule.cron is not None
    return slots(schedule.cron, schedule.timezone, span)


def distance(schedule: Schedule, expected: Ns, span: Span) -> Ns:
    """How long after the time before it a ping is expected then."""
    if schedule.cron is None:
        return schedule.interval * SECOND
    found = slots_of(schedule, span)
    return found.distance[found.after(expected - 1)]


def expected_after(schedule: Schedule, instant: Ns, span: Span) -> Ns:
    """When the next ping is expected after one at `instant`; of a cron job that was a little early, it was that of the coming slot."""
    if schedule.cron is None:
        return instant + schedule.interval * SECOND
    found = slots_of(schedule, span)
    number = found.after(instant)
    if found.at[number] - instant <= _tolerated(schedule, found.distance[number]):
        number += 1
    return found.at[number]


def early(schedule: Schedule, expected: Ns, span: Span) -> Ns:
    """How long before its time a ping may come and still be that time's."""
    return _tolerated(schedule, distance(schedule, expected, span))


def opens(schedule: Schedule, expected: Ns, last: Ns | None, slowed: Ns, span: Span) -> Ns:
    """From when on the ping that is expected then may come: a little early; at any time, where an interval is not counted from a ping.

    `slowed`: until when our clock went slower than time does.
    """
    if not _keeps_a_known_time(schedule, expected, last):
        return expected - schedule.interval * SECOND
    return expected - early(schedule, expected, span) - _left_out(schedule, expected, last, slowed)


def put_off(schedule: Schedule, expected: Ns, last: Ns | None, gap: Gap, span: Span) -> tuple[bool, Ns]:
    """Whether the job soon has another turn, and the next one that we can hear: not one whose ping may have come in the gap, early."""
    if schedule.cron is not None:
        found = slots_of(schedule, span)
        return found.at[found.after(expected)] - expected <= _HOUR, expected_after(schedule, max(expected, gap.end), span)
    interval = schedule.interval * SECOND
    if interval <= _HOUR:
        return True, gap.end + interval
    if gap.reason == "clock" or gap.moved or not _keeps_a_known_time(schedule, expected, last):
        return False, gap.end + interval  # nobody knows when within its interval it pings
    later = expected + interval
    while later - early(schedule, expected, span) - _left_out(schedule, expected, last, gap.slowed) <= gap.end:
        later += interval
    return False, later


def wait_in_stall(due: Ns, gap: Gap, waited: Ns) -> Ns:
    """How much longer is waited for what is due within a stall: until a second after it, for no more than a minute in all."""
    return min(gap.end + SECOND - due, 60 * SECOND - waited) if gap.start <= due < gap.end + SECOND else 0


def _keeps_a_known_time(schedule: Schedule, expected: Ns, last: Ns | None) -> bool:
    """Whether the ping that is expected is that of a slot, or whole intervals behind another."""
    return schedule.cron is not None or last is None or (expected - last) % (schedule.interval * SECOND) == 0


def _left_out(schedule: Schedule, expected: Ns, last: Ns | None, slowed: Ns) -> Ns:
    """How much of the time since the last ping our clock may have left out, while it went slower than time does."""
    since = expected - schedule.interval * SECOND if last is None else last
    return (expected - since) // 100 if schedule.cron is None and since < slowed else 0


def _tolerated(schedule: Schedule, after: Ns) -> Ns:
    return min(schedule.grace * SECOND, after // 10, _EARLY_LIMIT)
