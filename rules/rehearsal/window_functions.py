"""One number from the points of a window, for points in memory: what `store.points.aggregate` asks the stores for. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from store.model import Ns
from store.points.aggregate import SHRINK, held, rate
from store.rule import WindowFunction

Point = tuple[Ns, float]


def aggregated(func: WindowFunction, points: Sequence[Point]) -> float | None:
    """The number; None where there are too few points for one. `points` in the order of their times."""
    if not points or (func == "rate" and len(points) < 2):
        return None
    values = [value for _, value in points]
    match func:
        case "count":
            return float(len(values))
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "p95":
            return sorted(values)[max(1, math.floor(len(values) * 0.95 + 0.5)) - 1]
        case "rate":
            return rate(points)
        case "sum":
            return held(_sum(values))
        case "mean":
            return held(_sum(values, len(values)), min(values), max(values))


def _sum(values: Sequence[float], parts: int = 1) -> float:
    """The sum, or one part of it, of so many that are alike; sums on the way may be beyond every float."""
    plain = sum(values) / parts
    return plain if math.isfinite(plain) else sum(value / SHRINK for value in values) / parts * SHRINK
