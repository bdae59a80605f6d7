"""The slots of a cron expression, found by looking at every minute there is. Independent of `rules.cron` and of cronsim.

An expression with a fixed minute and hour means once for each time that the clock passes: right after the change where clocks skip it,
at the first of the two where they repeat it. One with a `*` in the minute or the hour means whenever the clock shows such a time.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from store.model import SECOND, Ns

MINUTE: Final = 60 * SECOND
_EPOCH: Final = date(1970, 1, 1)
_STEADY: Final = 15  # minutes: clocks are only ever changed on the quarter of an hour


class Span(NamedTuple):
    """The minutes since the epoch that a seed is about."""

    first: int
    last: int


def span(start: Ns, days: float) -> Span:
    """A few days around; whole days, so that many seeds share what is found out."""
    day, after = 24 * 60, 3 if days < 0.5 else 28 if days < 10 else 80
    first, last = start // MINUTE - 10 * day, start // MINUTE + int((days + after) * day)
    return Span(first // day * day, -(-last // day) * day)


class Slots(NamedTuple):
    """`at`: when the slots come, rising. `distance`: how long after the one before each is, by what the clock on the wall shows."""

    at: list[Ns]
    distance: list[Ns]

    def after(self, instant: Ns) -> int:
        """The number of the first slot after `instant`."""
        return bisect_right(self.at, instant)


@lru_cache(maxsize=2_000)
def slots(crons: str, timezone: str, within: Span) -> Slots:
    """The slots of one expression, or of several with `;` between them."""
    walls = _walls(timezone, within)
    several = [_Expression(cron, walls) for cron in crons.split(";")]
    found: dict[int, int] = {}  # what the clock shows in the slot's name, by the minute
    for minute, wall in sorted(slot for one in several for slot in one.found(walls, within)):
        found.setdefault(minute, wall)  # of two that are skipped together the second is no slot of its own
    minutes = list(found)
    distances = []
    for n, minute in enumerate(minutes[1:], 1):
        distance = found[minute] - max(one.before(found[minute]) for one in several)
        # By the clock on the wall, but for a slot beside a change of clocks that was nearer to the one before.
        changed = _shown(walls, within, minute - 60) + 60 != _shown(walls, within, minute)
        really = minute - minutes[n - 1]
        distances.append(min(distance, really) * MINUTE if changed and really < 60 else distance * MINUTE)
    return Slots([minute * MINUTE for minute in minutes[1:]], distances)


class _Expression:
    def __init__(self, cron: str, walls: list[int]) -> None:
        minutes, hours, *days = cron.split()
        self._minutes, self._hours = _numbers(minutes, 0, 59), _numbers(hours, 0, 23)
        self._days = _days(tuple(days), min(walls) // 1_440, max(walls) // 1_440)
        self._often = minutes.startswith("*") or hours.startswith("*")

    def matches(self, wall: int) -> bool:
        return wall % 60 in self._minutes and wall // 60 % 24 in self._hours and wall // 1_440 in self._days

    def before(self, wall: int) -> int:
        """The newest time before that matches, whatever clocks did."""
        wall -= 1
        while not self.matches(wall):
            if wall // 1_440 not in self._days:
                wall -= wall % 1_440 + 1
            elif wall // 60 % 24 not in self._hours:
                wall -= wall % 60 + 1
            else:
                wall -= 1
        return wall

    def found(self, walls: list[int], within: Span) -> list[tuple[int, int]]:
        """Each slot: the minute, and what the clock shows in its name."""
        slots: list[tuple[int, int]] = []
        top = walls[0] - 1
        for minute, wall in zip(range(within.first, within.last, _STEADY), walls, strict=True):
            first = wall
            if wall != top + 1 and not self._often:
                # What was skipped between this quarter of an hour and the one before comes now, and at once.
                slots.extend((minute, passed) for passed in range(top + 1, wall) if self.matches(passed))
                first = max(wall, top + 1)
            if wall // 60 % 24 in self._hours and wall // 1_440 in self._days:
                slots.extend((minute + shown - wall, shown) for shown in range(first, wall + _STEADY) if self.matches(shown))
            top = max(top, wall + _STEADY - 1)
        return slots


def _shown(walls: list[int], within: Span, minute: int) -> int:
    quarter, past = divmod(minute - within.first, _STEADY)
    return walls[quarter] + past


@lru_cache(maxsize=200)
def _walls(timezone: str, within: Span) -> list[int]:
    """What the clock shows at each quarter of an hour, in minutes since the epoch as if that had been in UTC."""
    zone = ZoneInfo(timezone)
    shown = []
    for minute in range(within.first, within.last, _STEADY):
        offset = datetime.fromtimestamp(minute * 60, zone).utcoffset()
        assert offset is not None
        shown.append(minute + int(offset.total_seconds()) // 60)
    return shown


@lru_cache(maxsize=500)
def _days(fields: tuple[str, ...], first: int, last: int) -> frozenset[int]:
    """Days since the epoch that the fields for day, month and weekday name. Two restricted ones name what either names."""
    of_month, months, of_week = fields
    in_month, in_year = _numbers(of_month, 1, 31), _numbers(months, 1, 12)
    in_week = {number % 7 for number in _numbers(of_week, 0, 7)} if of_week != "*" else set(range(7))
    either = not of_month.startswith("*") and not of_week.startswith("*")
    found = set()
    for number in range(first - 400, last + 1):
        day = _EPOCH + timedelta(number)
        right = [day.day in in_month, day.isoweekday() % 7 in in_week]
        if day.month in in_year and (any(right) if either else all(right)):
            found.add(number)
    return frozenset(found)


def _numbers(field: str, lowest: int, highest: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        spread, _, step = part.partition("/")
        low, _, high = spread.partition("-")
        if spread == "*":
            found.update(range(lowest, highest + 1, int(step or 1)))
        elif high:
            found.update(range(int(low), int(high) + 1, int(step or 1)))
        else:
            found.add(int(low))
    return found
