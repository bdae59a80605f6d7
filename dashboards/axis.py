"""Scales a person can read: round steps for values, wall-clock steps for time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile

from store.model import SECOND, Ns

HOUR: Ns = 3600 * SECOND
_HOURS = (1, 2, 3, 6, 12, 24, 48)
_MOST_TICKS = 6.5
# Values a float can hold but its differences cannot: beyond these the picture is clipped, never the numbers beside it.
_LARGEST, _SMALLEST = 1e300, 1e-300
# Below one part in a million a change is noise of the number's own digits, and its labels would all read alike.
_FINEST = 1e-6


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high`, `steps` apart."""

    low: float
    high: float
    step: float

    def share(self, value: float) -> float:
        """How far down from the top `value` lies: 0 at `high`, 1 at `low`, never outside."""
        return min(1.0, max(0.0, (self.high - value) / (self.high - self.low)))

    def ticks(self) -> list[float]:
        """The labelled values, lowest first."""
        return [i * self.step for i in range(round(self.low / self.step), round(self.high / self.step) + 1)]


def scale(values: Sequence[float]) -> Scale:
    """A scale over all `values` in about four steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not values:
        return Scale(0.0, 1.0, 0.25)
    low, high = (min(_LARGEST, max(-_LARGEST, edge(values))) for edge in (min, max))
    size = max(abs(low), abs(high))
    if size < _SMALLEST:
        low, high = (0.0, 1.0) if low >= 0 else (-1.0, 1.0)
    elif high - low <= size * _FINEST:
        low, high = low - size / 10, high + size / 10
    step = _round_step((high - low) / 4)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, step)


def _round_step(least: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(least))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= least), 10 * power)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled instant at `share` (0 to 1) of the range."""

    share: float
    label: str


def time_ticks(start: Ns, end: Ns, zone: tzinfo) -> list[Tick]:
    """At most seven instants that are whole hours or midnights on the wall clock of `zone`."""
    hours = next((h for h in _HOURS if (end - start) / HOUR / h <= _MOST_TICKS), _HOURS[-1])
    inside = takewhile(lambda step: step[0] <= end, _wall_clock(start, hours, zone))
    return [
        Tick((at - start) / (end - start), f"{local:%-d %b}" if local.hour == 0 else f"{local:%H:%M}")
        for at, local in inside
        if at >= start
    ]


def _wall_clock(start: Ns, hours: int, zone: tzinfo) -> Iterator[tuple[Ns, datetime]]:
    """Endless steps of the wall clock from the midnight before `start`; hours that a change of offset skips are left out."""
    day = datetime.fromtimestamp(start // SECOND, zone).toordinal()
    # Two-day steps count from a fixed day, or the labels would jump at every midnight.
    naive = datetime.fromordinal(day - day % 2)
    while True:
        local = naive.replace(tzinfo=zone)
        if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive:
            yield int(local.timestamp()) * SECOND, naive
        naive += timedelta(hours=hours)
