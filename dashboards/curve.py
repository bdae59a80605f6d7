"""Smooth lines that tell no lies: monotone cubic interpolation (Fritsch and Carlson 1980) written as Bezier path commands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]


def curve(run: Sequence[Point]) -> str:
    """The path through `run`, x strictly increasing, as absolute whole-number `M` and `C` commands.

    The line never leaves the range of two neighbouring points, so a peak on the chart was a peak in the data.
    A single point becomes a curve of no length, which round line caps show as a dot.
    """
    if not run:
        return ""
    if len(run) == 1:
        dot = _at(run[0])
        return f"M{dot}C{dot} {dot} {dot}"
    slopes = _slopes(run)
    path = [f"M{_at(run[0])}"]
    for i in range(len(run) - 1):
        (x0, y0), (x1, y1) = run[i], run[i + 1]
        third = (x1 - x0) / 3
        leave = (x0 + third, y0 + slopes[i] * third)
        arrive = (x1 - third, y1 - slopes[i + 1] * third)
        path.append(f"C{_at(leave)} {_at(arrive)} {_at(run[i + 1])}")
    return "".join(path)


def ribbon(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """The closed area between two lines over the same x; nothing for fewer than two points."""
    if len(upper) < 2:
        return ""
    return f"M{'L'.join(_at(point) for point in [*upper, *reversed(lower)])}Z"


def _slopes(run: Sequence[Point]) -> list[float]:
    widths = [after[0] - before[0] for before, after in pairwise(run)]
    rises = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(run)]
    inner = [_inner_slope(rises[i - 1], rises[i], widths[i - 1], widths[i]) for i in range(1, len(rises))]
    return [rises[0], *inner, rises[-1]]


def _inner_slope(before: float, after: float, width_before: float, width_after: float) -> float:
    """Flat at a turning point, elsewhere the weighted harmonic mean of the slopes on both sides."""
    if before * after <= 0:
        return 0.0
    w1 = 2 * width_after + width_before
    w2 = width_after + 2 * width_before
    return (w1 + w2) / (w1 / before + w2 / after)


def _at(point: Point) -> str:
    return f"{round(point[0])} {round(point[1])}"
