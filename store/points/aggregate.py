"""One number for each monitor from the points of a window: how each store is asked for each function.

What is meant is the same in both, and a test asks both. `p95` is the nearest rank, as InfluxQL counts it. `rate` is what a counter rose by
in a second, between the first and the last point: where it falls it began anew, which adds nothing (InfluxQL cannot say how far it had come
since, so neither do we).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from store.rule import WindowFunction

Measured = Mapping[str, tuple[float, int]]  # by monitor: the number, and of how many points

LARGEST: Final = 1.7976931348623157e308

_POINTS: Final = """series CROSS JOIN numbers ON numbers.series = series.id
WHERE measurement = 'hb_metric' AND label = :metric AND at >= :start AND at < :end"""


def _grouped(value: str) -> str:
    return f"SELECT monitor, {value}, count(*) FROM {_POINTS} GROUP BY series.id"


# Every statement gives rows of monitor, number, count. A sum beyond every float is infinite, and one of both signs is NULL.
SQL: Final[Mapping[WindowFunction, str]] = {
    "mean": _grouped("max(min(avg(value), max(value)), min(value))"),
    "min": _grouped("min(value)"),
    "max": _grouped("max(value)"),
    "sum": _grouped("sum(value)"),
    "count": _grouped("count(*)"),
    "p95": f"""SELECT monitor, value, number FROM (
    SELECT monitor, value, row_number() OVER (PARTITION BY series.id ORDER BY value) AS rank,
    count(*) OVER (PARTITION BY series.id) AS number FROM {_POINTS}) WHERE rank = max(1, CAST(number * 0.95 + 0.5 AS INTEGER))""",
    "rate": f"""SELECT monitor, sum(max(value - coalesce(before, value), 0.0)) * 1e9 / (max(at) - min(at)), count(*) FROM (
    SELECT series.id AS id, monitor, at, value, lag(value) OVER (PARTITION BY series.id ORDER BY at) AS before
    FROM {_POINTS}) GROUP BY id HAVING count(*) > 1""",
}

_SOURCE: Final = '"hb_metric" WHERE "metric" = $metric AND time >= {start} AND time < {end}'
_RISES: Final = f'(SELECT non_negative_difference("value") AS "rise" FROM {_SOURCE} GROUP BY "monitor")'
_PAUSES: Final = f'(SELECT elapsed("value", 1ns) AS "pause" FROM {_SOURCE} GROUP BY "monitor")'
_BOUNDS: Final = "time >= {start} AND time < {end}"

# The functions that one SELECT can say; all but `count` and `p95` may meet numbers whose sum is no float.
INFLUXQL: Final[Mapping[WindowFunction, str]] = {
    "mean": 'mean("value")',
    "min": 'min("value")',
    "max": 'max("value")',
    "sum": 'sum("value")',
    "count": 'count("value")',
    "p95": 'percentile("value", 95)',
}
# Rows of time, number, count.
ASKED: Final = f'SELECT {{function}}, count("value") FROM {_SOURCE} GROUP BY "monitor"'
SHRUNK: Final = (
    f'SELECT {{function}}, count("value") FROM (SELECT "value" / {{shrink}} AS "value" FROM {_SOURCE} GROUP BY "monitor") '
    f'WHERE {_BOUNDS} GROUP BY "monitor"'
)
# Two answers: how much each counter rose, and in how many nanoseconds, between how many points.
RATE: Final = f"""SELECT sum("rise") FROM {_RISES} WHERE {_BOUNDS} GROUP BY "monitor";
    SELECT sum("pause"), count("pause") FROM {_PAUSES} WHERE {_BOUNDS} GROUP BY "monitor\""""


def held(value: float | None) -> float:
    """The number, or the nearest that is finite."""
    if value is None or value != value:
        return 0.0
    return max(-LARGEST, min(value, LARGEST))
