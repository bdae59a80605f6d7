"""Settings that would have fitted the pings that came: other graces, and other schedules. Pure; each is tried on the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from rules.doctor.hindsight import Hindsight
from rules.doctor.rhythm import Rhythm, quantile, rounded
from rules.doctor.shift import Shift
from store.model import SECOND, Schedule

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_GRACES: Final = (
    *(5, 10, 15, 20, 30, 45),
    *(minutes * _MINUTE for minutes in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(days * _DAY for days in (1, 2, 3, 4, 5, 7, 10, 14, 21, 30, 60)),
)
_MANY: Final = 100  # pings: with fewer, later ones may well be further off than any so far
_CHEAP: Final = 600  # seconds: to be told so much later costs little
_AMPLE: Final = 1_800  # seconds: no job needs more that was never late
_UNEVEN: Final = 1.5  # times as long as usual: more than a change of clocks makes of a day
_A_TURN: Final = 0.9  # of a turn late: the ping of that turn did not come


class Trial(msgspec.Struct, frozen=True):
    """A schedule; how often it would have alarmed, how often of those since a ping was missing altogether; and the silence, in seconds,
    before it alarms: as a rule, and at its `longest`."""

    schedule: Schedule
    alarms: int
    missing: int
    silence: float
    longest: float

    @property
    def late(self) -> int:
        """How many of the alarms were about pings that came late, and came."""
        return self.alarms - self.missing

    @property
    def turn(self) -> float:
        """How long after one ping the next is expected, as a rule."""
        return self.silence - self.schedule.grace

    @property
    def longest_turn(self) -> float:
        return self.longest - self.schedule.grace

    @property
    def uneven(self) -> bool:
        """Whether its slots lie close together at times, and far apart at others: then nothing holds as a rule."""
        return self.longest_turn > _UNEVEN * self.turn


def tried(past: Hindsight, schedule: Schedule) -> Trial:
    """What the schedule would have made of the past. Raises ValueError where it cannot be computed."""
    outcome = past.outcome(schedule)
    turn, longest = past.turn_of(schedule) / SECOND, past.longest_turn_of(schedule) / SECOND
    return Trial(schedule, outcome.alarms, outcome.missing, turn + schedule.grace, longest + schedule.grace)


def changes(schedule: Schedule, other: Schedule) -> dict[str, Any]:
    """What makes the one schedule of the other, by the names in which users define monitors."""
    names = {"interval": "interval", "grace": "gracePeriod", "cron": "schedule", "timezone": "timezone"}
    return {name: getattr(other, field) for field, name in names.items() if getattr(other, field) != getattr(schedule, field)}


def graces(past: Hindsight, schedule: Schedule, fitting: int) -> list[Trial]:
    """The schedule with its own grace, with one that fits, and with a few between and beside them."""
    late = sorted(past.latenesses(schedule))
    marks = [_grace(quantile(late, share) / SECOND) for share in (0.5, 0.95, 0.99, 1.0)] if late else []
    found = sorted({schedule.grace, fitting, *marks})
    return [tried(past, replace(schedule, grace=grace)) for grace in found]


def fitted(past: Hindsight, schedule: Schedule) -> Schedule:
    """The schedule with the grace that its pings need, but for those that were so late, and so few, that something was wrong."""
    turn = (past.turn if schedule.cron is None and past.turn else past.turn_of(schedule)) / SECOND
    # How early a ping may come for the coming slot grows with the grace, up to five minutes.
    found = past.latenesses(replace(schedule, grace=max(schedule.grace, 300)))
    late = [lateness / SECOND for lateness in sorted(found, reverse=True) if lateness > 0]
    need = _needed(late, len(found), turn) * (1.25 if len(found) >= _MANY else 1.5)
    return replace(schedule, grace=_grace(max(need, min(turn / 20, _AMPLE), 10, schedule.start_by or 0)))


def suggestion(past: Hindsight, present: Trial, rhythm: Rhythm | None, shift: Shift | None) -> Trial | None:
    """The settings that fit best, as near to the present ones as that allows; None where they are hardly better."""
    schedule = present.schedule
    best, *others = (tried(past, fitted(past, one)) for one in _candidates(past, schedule, rhythm))
    for other in others:
        if other.alarms < best.alarms or (other.alarms == best.alarms and other.silence < 0.6 * best.silence):
            best = other
    right = _by_right_clocks(schedule, rhythm, shift)
    if right is not None:
        moved = tried(past, fitted(past, right))
        best = moved if moved.alarms <= best.alarms else best
    return best if _matters(present, best) else None


def _by_right_clocks(schedule: Schedule, rhythm: Rhythm | None, shift: Shift | None) -> Schedule | None:
    """The schedule by the clocks that the job keeps to, where they are others."""
    if shift is not None:
        return None if shift.may_be_runs else replace(schedule, timezone=shift.zones[0])
    if rhythm is None or not rhythm.times or rhythm.timezone == schedule.timezone:
        return None
    return replace(schedule, cron=rhythm.cron(), timezone=rhythm.timezone)


def _candidates(past: Hindsight, schedule: Schedule, rhythm: Rhythm | None) -> list[Schedule]:
    """What may be tried, the nearest to the present schedule first."""
    found = [schedule]
    if rhythm is None:
        most = quantile(sorted(past.lengths()), 0.95) / SECOND  # only how long both are together matters, so the interval stays
        return [replace(schedule, interval=min(schedule.interval, rounded(most)))] if schedule.cron is None else found
    regular = replace(schedule, cron=None, interval=rounded(rhythm.every))
    if schedule.cron is None and abs(rhythm.every - schedule.interval) > 0.2 * schedule.interval:
        found = [regular]
    elif schedule.cron is not None and not rhythm.times:
        found.append(regular)
    cron = rhythm.cron()
    if cron is not None and (rhythm.bound or (schedule.cron is not None and rhythm.times)):
        found.append(replace(schedule, cron=cron, timezone=rhythm.timezone))
    return found


def _matters(present: Trial, other: Trial) -> bool:
    if other.schedule == present.schedule:
        return False
    if other.alarms < present.alarms:
        return True
    sooner = present.silence - other.silence
    longer = present.silence >= 2 * other.silence or present.schedule.grace >= 4 * other.schedule.grace
    return other.late <= present.late and longer and sooner >= max(_CHEAP, present.silence / 10)


def _needed(late: Sequence[float], pings: int, turn: float) -> float:
    """How late, of all that were late, the latest was but for outages; `late` is ordered, the latest first."""
    cheap = max(min(0.8 * turn, _CHEAP), turn / 10)
    few = max(2, pings // 50)
    for i, seconds in enumerate(late):
        if seconds <= cheap:
            return seconds
        alike = sum(1 for other in late[i:] if other >= seconds / 2)
        missing = seconds >= _A_TURN * turn and turn >= _HOUR
        if not missing and (i >= few or alike > few):
            return seconds
    return 0.0


def _grace(seconds: float) -> int:
    """The next one that people would write."""
    return next((grace for grace in _GRACES if grace >= seconds), _GRACES[-1])
