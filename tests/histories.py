"""Pings as jobs of several kinds send them, up to noon of a day in November; the same at every run."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from store.instant import from_iso
from store.model import SECOND, Ns

NOON: Ns = from_iso("2026-11-25T12:00:00")
AFTER_THE_CHANGE: Ns = from_iso("2026-11-10T12:00:00")  # of clocks, on 25 October in Europe and on 1 November in America
DAY: Ns = 86_400 * SECOND
WORKDAYS = range(5)


def regular(every: float, days: float, jitter: float = 0.0, *, late: float = 0.0, by: float = 0.0, until: Ns = NOON) -> list[Ns]:
    """A loop: `every` seconds from ping to ping, more or less `jitter`; a share of `late` of them comes up to `by` seconds later still."""
    chance, at, found = random.Random(1), until - round(days * DAY), []  # noqa: S311
    while at <= until:
        found.append(at)
        pause = every + chance.uniform(-jitter, jitter) + (chance.uniform(by / 10, by) if chance.random() < late else 0.0)
        at += round(pause * SECOND)
    return found


def daily(
    times: Sequence[str],
    days: int,
    timezone: str = "UTC",
    jitter: float = 120,
    *,
    weekdays: Iterable[int] = range(7),
    without: Iterable[int] = (),
    later: float = 0.0,
    until: Ns = NOON,
) -> list[Ns]:
    """A crontab: at `times` of the day, or up to `jitter` seconds after them, and `later` seconds later from day to day."""
    chance, found, zone = random.Random(2), [], ZoneInfo(timezone)  # noqa: S311
    last = datetime.fromtimestamp(until // SECOND, zone).date()
    for number in range(days):
        day = last - timedelta(days=days - 1 - number)
        if day.weekday() in weekdays and number not in without:
            for time in times:
                wall = datetime.fromisoformat(f"{day} {time}").replace(tzinfo=zone)
                found.append(int(wall.timestamp()) * SECOND + round((chance.uniform(0, jitter) + later * number) * SECOND))
    return [at for at in found if at <= until]


def within(found: Iterable[Ns], hours: range, timezone: str, weekdays: Iterable[int] = range(7)) -> list[Ns]:
    """Only those pings that come in these hours of these days."""
    walls = ((at, datetime.fromtimestamp(at // SECOND, ZoneInfo(timezone))) for at in found)
    return [at for at, wall in walls if wall.hour in hours and wall.weekday() in weekdays]


def random_pings(mean: float, days: float) -> list[Ns]:
    """As people come to a counter: without any rhythm."""
    chance, at, found = random.Random(3), NOON - round(days * DAY), []  # noqa: S311
    while at <= NOON:
        found.append(at)
        at += round(chance.expovariate(1 / mean) * SECOND) + 1
    return found
