"""When the slots of cron expressions come, in a time zone whose clocks may change. Pure functions.

An expression means what Debian's cron means by it. One with a fixed minute and hour comes once for each day that it names: right after
the change where clocks skip its time, and at the first of the two where they repeat it. One with a `*` in the minute or the hour follows
the clock: what is skipped is left out, what is repeated comes twice. Of several expressions, written with `;` between them, the slots
count together.

cronsim reads the expressions and walks the calendar, on bare wall clock times only. Walking in a zone, cronsim 2.8 loses slots beside a
change, and backwards over a midnight that clocks skip it never returns (`23 * 26,27 * 5,6` in America/Scoresbysund).
"""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from cronsim import CronSim, CronSimError

from store.model import SECOND, Ns

LENGTH_LIMIT: Final = 100  # characters of one expression
LIMIT: Final = 10  # expressions of one schedule
FIELDS: Final = "minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and day of week (0-7 or SUN-SAT)"

_MINUTE: Final = timedelta(minutes=1)
_YEAR_2000: Final = datetime.fromisoformat("2000-01-01")
_A_CHANGE_SHOWS: Final = 3 * 3_600  # no clock is put back further
_NEAR: Final = 3_600
_SEPARATOR: Final = re.compile(r"[;\n]")


class Slot(NamedTuple):
    """A time at which a job runs; `distance`: how long after the slot before it, by the clock on the wall.

    Where clocks were changed a moment before, it is how long that really was, if that is less.
    """

    at: Ns
    distance: Ns


def expressions(cron: str) -> list[str]:
    """The expressions of a schedule, which are separated by `;` or by the ends of lines."""
    return [part.strip() for part in _SEPARATOR.split(cron) if part.strip()]


def normal(cron: str) -> str:
    """The schedule as it is kept: `0 2 * * 1-5; 0 8 * * 6,0`."""
    return "; ".join(expressions(cron))


def check(cron: str | None, timezone: str) -> str | None:
    """Why `cron` in `timezone` is not acceptable, as a sentence; None if it is. Without `cron` only the zone is judged."""
    if _zones().get(timezone.lower()) != timezone:
        return f"the time zone {timezone[:60]!r} is not known{_meant(timezone)}; accepted are names such as 'Europe/Berlin' and 'UTC'"
    if cron is None:
        return None
    parts = expressions(cron) or [""]
    if len(parts) > LIMIT:
        return f"the schedule has {len(parts)} cron expressions; at most {LIMIT} are accepted"
    return next((sentence for part in parts if (sentence := _objection(part))), None)


def slot_after(cron: str, timezone: str, instant: Ns) -> Slot:
    """The first slot of any of the expressions after `instant`.

    Raises ValueError with a sentence for what does not pass `check`, and where the zone's clock cannot be told.
    """
    # Slots lie on whole minutes: all pings of a minute share an answer, and at 02:00 so do all the monitors of "0 2 * * *".
    return _slot_after_minute(cron, timezone, instant // (60 * SECOND))


@lru_cache(maxsize=10_000)
def _slot_after_minute(cron: str, timezone: str, minute: int) -> Slot:
    sentence = check(cron, timezone)
    if sentence is not None:
        raise ValueError(sentence)
    try:
        return _slot(expressions(cron), zoneinfo.ZoneInfo(timezone), minute * 60)
    except Exception as error:  # whatever an upgrade of tzdata or cronsim brings
        raise ValueError(f"the slots of {cron!r} in {timezone} cannot be computed ({type(error).__name__}: {error})") from error


def _slot(crons: list[str], zone: tzinfo, after: int) -> Slot:
    at, wall = _first(crons, zone, after)
    before = max([next(CronSim(cron, wall, reverse=True)) for cron in crons])
    distance = int((wall - before).total_seconds())
    if _offset(at - _NEAR, zone) != _offset(at, zone):
        last = _last_within(crons, zone, at - _NEAR, at)
        distance = distance if last is None else min(distance, at - last)
    return Slot(at * SECOND, distance * SECOND)


def _first(crons: list[str], zone: tzinfo, after: int) -> tuple[int, datetime]:
    """The first slot of all expressions, in seconds since the epoch and as the clock shows it."""
    return min([_following_the_clock(cron, zone, after) if _follows_the_clock(cron) else _once_a_day(cron, zone, after) for cron in crons])


def _follows_the_clock(cron: str) -> bool:
    minutes, hours, *_ = cron.split()
    return minutes.startswith("*") or hours.startswith("*")


def _last_within(crons: list[str], zone: tzinfo, start: int, end: int) -> int | None:
    """The last slot between the two; None where there is none."""
    last = None
    while (following := _first(crons, zone, start)[0]) < end:
        last = start = following
    return last


def _once_a_day(cron: str, zone: tzinfo, after: int) -> tuple[int, datetime]:
    """The first slot in seconds since the epoch and as the clock shows it, each wall clock time coming once."""
    return next((at, wall) for wall in CronSim(cron, _wall(after, zone)) if (at := _first_passed(wall, zone)) > after)


def _first_passed(wall: datetime, zone: tzinfo) -> int:
    """When the clock first shows `wall`, or jumps over it."""
    at = int(wall.replace(tzinfo=zone).timestamp())
    while _wall(at - 60, zone) > wall:
        at -= 60
    return at


def _following_the_clock(cron: str, zone: tzinfo, after: int) -> tuple[int, datetime]:
    """As `_once_a_day`, but whenever the clock shows a time that matches."""
    while True:
        now = _wall(after, zone)
        wall = next(CronSim(cron, now))
        at = after + int((wall - now).total_seconds())
        change = _change(zone, after, at)
        if change is None:
            return at, wall
        after, now = change, _wall(change, zone)
        if next(CronSim(cron, now - _MINUTE)) == now:
            return change, now


def _change(zone: tzinfo, start: int, end: int) -> int | None:
    """When after `start` and up to `end` clocks were changed, if they were not changed back.

    Forth and back does no harm: all that clocks show in between lies between what they show at both ends.
    """
    offset = _offset(start, zone)
    later = next((probe for probe in (min(start + _A_CHANGE_SHOWS, end), end) if _offset(probe, zone) != offset), None)
    if later is None:
        return None
    while later - start > 60:
        middle = (start + later) // 120 * 60
        if _offset(middle, zone) == offset:
            start = middle
        else:
            later = middle
    return later


def _wall(at: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at, zone).replace(tzinfo=None)


def _offset(at: int, zone: tzinfo) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()


@lru_cache(maxsize=1_000)
def _objection(cron: str) -> str | None:
    if len(cron) > LENGTH_LIMIT:
        return f"the cron expression has {len(cron)} characters; at most {LENGTH_LIMIT} are accepted"
    if len(cron.split()) != 5:
        return f"a cron expression has five fields, {FIELDS}; {cron!r} has {len(cron.split())}"
    try:
        # Any leap day falls on any weekday within 40 years, so a date that does not come in the 50 that are tried never comes.
        next(CronSim(cron, _YEAR_2000))
    except (CronSimError, StopIteration) as error:
        if isinstance(error, StopIteration) or ("day-of-month" in str(error) and _is_right_in_some_month(cron)):
            return f"the cron expression {cron!r} names a date that never comes"
        return f"the cron expression {cron!r} has a {str(error).lower()}; its fields are {FIELDS}"
    return None


def _is_right_in_some_month(cron: str) -> bool:
    minute, hour, day, _, weekday = cron.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _YEAR_2000)
    except CronSimError:
        return False
    return True


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in zoneinfo.available_timezones()}


def _meant(timezone: str) -> str:
    close = difflib.get_close_matches(timezone[:60].lower(), _zones(), n=1, cutoff=0.8)
    return f", did you mean {_zones()[close[0]]!r}?" if close else ""
