"""When the next ping is expected, from a monitor's schedule. Pure functions of (schedule, instant)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

from rules.cron import LIMIT as LIMIT
from rules.cron import Slot, slot_after
from rules.cron import check as check
from rules.cron import normal as normal
from store.model import SECOND, Ns, Schedule

HOUR: Final[Ns] = 3_600 * SECOND
EARLY_LIMIT: Final[Ns] = 300 * SECOND


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


def turns(schedule: Schedule, after: Ns, slots: int) -> list[int]:
    """How many seconds lie between each ping that is expected and the next; of a cron job in its next `slots`, at least two.

    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if schedule.cron is None:
        return [schedule.interval]
    expected = [expected_after(schedule, after)]
    while len(expected) < slots:
        expected.append(expected_after(schedule, expected[-1]))
    return [(later - before) // SECOND for before, later in pairwise(expected)]


def same_rhythm(one: Schedule, other: Schedule) -> bool:
    """Whether both expect pings at the same times, however late those may be and however long runs may take."""
    return _rhythm(one) == _rhythm(other)


def _rhythm(schedule: Schedule) -> tuple[int | str, str]:
    return (schedule.interval, "") if schedule.cron is None else (schedule.cron, schedule.timezone)


def _early(schedule: Schedule, distance: Ns) -> Ns:
    return min(schedule.grace * SECOND, distance // 10, EARLY_LIMIT)
