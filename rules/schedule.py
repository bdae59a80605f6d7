"""When the next ping is expected, from a monitor's schedule. Pure functions of (schedule, instant)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from rules.cron import LIMIT as LIMIT
from rules.cron import Slot, slot_after
from rules.cron import check as check
from rules.cron import normal as normal
from store.model import CATCHING_UP, SECOND, Gap, Ns, Schedule

HOUR: Final[Ns] = 3_600 * SECOND
EARLY_LIMIT: Final[Ns] = 300 * SECOND
_BRIEF: Final[Ns] = 10 * SECOND  # a clock that is put forward by less: signals wait for so long, as in a stall


class Rearmed(msgspec.Struct, frozen=True):
    """What a gap of ours makes of a monitor's expectation: when its next ping is expected now.

    `unverified`: that is so far away that the monitor's state is unknown until then.
    """

    expected_at: Ns
    unverified: bool


def expected_after(schedule: Schedule, ping_at: Ns) -> Ns:
    """When the next ping is expected after one at `ping_at`. A cron job that pings a little early has pinged for the coming slot.

    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if schedule.cron is None:
        return ping_at + schedule.interval * SECOND
    return expected_of(schedule, ping_at, partial(slot_after, schedule.cron, schedule.timezone))


def expected_of(schedule: Schedule, ping_at: Ns, slot_after: Callable[[Ns], Slot]) -> Ns:
    """As `expected_after`, for a cron job whose slots somebody knows already."""
    slot = slot_after(ping_at)
    return slot_after(slot.at).at if slot.at - ping_at <= _early(schedule, slot.distance) else slot.at


def deadline(schedule: Schedule, expected: Ns) -> Ns:
    """When a ping that was expected at `expected` is missed."""
    return expected + schedule.grace * SECOND


def start_deadline(schedule: Schedule, expected: Ns) -> Ns:
    """When the start of the run that is expected at `expected` is missed, if neither it nor a ping has come."""
    return expected + tolerance(schedule) * SECOND


def tolerance(schedule: Schedule) -> int:
    """How many seconds the first signal of a run may be late."""
    return schedule.grace if schedule.start_by is None else min(schedule.start_by, schedule.grace)


def starts_from(schedule: Schedule, expected: Ns) -> Ns:
    """From when on a start signal belongs to the run that is expected at `expected`.

    At a slot of cron a run begins, a little early at the most. An interval is counted from the last ping, which told that a run had
    ended: whatever begins after it is what is waited for, be it long before its success is expected.
    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    return expected - (early(schedule, expected) if schedule.cron is not None else schedule.interval * SECOND)


def early(schedule: Schedule, expected: Ns) -> Ns:
    """How long before its time a signal may come and still be for that time, as no job beats like a clock.

    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    return _early(schedule, distance(schedule, expected))


def distance(schedule: Schedule, expected: Ns) -> Ns:
    """How long before `expected` the one before it was.

    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if schedule.cron is None:
        return schedule.interval * SECOND
    return slot_after(schedule.cron, schedule.timezone, expected - 1).distance


def may_come_from(schedule: Schedule, expected: Ns, last_ping_at: Ns | None) -> Ns:
    """From when on the ping that is expected at `expected` may come.

    A little early, where it is counted from a ping, and an interval may be a little shorter by our clock. After a gap of ours, or a pause,
    an interval is counted from its end, and nobody knows at what moment within it the job pings: then it may come at any.
    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    interval = schedule.interval * SECOND
    if schedule.cron is None and last_ping_at is not None and (expected - last_ping_at) % interval:
        return expected - interval
    return expected - _reach(schedule, expected)


def same_rhythm(one: Schedule, other: Schedule) -> bool:
    """Whether both expect pings at the same times, however late those may be and however long runs may take."""
    return (one.interval, one.cron, one.timezone) == (other.interval, other.cron, other.timezone)


def rearmed(
    schedule: Schedule, expected: Ns, gap_start: Ns, gap_end: Ns, *, due: Ns | None = None, last_ping_at: Ns | None = None
) -> Rearmed | None:
    """What is expected of a monitor after we were not listening from `gap_start` to `gap_end`; None if the gap does not concern it.

    It does where the ping may have come in the gap: from when it may come (`may_come_from`) to when it would have been missed (`due`, or
    its deadline). A job that has another turn within the hour is waited for once more; how any other is stays unknown until its next turn.
    A turn so soon after the gap that its ping may have come early, and so in the gap, is not waited for either.
    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if gap_start > (deadline(schedule, expected) if due is None else due):
        return None
    if schedule.cron is not None and gap_end < expected - EARLY_LIMIT:  # most are far away, whatever their slots
        return None
    if gap_end < may_come_from(schedule, expected, last_ping_at):
        return None
    if schedule.cron is not None:
        another = slot_after(schedule.cron, schedule.timezone, expected).at
        return Rearmed(expected_after(schedule, max(expected, gap_end)), unverified=another - expected > HOUR)
    interval = schedule.interval * SECOND
    if interval > HOUR:  # a job this rare keeps its rhythm whether we listen or not
        passed = (gap_end + _reach(schedule, expected) - expected) // interval
        return Rearmed(expected + interval * max(1, passed + 1), unverified=True)
    return Rearmed(gap_end + interval, unverified=False)


def is_brief_step(gap: Gap) -> bool:
    """Whether the clock was put forward by so little that no signal was lost, even if it was this machine that stood still."""
    return gap.reason == "clock" and gap.end - gap.start < _BRIEF


def set_forward(schedule: Schedule, expected: Ns, due: Ns, gap: Gap) -> tuple[Ns, Ns]:
    """What is expected, and when it is missed, after such a step: what was missed before it stays so.

    An interval is as long as it was. A slot of cron is where it is, but what is waited for since then may come as much later.
    """
    step = gap.end - gap.start
    if due < gap.start or (schedule.cron is not None and expected > gap.end):
        return expected, due
    return (expected + step if schedule.cron is None else expected), due + step


def outlasts(schedule: Schedule, expected: Ns) -> bool:
    """Whether a run that began unnoticed may still go on, within its grace, when the start of the one at `expected` is missed.

    One of an interval may have begun at any moment before. Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if schedule.cron is None:
        return True
    return distance(schedule, expected) + tolerance(schedule) * SECOND < schedule.grace * SECOND


def _reach(schedule: Schedule, expected: Ns) -> Ns:
    """How long before its time a ping may come by our clock, which goes slower for a while after the one on the wall was put back."""
    slower = schedule.interval * SECOND // CATCHING_UP if schedule.cron is None else 0
    return early(schedule, expected) + slower


def _early(schedule: Schedule, distance: Ns) -> Ns:
    return min(schedule.grace * SECOND, distance // 10, EARLY_LIMIT)
