"""One metric drawn on the server: from buckets to the ready parts of an SVG that the template only puts in place.

The plot is 4000 by 1000 units, stretched to whatever width the page gives it; labels are placed in per cent, unstretched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dashboards.axis import Scale, scale, time_ticks
from dashboards.curve import Point, curve, ribbon
from dashboards.words import clock, number, plain, span, tick
from store.model import SECOND, Bucket, Ns, Operator

WIDTH, HEIGHT = 4000, 1000
BUCKETS = 360
# A break shows only where a ping is certainly missing: more than this many intervals, or buckets, without a value.
_GAP = 2.5
_NARROWEST_DOWN = 8


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold alert to draw on the chart of its metric."""

    operator: Operator
    threshold: float
    firing: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What all charts of a page share: the range, the bucket width, the ping interval (all ns), outages and the reader's zone."""

    start: Ns
    end: Ns
    width: Ns
    interval: Ns
    zone: tzinfo
    downs: tuple[tuple[Ns, Ns], ...] = ()


@dataclass(frozen=True, slots=True)
class Label:
    """A word at `place` per cent of its axis."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold at `y` units; its label stands below the line where there is no room above."""

    y: int
    label: Label
    below: bool
    firing: bool


@dataclass(frozen=True, slots=True)
class Down:
    """A period without the monitor, in units, with the sentence that explains it."""

    x: int
    width: int
    title: str


@dataclass(frozen=True, slots=True)
class Stats:
    """The numbers beside the chart, in words."""

    now: str
    avg: str
    min: str
    max: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template needs; `data` goes to the page as JSON for the pointer and the keyboard.

    `lone` repeats the points that have no neighbour to be joined with, to be drawn as dots. `stats` is None without data.
    """

    key: str
    line: str
    lone: str
    band: str
    grid: str
    y_labels: tuple[Label, ...]
    x_labels: tuple[Label, ...]
    lines: tuple[Line, ...]
    downs: tuple[Down, ...]
    stats: Stats | None
    data: dict[str, object]


def draw(key: str, buckets: Sequence[Bucket], frame: Frame, limits: Sequence[Limit] = (), latest: float | None = None) -> Chart:
    """The chart of one metric. `latest` is its newest value, whenever that was; the newest bucket's average stands in for it."""
    ys = scale([*(b.min for b in buckets), *(b.max for b in buckets), *(limit.threshold for limit in limits)])
    runs = list(_runs(buckets, frame))
    curves = [curve([_point(b, b.avg, frame, ys) for b in run]) for run in runs]
    return Chart(
        key=key,
        line="".join(curves),
        lone="".join(path for path, run in zip(curves, runs, strict=True) if len(run) == 1),
        band="".join(ribbon([_point(b, b.max, frame, ys) for b in run], [_point(b, b.min, frame, ys) for b in run]) for run in runs),
        grid="".join(f"M0 {round(ys.share(value) * HEIGHT)}H{WIDTH}" for value in ys.ticks()),
        y_labels=tuple(Label(_per_cent(ys.share(value)), tick(value, ys.step)) for value in ys.ticks()),
        x_labels=tuple(Label(_per_cent(t.share), t.label) for t in time_ticks(frame.start, frame.end, frame.zone) if _has_room(t.share)),
        lines=tuple(_line(limit, ys) for limit in limits),
        downs=tuple(_downs(frame)),
        stats=_stats(buckets, latest),
        data=_data(buckets, frame, ys),
    )


def _runs(buckets: Sequence[Bucket], frame: Frame) -> Iterator[list[Bucket]]:
    """The buckets cut wherever values are missing for longer than the pings' own rhythm explains."""
    widest = _GAP * max(frame.interval, frame.width)
    run: list[Bucket] = []
    for bucket in buckets:
        if run and bucket.at - run[-1].at > widest:
            yield run
            run = []
        run.append(bucket)
    if run:
        yield run


def _middle(bucket: Bucket, frame: Frame) -> Ns:
    """Where a bucket is drawn: its middle, never outside the range (its first and last buckets may stick out)."""
    return min(frame.end, max(frame.start, bucket.at + frame.width // 2))


def _point(bucket: Bucket, value: float, frame: Frame, ys: Scale) -> Point:
    return _share(_middle(bucket, frame), frame) * WIDTH, ys.share(value) * HEIGHT


def _share(at: Ns, frame: Frame) -> float:
    return (at - frame.start) / (frame.end - frame.start)


def _line(limit: Limit, ys: Scale) -> Line:
    share = ys.share(limit.threshold)
    label = Label(_per_cent(share), f"alert {limit.operator} {plain(limit.threshold)}")
    return Line(round(share * HEIGHT), label, share < 0.1, limit.firing)


def _downs(frame: Frame) -> Iterator[Down]:
    for began, ended in frame.downs:
        start, end = max(began, frame.start), min(ended, frame.end)
        if start >= end:
            continue
        left = round(_share(start, frame) * WIDTH)
        width = max(_NARROWEST_DOWN, round(_share(end, frame) * WIDTH) - left)
        title = f"Down for {span((ended - began) / SECOND)}: {clock(began, frame.zone)} to {clock(ended, frame.zone)}"
        yield Down(min(left, WIDTH - width), width, title)


def _stats(buckets: Sequence[Bucket], latest: float | None) -> Stats | None:
    if not buckets:
        return None
    samples = sum(b.count for b in buckets)
    average = sum(b.avg * (b.count / samples) for b in buckets)
    now = buckets[-1].avg if latest is None else latest
    return Stats(number(now), number(average), number(min(b.min for b in buckets)), number(max(b.max for b in buckets)))


def _data(buckets: Sequence[Bucket], frame: Frame, ys: Scale) -> dict[str, object]:
    return {
        "t0": frame.start // SECOND,
        "t1": frame.end // SECOND,
        "y0": ys.low,
        "y1": ys.high,
        "t": [_middle(b, frame) // SECOND for b in buckets],
        "v": [_short(b.avg) for b in buckets],
        "lo": [_short(b.min) for b in buckets],
        "hi": [_short(b.max) for b in buckets],
    }


def _short(value: float) -> float | int:
    """Five significant digits are what a tooltip shows; whole numbers lose their `.0` and the page its weight."""
    rounded = float(f"{value:.5g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _per_cent(share: float) -> str:
    return f"{share * 100:.2f}%"


def _has_room(share: float) -> bool:
    """Whether a centred word fits there; one pushed in from the edge would meet its neighbour on a phone."""
    return 0.03 <= share <= 0.97
