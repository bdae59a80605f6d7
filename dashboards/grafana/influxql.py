"""The InfluxQL of the dashboards, with Grafana's macros in it. Names of measurements and fields are those of docs/influxdb-and-grafana.md.

A condition picks the monitor and, where there are several, the metric: `chosen` by the dashboard's variables, or fixed in the text.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from store.model import Status
from store.points import METRIC, PING, STATE, STATUS_NUMBERS, TEXT
from store.standing import DAY, LOOK_BACK

# Under this name, which no monitor can have, the engine writes its own numbers (lastbeat/vitals.py).
ITSELF: Final = "lastbeat"
ALL: Final = '"monitor" =~ /^mon_/'
CHOSEN_NAME: Final = "${monitor:text}"
CHOSEN: Final = '"monitor" =~ /^${monitor:regex}$/'
CHOSEN_METRIC: Final = '"metric" =~ /^${metric:regex}$/'
# States are written when they change, so the one at the left edge of a picture was written before it.
_BACK: Final = f"{LOOK_BACK // DAY}d"
_IN_RANGE: Final = "$timeFilter"
_SINCE_LONG: Final = f"time >= ${{__from}}ms - {_BACK} AND time <= ${{__to}}ms"
_BUCKET: Final = "time($__interval)"


class Query(NamedTuple):
    """`alias`: how its series are called, in Grafana's own patterns. A table has one row a point, with the tags as columns."""

    text: str
    alias: str = ""
    table: bool = False


def monitor(monitor_id: str) -> str:
    return f'"monitor" = {quoted(monitor_id)}'


def metric(tag: str) -> str:
    """`tag`: the metric as it is written in the tag."""
    return f'"metric" = {quoted(tag)}'


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def keys(where: str) -> str:
    """The numeric metrics of the last 72 hours, for a variable."""
    return f'SHOW TAG VALUES FROM "{METRIC}" WITH KEY = "metric" WHERE {where} AND time > now() - 72h'


def spread(where: str, which: str) -> list[Query]:
    """Mean, maximum and minimum of one metric; its name goes before each, for the guess of the unit."""
    return [_numbers(f'{of}("value")', METRIC, f"{where} AND {which}", f"$tag_metric {of}", by='"metric"') for of in ("mean", "max", "min")]


def durations(where: str) -> list[Query]:
    return [_numbers(f'{of}("duration")', PING, where, of) for of in ("mean", "max", "min")]


def pings(where: str) -> Query:
    return _numbers('sum("n") * 60000 / $__interval_ms', PING, where, "$tag_kind", by='"kind"')


def states(where: str, alias: str = "$tag_monitor") -> Query:
    """One row a change; each lasts until the next."""
    return Query(f'SELECT "status" FROM "{STATE}" WHERE {where} AND {_SINCE_LONG} GROUP BY "monitor"', alias)


def down(where: str) -> Query:
    """Who is down, and the time since when."""
    last = f'SELECT last("status") AS "status" FROM "{STATE}" WHERE {where} AND time > now() - {_BACK} GROUP BY "monitor"'
    return Query(f'SELECT "status", "monitor" FROM ({last}) WHERE "status" = {STATUS_NUMBERS["down"]}', table=True)


def turns(where: str, status: Status) -> str:
    """The moments at which a monitor became `status`, for annotations."""
    return f'SELECT "name" FROM "{STATE}" WHERE {where} AND "status" = {STATUS_NUMBERS[status]} AND {_IN_RANGE}'


def slowest(where: str, number: int) -> Query:
    return Query(f'SELECT top("duration", "monitor", {number}) AS "duration" FROM "{PING}" WHERE {where} AND {_IN_RANGE}', table=True)


def newest(where: str, number: int) -> Query:
    fields = '"kind", "duration", "exit", "problem", "log", "source"'
    return Query(f'SELECT {fields} FROM "{PING}" WHERE {where} AND {_IN_RANGE} ORDER BY time DESC LIMIT {number}', table=True)


def texts(where: str) -> Query:
    return Query(f'SELECT last("text") AS "text" FROM "{TEXT}" WHERE {where} AND {_IN_RANGE} GROUP BY "metric"', table=True)


def own(name: str) -> Query:
    """One of the engine's numbers over time, or all that begin with a name ending in a dot."""
    return _numbers('max("value")', METRIC, _own(name), "$tag_metric", by='"metric"')


def own_rate(name: str) -> Query:
    """A counter as so many a minute."""
    return _numbers('non_negative_derivative(max("value"), 1m)', METRIC, _own(name), "$tag_metric", by='"metric"')


def own_now(name: str) -> Query:
    """The newest value; nothing where the engine has not written for five minutes, because then nobody knows."""
    return Query(f'SELECT last("value") FROM "{METRIC}" WHERE {_own(name)} AND time > now() - 5m', name)


def _own(name: str) -> str:
    which = f'"metric" =~ /^{name[:-1]}\\./' if name.endswith(".") else metric(name)
    return f"{monitor(ITSELF)} AND {which}"


def _numbers(what: str, measurement: str, where: str, alias: str, *, by: str = "") -> Query:
    group = f"{_BUCKET}, {by}" if by else _BUCKET
    return Query(f'SELECT {what} FROM "{measurement}" WHERE {where} AND {_IN_RANGE} GROUP BY {group} fill(none)', alias)
