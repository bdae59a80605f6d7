"""What becomes of an expectation when we were not listening, or when the clock was put forward. Pure functions of (schedule, gap)."""

from __future__ import annotations

from typing import Final

import msgspec

from rules import schedule as schedules
from rules.cron import slot_after
from store.model import CATCHING_UP, SECOND, Gap, Ns, Schedule

_AFTER_A_STALL: Final[Ns] = 1 * SECOND  # then the signals that waited for us are here
_HELD: Final[Ns] = 60 * SECOND  # by one stall after the other
_BRIEF: Final[Ns] = 10 * SECOND  # a clock that is put forward by less: signals wait for so long, as in a stall
# Gaps of ours put off what is expected until we have listened for it for three turns, and half of one more.
_PATIENCE: Final = 7
_TURNS: Final = 2


class Rearmed(msgspec.Struct, frozen=True):
    """What a gap of ours makes of a monitor's expectation: when its next ping is expected now.

    `unverified`: that is so far away that the monitor's state is unknown until then.
    """

    expected_at: Ns
    unverified: bool


def rearmed(schedule: Schedule, expected: Ns, gap: Gap, *, due: Ns, last_ping_at: Ns | None) -> Rearmed | None:
    """What is expected of a monitor after a gap of ours; None if the gap does not concern it.

    It does where the ping may have come in the gap: from when it may come (`may_come_from`) to when it would have been missed (`due`). A
    job that has another turn within the hour is waited for once more; how any other is stays unknown until its next turn.
    A turn so soon after the gap that its ping may have come early, and so in the gap, is not waited for either.
    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if gap.start > due:
        return None
    if schedule.cron is not None and gap.end < expected - schedules.EARLY_LIMIT:  # most are far away, whatever their slots
        return None
    if gap.end < may_come_from(schedule, expected, last_ping_at, gap):
        return None
    if schedule.cron is not None:
        another = slot_after(schedule.cron, schedule.timezone, expected).at
        return Rearmed(schedules.expected_after(schedule, max(expected, gap.end)), unverified=another - expected > schedules.HOUR)
    interval = schedule.interval * SECOND
    if interval <= schedules.HOUR:
        return Rearmed(gap.end + interval, unverified=False)
    # A job this rare keeps its rhythm whether we listen or not; but where it is not known, or the clock was moved, it pings at any time.
    if gap.reason == "clock" or gap.moved or not _is_counted(schedule, expected, last_ping_at):
        return Rearmed(gap.end + interval, unverified=True)
    passed = (gap.end + _reach(schedule, expected, last_ping_at, gap) - expected) // interval
    return Rearmed(expected + interval * max(1, passed + 1), unverified=True)


def listened(schedule: Schedule, expected: Ns, due: Ns, gap: Gap, before: Ns, last_ping_at: Ns | None) -> Ns | None:
    """For how long we have listened for what is expected; None where that was long enough, and the gap does not put it off.

    Where we are restarted again and again, more often than a monitor's window comes, each gap would put its deadline off, and a dead job
    would never be told of. So it counts for how long we listened meanwhile, `before` and up to this gap: after some turns only a gap that
    covers all of the window puts it off, since through any other the job had its chance each time. While we hardly listen nobody had one,
    however many gaps there are. Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    turn = schedules.distance(schedule, expected)
    by_now = before + min(max(0, gap.start - (expected - turn)), turn)
    covered = gap.start <= may_come_from(schedule, expected, last_ping_at, gap) and due <= gap.end
    return by_now if covered or by_now * _TURNS < turn * _PATIENCE else None


def may_come_from(schedule: Schedule, expected: Ns, last_ping_at: Ns | None, gap: Gap) -> Ns:
    """From when on the ping that is expected at `expected` may have come in the gap.

    A little early, where it is counted from a ping. After a gap of ours, or a pause, an interval is counted from its end, and nobody knows
    at what moment within it the job pings: then it may come at any.
    Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if not _is_counted(schedule, expected, last_ping_at):
        return expected - schedule.interval * SECOND
    return expected - _reach(schedule, expected, last_ping_at, gap)


def outlasts(schedule: Schedule, expected: Ns) -> bool:
    """Whether a run that began unnoticed may still go on, within its grace, when the start of the one at `expected` is missed.

    One of an interval may have begun at any moment before. Raises ValueError with a sentence where the schedule does not pass `check`.
    """
    if schedule.cron is None:
        return True
    late = schedules.tolerance(schedule) * SECOND
    return schedules.distance(schedule, expected) + late < schedule.grace * SECOND


def hold(due: Ns, gap: Gap, held: Ns) -> Ns:
    """By how much a mere stall puts a deadline off: one within it waits for the signals that waited for us, which come in a moment.

    `held`: by how much stalls have put it off before. On a machine that is out of breath one follows the other, and would hold it for good;
    but between two of them, however short that is, what waits is taken. So a minute in all is enough.
    """
    until = gap.end + _AFTER_A_STALL
    return max(0, min(until - due, _HELD - held)) if gap.start <= due < until else 0


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


def _is_counted(schedule: Schedule, expected: Ns, last_ping_at: Ns | None) -> bool:
    """Whether what is expected is a slot, or counted from a ping: then it is known at what moment of its interval the job pings."""
    return schedule.cron is not None or last_ping_at is None or (expected - last_ping_at) % (schedule.interval * SECOND) == 0


def _reach(schedule: Schedule, expected: Ns, last_ping_at: Ns | None, gap: Gap) -> Ns:
    """How long before its time a ping may come by our clock: a little early, and of what is counted from the ping before, a hundredth if
    our clock has gone slower since.
    """
    counted_from = expected - schedule.interval * SECOND if last_ping_at is None else last_ping_at
    slower = (expected - counted_from) // CATCHING_UP if schedule.cron is None and gap.slowed > counted_from else 0
    return schedules.early(schedule, expected) + slower
