"""How a job beats, from when it did: at some interval, or at some times of the day, on all days or on some. Pure.

What it says of the past is a guess, and never decides anything: suggestions made from it are tried on the same past (`hindsight`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import msgspec

from rules.doctor import clocks
from store.instant import span
from store.model import SECOND, Ns

DAY: Final = 86_400
ALL_DAYS: Final = tuple(range(7))
NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_ROUND: Final = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1_200, 1_800, 2_700)
_ROUND_HOURS: Final = tuple(hours * 3_600 for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168))
_STEADY, _NEAR = 0.75, 0.35  # three of four times between pings differ by so much from the median at the most
_OFTEN: Final = 6 * 3_600  # what comes more often than that is not looked for at times of the day
_MOST_A_DAY: Final = 12
_USUAL: Final = 0.6  # of the days of a kind
_LONG_ENOUGH: Final = 2  # weeks for a weekday without pings to mean something
_SUMMER_TIME: Final = 3_000  # seconds less of spread that another zone must bring


class Rhythm(msgspec.Struct, frozen=True):
    """`every`: seconds from one ping to the next, as a rule; `jitter`: by how many seconds more or less nine of ten times differ from it.

    `times`: at which seconds of the day in `timezone` it pings, if at any, and `earliest`: when it does at the soonest. `weekdays`: the
    days on which it does, Monday being 0. `hours`: from which full hour to which. `drift`: how many seconds later it came in the end
    than in the beginning.
    """

    every: float
    jitter: float
    timezone: str
    times: tuple[int, ...] = ()
    earliest: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ALL_DAYS
    hours: tuple[int, int] | None = None
    drift: float = 0.0

    @property
    def sentence(self) -> str:
        """`every 5 min from 8:00 to 18:00 on Monday to Friday (Europe/Berlin)`, `every day about 02:03 (UTC)`."""
        days = days_in_words(self.weekdays)
        if self.times:
            return f"{f'on {days}' if days else 'every day'} about {listed([clock(time) for time in self.times])} ({self.timezone})"
        hours = "" if self.hours is None else f" from {self.hours[0]}:00 to {self.hours[1]}:00"
        bound = f" on {days}" if days else ""
        return f"every {span(self.every)}{hours}{bound}{f' ({self.timezone})' if hours or bound else ''}"

    @property
    def bound(self) -> bool:
        """Whether it keeps to days, hours or times that no interval can tell."""
        return self.weekdays != ALL_DAYS or self.hours is not None or len(self.times) > 1

    def cron(self) -> str | None:
        """An expression, or several, whose slots it keeps to; None where there is none."""
        days = "*" if self.weekdays == ALL_DAYS else _ranges([(day + 1) % 7 for day in self.weekdays])
        if self.times:
            starts = sorted({(earliest + 60) // 300 * 300 % DAY for earliest in self.earliest})
            by_minute: dict[int, list[int]] = {}
            for start in starts:
                by_minute.setdefault(start // 60 % 60, []).append(start // 3_600)
            return "; ".join(f"{minute} {','.join(map(str, hours))} * * {days}" for minute, hours in by_minute.items())
        hours = "*" if self.hours is None else _ranges(range(self.hours[0], self.hours[1]))
        minutes = round(self.every / 60)
        if abs(self.every - minutes * 60) > 0.02 * self.every or minutes < 1 or 60 % minutes:
            return None
        return f"{'0' if minutes == 60 else '*' if minutes == 1 else f'*/{minutes}'} {hours} * * {days}"


def rhythm(arrivals: Sequence[Ns], lengths: Sequence[Ns], timezone: str) -> Rhythm | None:
    """The rhythm of some pings, the times between which are `lengths`; None where there is none. `timezone`: whose days are meant."""
    if not lengths:
        return None
    middle = sorted(lengths)[len(lengths) // 2] / SECOND
    found = None
    if len(arrivals) <= _MOST_A_DAY * ((arrivals[-1] - arrivals[0]) // (DAY * SECOND) + 1):
        found = _by_the_clock(arrivals, timezone)
    near = sum(1 for length in lengths if abs(length / SECOND - middle) <= _NEAR * middle)
    steady = near >= _STEADY * len(lengths)
    if found is not None and (middle >= _OFTEN or not steady):
        return found
    return _steady(arrivals, lengths, middle, timezone) if steady else None


def rounded(seconds: float) -> int:
    """An interval that people would write for one that was measured: a round one within 2 %, else the next of three digits above it."""
    near = _nearest(seconds)
    if abs(near - seconds) <= 0.02 * seconds:
        return near
    step = next(step for most, step in ((100, 1), (1_000, 5), (10_000, 60), (100_000, 600), (float("inf"), 3_600)) if seconds < most)
    return max(1, -int(-seconds // step) * step)


def _nearest(seconds: float) -> int:
    return min((*_ROUND, *_ROUND_HOURS), key=lambda one: abs(one - seconds))


def days_in_words(weekdays: Sequence[int]) -> str:
    """`Monday to Friday`, `Monday, Wednesday and Friday`; nothing for all days."""
    if len(weekdays) == 7:
        return ""
    if len(weekdays) > 2 and weekdays[-1] - weekdays[0] == len(weekdays) - 1:
        return f"{NAMES[weekdays[0]]} to {NAMES[weekdays[-1]]}"
    return listed([NAMES[day] for day in weekdays])


def listed(words: Sequence[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def clock(second: int) -> str:
    return f"{second // 3_600:02}:{second // 60 % 60:02}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the values that at least so many of all do not exceed; `ordered` has one at least."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _steady(arrivals: Sequence[Ns], lengths: Sequence[Ns], middle: float, timezone: str) -> Rhythm:
    near = _nearest(middle)
    every = near if abs(near - middle) <= 0.01 * middle else round(middle, 3)
    jitter = round(quantile(sorted(abs(length / SECOND - every) for length in lengths), 0.9), 3)
    if every > 3_600:
        return Rhythm(every, jitter, timezone)
    hit = {clocks.wall(timezone, quarter * 900 * SECOND) // 3_600 for quarter in {at // (900 * SECOND) for at in arrivals}}
    return Rhythm(every, jitter, timezone, weekdays=_weekdays({hour // 24 for hour in hit}), hours=_hours(hit))


def _by_the_clock(arrivals: Sequence[Ns], timezone: str) -> Rhythm | None:
    """The times of the day at which it pings, in the zone or in one that changed its clocks meanwhile, if that explains far more."""
    found = _in_zone(arrivals, timezone)
    widest = DAY if found is None else _spread(arrivals, timezone)
    for other in clocks.changing(arrivals[0], arrivals[-1]):
        changed = clocks.change(other, arrivals[0], arrivals[-1])
        seen = min(sum(1 for at in arrivals if at < changed), sum(1 for at in arrivals if at >= changed))
        if seen >= 3 and _spread(arrivals, other) <= min(_spread(arrivals, timezone), widest) - _SUMMER_TIME:
            return _in_zone(arrivals, other) or found
    return found


def _spread(arrivals: Sequence[Ns], timezone: str) -> int:
    """How many seconds of the day have pings in them, from the first to the last of the day."""
    times = sorted({clocks.wall(timezone, at) % DAY for at in arrivals})
    return DAY - max(after - before for before, after in pairwise([*times, times[0] + DAY]))


def _in_zone(arrivals: Sequence[Ns], timezone: str) -> Rhythm | None:
    walls = [clocks.wall(timezone, at) for at in arrivals]
    begin = clocks.quietest(walls)  # a day begins where nothing happens, so that no group of times is cut in two
    turned = [wall - begin for wall in walls]
    days = {wall // DAY for wall in turned}
    if len(days) < 4:
        return None
    for pause in (3_600, 3 * 3_600, 6 * 3_600):
        groups = _groups(sorted(turned, key=lambda wall: wall % DAY), pause)
        if len(groups) <= _MOST_A_DAY // 2 and all(len({wall // DAY for wall in group}) >= _STEADY * len(days) for group in groups):
            return _of_groups(groups, begin, timezone, days)
    return None


def _groups(walls: Sequence[int], pause: int) -> list[list[int]]:
    """The pings by their times of the day, apart from each other by more than `pause` seconds."""
    groups = [[walls[0]]]
    for before, after in pairwise(walls):
        if after % DAY - before % DAY > pause:
            groups.append([])
        groups[-1].append(after)
    return groups


def _of_groups(groups: Sequence[Sequence[int]], begin: int, timezone: str, days: set[int]) -> Rhythm:
    middles, earliest, off = [], [], []
    for group in groups:
        seconds = sorted(wall % DAY for wall in group)
        middle = seconds[len(seconds) // 2]
        middles.append(middle)
        earliest.append((seconds[len(seconds) // 20] + begin) % DAY)
        off += [abs(second - middle) for second in seconds]
    times = [(middle + begin) % DAY for middle in middles]
    pauses = [after - before for before, after in pairwise([*sorted(times), min(times) + DAY])]
    dates = {(begin + middle) // DAY for middle in middles}  # past midnight, the days of a group are the next ones
    return Rhythm(
        every=max(pauses),
        jitter=quantile(sorted(off), 0.9),
        timezone=timezone,
        times=tuple(sorted(times)),
        earliest=tuple(sorted(earliest)),
        weekdays=_weekdays({day + min(dates) for day in days}) if len(dates) == 1 else ALL_DAYS,
        drift=_drift(groups[0]) if len(groups) == 1 else 0.0,
    )


def _drift(group: Sequence[int]) -> float:
    third = len(group) // 3
    in_order = [wall % DAY for wall in sorted(group)]
    first, last = (sorted(part) for part in (in_order[:third], in_order[-third:])) if third else ([0], [0])
    return last[len(last) // 2] - first[len(first) // 2]


def _weekdays(days: set[int]) -> tuple[int, ...]:
    """On which days of the week something happened, of `days` since 1970; all of them where the others are too few to tell."""
    whole = range(min(days), max(days) + 1)
    times = Counter(map(_weekday, whole))
    hit = Counter(map(_weekday, days))
    seen = tuple(day for day in ALL_DAYS if hit[day])
    sure = all(times[day] >= _LONG_ENOUGH for day in ALL_DAYS if not hit[day])
    usual = all(hit[day] >= _USUAL * times[day] for day in seen)
    return seen if sure and usual else ALL_DAYS


def _weekday(day: int) -> int:
    return (date(1970, 1, 1) + timedelta(days=day)).weekday()


def _hours(hit: set[int]) -> tuple[int, int] | None:
    """From which hour of the day to which something happened, of hours since 1970; None where it did all around the clock."""
    days = {hour // 24 for hour in hit}
    used = Counter(hour % 24 for hour in hit)
    first, last = min(used), max(used)
    whole = len(used) == last - first + 1
    if len(days) < 5 or len(used) > 22 or not whole or min(used.values()) < _USUAL * len(days):
        return None
    return first, last + 1


def _ranges(numbers: Iterable[int]) -> str:
    """`1-5`, `0,6`, `8-17`: numbers as a field of cron has them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
