"""The schedule doctor's pictures, as the ready parts of an SVG: how long pings stayed away, or how far from their slots they came.

As with charts (`dashboards.chart`), the plot is 4000 by 1000 units, stretched to the page; labels are placed in per cent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from dashboards.chart import HEIGHT, WIDTH, Label
from dashboards.words import number, span
from rules.doctor import Diagnosis, clocks
from rules.doctor.remedy import Trial
from store.model import SECOND

_BARS: Final = 40
_BAR_ROOM: Final = 700  # of 1000 units: above are the names of the lines
_BAR_TOP: Final = HEIGHT - _BAR_ROOM
_LEAST_BAR: Final = 25
_DOTS: Final = 1_000
_WIDE: Final = 20  # times as long as the shortest: then each step is a multiple of the one before
_FAR: Final = 4  # times as far as any ping: a limit so far away would leave no room for them
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_TIMES: Final = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000)

Mark = tuple[float, str, str]  # seconds, the kind of line, what it says


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    width: int
    height: int
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line at `x` units; `row`: the height of its name, `left`: whether that stands to its left. `kind`: `now`, `alarm` or `better`."""

    x: int
    place: str
    row: int
    left: bool
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Bars or dots; `allowed`: from where to where, in units, pings are in time."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    dots: str
    allowed: tuple[int, int] | None
    grid: str
    lines: tuple[Line, ...]
    x_labels: tuple[Label, ...]
    y_labels: tuple[Label, ...]


def picture(found: Diagnosis, zone: tzinfo) -> Picture | None:
    """The picture of a diagnosis; None where there is nothing to be seen."""
    if found.present is None or len(found.seconds) < 2:
        return None
    return _strip(found, found.present, zone) if found.offsets else _histogram(found, found.present)


def _histogram(found: Diagnosis, present: Trial) -> Picture:
    """How often how much time passed between two pings."""
    marks = _limits(present, "") + (_limits(found.suggestion, "suggested: ")[1:] if found.suggestion else [])
    shown = [found.seconds[0], found.seconds[-1], *(seconds for seconds, *_ in marks)]
    low, high = min(shown), max(shown)
    axis = _logarithmic(low, high) if high > _WIDE * max(low, 0.001) else _linear(low, high)
    bars = _bars(found.seconds, axis)
    most = max((count for _, _, count in bars), default=1)
    steps = [10**power for power in range(5) if 10**power <= most]
    pings = f"{len(found.seconds):,} times between pings, from {span(found.seconds[0])} to {span(found.seconds[-1])}"
    return Picture(
        title="How long pings stayed away",
        description=f"{pings}: half of them up to {span(_middle(found.seconds))}. "
        + " ".join(f"{text[0].upper()}{text[1:]}." for _, _, text in marks),
        bars=tuple(_bar(first, last, count, most, axis) for first, last, count in bars),
        dots="",
        allowed=None,
        grid="".join(f"M0 {HEIGHT - _height(step, most)}H{WIDTH}" for step in steps),
        lines=_lines(marks, axis),
        x_labels=axis.labels(),
        y_labels=tuple(
            Label(f"{100 - _height(step, most) / 10:.1f}%", f"{number(step) if step >= 10_000 else format(step, ',')}×") for step in steps
        ),
    )


def _strip(found: Diagnosis, present: Trial, zone: tzinfo) -> Picture:
    """When each ping came, from the oldest at the top to the newest: its distance from the slot across."""
    seconds = sorted(offset.seconds for offset in found.offsets)
    grace = present.schedule.grace
    furthest = max(abs(seconds[0]), abs(seconds[-1]), 600)
    marks: list[Mark] = [(0.0, "now", "the schedule")]
    if grace <= _FAR * furthest:
        marks.append((grace, "alarm", f"alarm after {span(grace)}"))
    marks += [mark for mark in _suggested(found, present) if abs(mark[0]) <= _FAR * furthest]
    axis = _linear(min(seconds[0], *(at for at, *_ in marks)), max(seconds[-1], *(at for at, *_ in marks)))
    drawn = found.offsets[:: -(-len(found.offsets) // _DOTS)]
    first, last = found.offsets[0].at, found.offsets[-1].at
    rows = [
        (axis.x(offset.seconds), _BAR_TOP + round((offset.at - first) / max(1, last - first) * (HEIGHT - _BAR_TOP - 30)))
        for offset in drawn
    ]
    before = sum(1 for one in seconds if one < 0)
    return Picture(
        title="How far from the schedule pings came",
        description=f"{len(seconds):,} pings, from {_signed(seconds[0])} to {_signed(seconds[-1])}; "
        f"{before:,} of them came before a time of the schedule. An alarm comes after {span(grace)}.",
        bars=(),
        dots="".join(f"M{x} {y}h0" for x, y in rows),
        allowed=(axis.x(0), axis.x(grace)),
        grid="".join(f"M{axis.x(tick)} 0V{HEIGHT}" for tick in axis.ticks),
        lines=_lines(marks, axis),
        x_labels=axis.labels(_signed),
        y_labels=tuple(
            Label(f"{y / 10:.1f}%", f"{datetime.fromtimestamp(at // SECOND, zone):%-d %b}")
            for at, y in ((first, _BAR_TOP), (last, HEIGHT - 30))
        ),
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """Seconds across; `scale` makes of them what is spread evenly."""

    low: float
    high: float
    ticks: tuple[float, ...]
    scale: Callable[[float], float]

    def share(self, seconds: float) -> float:
        low, high = self.scale(self.low), self.scale(self.high)
        return min(1.0, max(0.0, (self.scale(seconds) - low) / (high - low)))

    def x(self, seconds: float) -> int:
        return round(self.share(seconds) * WIDTH)

    def labels(self, words: Callable[[float], str] | None = None) -> tuple[Label, ...]:
        texts = [(self.share(tick) * 100, (words or _exact)(tick)) for tick in self.ticks]
        return tuple(Label(f"{place:.2f}%", text) for place, text in texts if 2 <= place <= 98)


def _linear(low: float, high: float) -> _Axis:
    room = max((high - low) * 0.06, high * 0.01, 1.0)
    low, high = (max(0.0, low - room) if low >= 0 else low - room), high + room
    # Long ones need room: all of `2 d 23 h 59 min` is to be read on a phone.
    fitting = (step for step in _STEPS if (high - low) / step <= (6 if len(_exact(high // step * step)) <= 7 else 3))
    step = next(fitting, (high - low) / 3)
    return _Axis(low, high, tuple(n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)), lambda seconds: seconds)


def _logarithmic(low: float, high: float) -> _Axis:
    low, high = max(low, 0.001) / 1.3, high * 1.3
    return _Axis(low, high, tuple(time for time in _TIMES if low <= time <= high), lambda seconds: math.log(max(seconds, low)))


def _bars(seconds: Sequence[float], axis: _Axis) -> list[tuple[float, float, int]]:
    """The shortest and the longest of each bar, and how many there are."""
    held: dict[int, list[float]] = {}
    for one in seconds:
        held.setdefault(min(_BARS - 1, int(axis.share(one) * _BARS)), []).append(one)
    return [(held[place][0], held[place][-1], len(held[place])) for place in sorted(held)]


def _bar(first: float, last: float, count: int, most: int, axis: _Axis) -> Bar:
    width = WIDTH // _BARS
    place = min(_BARS - 1, int(axis.share(first) * _BARS))
    height = _height(count, most)
    times = f"{count:,} time{'s' if count > 1 else ''}"
    exact = span(first) if span(first) == span(last) else f"{span(first)} to {span(last)}"
    return Bar(place * width + 6, HEIGHT - height, width - 12, height, f"{times} {exact}")


def _height(count: int, most: int) -> int:
    """Each step upwards is ten times as many: a few late pings are to be seen beside thousands in time."""
    return max(_LEAST_BAR, round(_BAR_ROOM * math.log10(count + 1) / math.log10(max(most, 9) + 1)))


def _limits(trial: Trial, said: str) -> list[Mark]:
    """When a ping is expected, and when its absence is an alarm: for slots no time between pings says so."""
    schedule = trial.schedule
    if schedule.cron is not None:
        return []
    kind = "better" if said else "alarm"
    grace = f" + {span(schedule.grace)}" if schedule.grace else ""
    expected, alarm = f"expected after {span(schedule.interval)}", f"{said}alarm after {span(schedule.interval)}{grace}"
    return [(schedule.interval, "now", expected), (schedule.interval + schedule.grace, kind, alarm)]


def _suggested(found: Diagnosis, present: Trial) -> list[Mark]:
    """Where the slots of the suggestion are, or its alarms; nothing where it has slots of another kind."""
    if found.suggestion is None or found.suggestion.schedule.cron != present.schedule.cron:
        return []
    better, schedule = found.suggestion.schedule, present.schedule
    if better.timezone == schedule.timezone:
        return [(better.grace, "better", f"suggested: alarm after {span(better.grace)}")]
    sooner = clocks.ahead(better.timezone, found.end) - clocks.ahead(schedule.timezone, found.end)
    return [(-sooner, "better", f"suggested: in {better.timezone}")]


def _lines(marks: Sequence[Mark], axis: _Axis) -> tuple[Line, ...]:
    return tuple(
        Line(axis.x(at), f"{axis.share(at) * 100:.2f}%", row, axis.share(at) > 0.5, kind, text)
        for row, (at, kind, text) in enumerate(marks)
    )


def _signed(seconds: float) -> str:
    return f"{'−' if seconds < 0 else '+'}{_exact(abs(seconds))}" if round(seconds) else "0"


def _exact(seconds: float) -> str:
    """A duration with all of its units, as neighbours on an axis may differ in the smallest: `2 d 23 h 59 min`."""
    if seconds < 1:
        return span(seconds)
    left, words = round(seconds), []
    for unit in (86_400, 3_600, 60, 1):
        whole, left = divmod(left, unit)
        words += [span(whole * unit)] if whole else []
    return " ".join(words)


def _middle(ordered: Sequence[float]) -> float:
    return ordered[(len(ordered) - 1) // 2]
