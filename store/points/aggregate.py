"""One number for each monitor from the points of a window: how each store is asked for each function.

What is meant is the same in both, and a test asks both. `p95` is the nearest rank, as InfluxQL counts it. `rate` is what a counter rose by
in a second, between the first and the last point: where it falls it began anew, and has risen from zero since, as in Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from store.model import SECOND
from store.rule import WindowFunction

Measured = Mapping[str, tuple[float, int]]  # by monitor: the number, and of how many points

LARGEST: Final = 1.7976931348623157e308
# Sums on the way to a number may be beyond every float. Then all is done once more with values that are smaller by so much: a power
# of two, so that none but the tiniest loses anything.
SHRINK: Final = 2.0**64

_SERIES: Final = """series CROSS JOIN numbers ON numbers.series = series.id
WHERE measurement = 'hb_metric' AND label = :metric AND at >= :start AND at < :end GROUP BY series.id"""
# Each series is read once more by itself, in a subquery: to number the rows of all of them together would take three times as long, and
# sort them on disk where they are many.
_COUNTED: Final = f"(SELECT series.id AS id, monitor, count(*) AS number, min(at) AS first, max(at) AS last FROM {_SERIES})"
_OWN: Final = "numbers WHERE series = id AND at >= :start AND at < :end"
_MEAN: Final = """CASE WHEN abs(avg(value / :scale)) < 9e999
THEN max(min(avg(value / :scale), max(value / :scale)), min(value / :scale)) END"""  # held: sums are rounded


def _grouped(number: str) -> str:
    return f"SELECT monitor, {number}, count(*) FROM {_SERIES}"


# Rows of monitor, number, count. The number is to be multiplied by `:scale`, which is 1 unless a sum was beyond every float: it is infinite
# then, or NULL.
SQL: Final[Mapping[WindowFunction, str]] = {
    "mean": _grouped(_MEAN),
    "min": _grouped("min(value)"),
    "max": _grouped("max(value)"),
    "sum": _grouped("sum(value / :scale)"),
    "count": _grouped("count(*)"),
    # The ranks are counted from the top, and none further than needed.
    "p95": f"""SELECT monitor, (
    SELECT value FROM (SELECT value, row_number() OVER (ORDER BY value DESC) AS rank FROM {_OWN})
    WHERE rank = number + 1 - (number * 95 + 50) / 100 LIMIT 1
    ), number FROM {_COUNTED}""",
    "rate": f"""SELECT monitor, (
    SELECT sum(CASE WHEN value >= before THEN value - before WHEN value < before THEN value END)
    FROM (SELECT value / :scale AS value, lag(value / :scale) OVER (ORDER BY at) AS before FROM {_OWN})
    ) / ((last - first) / 1e9), number FROM {_COUNTED} WHERE number > 1""",
}

_SOURCE: Final = '"hb_metric" WHERE "metric" = $metric AND time >= {start} AND time < {end}'
_SMALLER: Final = f"""(SELECT "value" / {SHRINK:.1f} AS "value" FROM {_SOURCE} GROUP BY "monitor")
    WHERE time >= {{start}} AND time < {{end}}"""

# Rows of time, number and count; a mean has its bounds before the count, and a count is its own number. A rate is ours to reckon, from rows
# of time and value: InfluxQL can say how far a counter came after a fall, but in subqueries of subqueries, which take ten times as long.
INFLUXQL: Final[Mapping[WindowFunction, str]] = {
    "mean": 'mean("value"), min("value"), max("value"), count("value")',
    "min": 'min("value"), count("value")',
    "max": 'max("value"), count("value")',
    "sum": 'sum("value"), count("value")',
    "count": 'count("value")',
    "p95": 'percentile("value", 95), count("value")',
    "rate": '"value"',
}
# One SELECT, since InfluxDB 3 takes no two at once.
ASKED: Final = f'SELECT {{function}} FROM {_SOURCE} GROUP BY "monitor"'
SHRUNK: Final = f'SELECT {{function}} FROM {_SMALLER} GROUP BY "monitor"'


def held(value: float, low: float = -LARGEST, high: float = LARGEST) -> float:
    """The number, or that of the bounds which is nearer."""
    return max(low, min(value, high))


def rate(points: Sequence[Sequence[Any]]) -> float:
    """What a counter rose by in a second. `points`: two at least, each an instant and a value, in the order of their times."""
    seconds = (points[-1][0] - points[0][0]) / SECOND
    values = [float(value) for _, value in points]
    risen = _risen(values) / seconds
    return risen if math.isfinite(risen) else held(_risen([value / SHRINK for value in values]) / seconds * SHRINK)


def _risen(values: Sequence[float]) -> float:
    return sum(after - before if after >= before else after for before, after in pairwise(values))
