"""When the slots of a cron expression come, in a time zone whose clocks may change. Pure functions.

An expression means what Debian's cron means by it. One with a fixed minute and hour comes once for each day that it names: right after
the change where clocks skip its time, and at the first of the two where they repeat it. One with a `*` in the minute or the hour follows
the clock: what is skipped is left out, what is repeated comes twice.

cronsim reads the expressions and walks the calendar, on bare wall clock times only. Walking in a zone, cronsim 2.8 loses slots beside a
change, and backwards over a midnight that clocks skip it never returns (`23 * 26,27 * 5,6` in America/Scoresbysund).
"""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from cronsim import CronSim, CronSimError

from store.model import SECOND, Ns

LENGTH_LIMIT: Final = 100
FIELDS: Final = "minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and day of week (0-7 or SUN-SAT)"

_MINUTE: Final = timedelta(minutes=1)
_YEAR_2000: Final = datetime.fromisoformat("2000-01-01")
_A_CHANGE_SHOWS: Final = 3 * 3_600  # no clock is put back further


class Slot(NamedTuple):
    """A time at which a job runs; `distance`: how long after the slot before it, by the clock on the wall."""

    at: Ns
    distance: Ns


def check(cron: str | None, timezone: str) -> str | None:
    """Why `cron` in `timezone` is not acceptable, as a sentence; None if it is. Without `cron` only the zone is judged."""
    if _zones().get(timezone.lower()) != timezone:
        return f"the time zone {timezone[:60]!r} is not known{_meant(timezone)}; accepted are names such as 'Europe/Berlin' and 'UTC'"
    return _objection(cron) if cron is not None else None


def slot_after(cron: str, timezone: str, instant: Ns) -> Slot:
    """The first slot after `instant`. Raises ValueError with a sentence for what does not pass `check`."""
    # Slots lie on whole minutes: all pings of a minute share an answer, and at 02:00 so do all the monitors of "0 2 * * *".
    return _slot_after_minute(cron, timezone, instant // (60 * SECOND))


@lru_cache(maxsize=10_000)
def _slot_after_minute(cron: str, timezone: str, minute: int) -> Slot:
    sentence = check(cron, timezone)
    if sentence is not None:
        raise ValueError(sentence)
    zone = zoneinfo.ZoneInfo(timezone)
    minutes, hours, *_ = cron.split()
    walk = _following_the_clock if minutes.startswith("*") or hours.startswith("*") else _once_a_day
    wall, at = walk(cron, zone, minute * 60)
    before = next(CronSim(cron, wall, reverse=True))
    return Slot(at * SECOND, int((wall - before).total_seconds()) * SECOND)


def _once_a_day(cron: str, zone: tzinfo, after: int) -> tuple[datetime, int]:
    """The first slot as the clock shows it and in seconds since the epoch, each wall clock time coming once."""
    return next((wall, at) for wall in CronSim(cron, _wall(after, zone)) if (at := _first_passed(wall, zone)) > after)


def _first_passed(wall: datetime, zone: tzinfo) -> int:
    """When the clock first shows `wall`, or jumps over it."""
    at = int(wall.replace(tzinfo=zone).timestamp())
    while _wall(at - 60, zone) > wall:
        at -= 60
    return at


def _following_the_clock(cron: str, zone: tzinfo, after: int) -> tuple[datetime, int]:
    """As `_once_a_day`, but whenever the clock shows a time that matches."""
    while True:
        now = _wall(after, zone)
        wall = next(CronSim(cron, now))
        at = after + int((wall - now).total_seconds())
        change = _change(zone, after, at)
        if change is None:
            return wall, at
        after, now = change, _wall(change, zone)
        if next(CronSim(cron, now - _MINUTE)) == now:
            return now, change


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
