"""What clocks on the wall show, and whose they may be. Pure functions of instants in nanoseconds since the epoch."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from store.model import SECOND, Ns

_PIECE: Final[Ns] = 900 * SECOND  # clocks change at whole quarters of an hour

# One or two for each offset and each way of keeping summer time, those first that many jobs run in.
WELL_KNOWN: Final = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "America/Chicago",
    "America/Denver",
    "Europe/Athens",
    "Europe/Istanbul",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/Sao_Paulo",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Jerusalem",
    "Africa/Lagos",
    "Africa/Cairo",
    "America/Phoenix",
    "America/Bogota",
    "America/Halifax",
    "America/St_Johns",
    "America/Anchorage",
    "America/Mexico_City",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Darwin",
    "Pacific/Auckland",
    "Pacific/Honolulu",
)


def zones() -> Iterator[str]:
    """The well-known zones that this machine knows."""
    return (name for name in WELL_KNOWN if _zone(name) is not None)


def ahead(timezone: str, at: Ns) -> int:
    """How many seconds the clocks of a zone are ahead of UTC. Raises ValueError for a zone that is not known."""
    return _ahead(timezone, at // _PIECE)


def wall(timezone: str, at: Ns) -> int:
    """What the clock shows at an instant, as seconds since it showed the beginning of 1970."""
    return at // SECOND + ahead(timezone, at)


def changing(start: Ns, end: Ns) -> Iterator[str]:
    """The zones whose clocks show another time of the day after the while than before it."""
    return (name for name in zones() if ahead(name, start) != ahead(name, end))


def change(timezone: str, start: Ns, end: Ns) -> Ns:
    """When the clocks of such a zone were changed, to the quarter of an hour."""
    low, high = start // _PIECE, end // _PIECE
    before = _ahead(timezone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _ahead(timezone, middle) == before else (low, middle)
    return high * _PIECE


def offset_name(seconds: int) -> str:
    """An offset from UTC as it is written: `UTC+5:30`, `UTC`."""
    if seconds == 0:
        return "UTC"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours}{f':{minutes:02}' if minutes else ''}"


def quietest(walls: Sequence[int]) -> int:
    """The second of the day in the middle of the longest while of a day in which nothing happened."""
    times = sorted({wall % 86_400 for wall in walls})
    pauses = [(after - before, before) for before, after in zip(times, [*times[1:], times[0] + 86_400], strict=True)]
    longest, before = max(pauses)
    return (before + longest // 2) % 86_400


@lru_cache(maxsize=20_000)
def _ahead(timezone: str, piece: int) -> int:
    zone = _zone(timezone)
    if zone is None:
        raise ValueError(f"the time zone {timezone[:60]!r} is not known")
    offset = datetime.fromtimestamp(piece * _PIECE // SECOND, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@lru_cache(maxsize=100)
def _zone(timezone: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return None
