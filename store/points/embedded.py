"""The points store that needs no server: one SQLite file, written by the engine and read by every HTTP worker."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from store.model import Bucket, Ns, Ping
from store.points import METRIC, PING, TEXT, Refusal, window_queries
from store.points.aggregate import SHRINK, SQL, Measured, held
from store.points.connections import Connections
from store.rule import WindowFunction

EARLIEST: Final[Ns] = -(2**63)  # the integers SQLite takes, the years 1677 to 2262: a caller may ask for longer
LATEST: Final[Ns] = 2**63 - 1

Series = tuple[str, str, str]  # measurement, monitor, label
Row = tuple[Any, ...]  # at, then the other columns of the table

TABLES: Final = {PING: "pings", METRIC: "numbers", TEXT: "texts"}
INSERTS: Final = {
    PING: """INSERT OR REPLACE INTO pings (series, at, kind, duration, exit_status, rid, problem, remote_addr, user_agent, log)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
    METRIC: "INSERT OR REPLACE INTO numbers (series, at, value) VALUES (?, ?, ?)",
    TEXT: "INSERT OR REPLACE INTO texts (series, at, value) VALUES (?, ?, ?)",
}
FIND: Final = "SELECT id, oldest FROM series WHERE measurement = ? AND monitor = ? AND label = ?"
ADD: Final = "INSERT INTO series (measurement, monitor, label, oldest) VALUES (?, ?, ?, ?) RETURNING id"
AGE: Final = "UPDATE series SET oldest = ? WHERE id = ?"
DROP: Final = "DELETE FROM series WHERE id = ?"
OLDEST: Final = "SELECT min(at) FROM {table} WHERE series = ?"

# Numbers near the largest float overflow the sum and make the average infinite: it is held between the extremes, where it belongs.
BUCKETS: Final = """
SELECT label, at / :width * :width AS start, max(min(avg(value), max(value)), min(value)), min(value), max(value), count(*)
FROM series JOIN numbers ON numbers.series = series.id
WHERE monitor = :monitor AND measurement = 'hb_metric' AND label IN ({labels}) AND at >= :start AND at < :end
GROUP BY label, start ORDER BY label, start
"""
PAGE: Final = """
SELECT at, kind, log, problem, duration, exit_status, rid, remote_addr, user_agent
FROM series JOIN pings ON pings.series = series.id
WHERE monitor = ? AND measurement = 'hb_ping' AND label = '' AND at < ? AND at >= ?
ORDER BY at DESC LIMIT ? OFFSET ?
"""
ARRIVALS: Final = """
SELECT at FROM series JOIN pings ON pings.series = series.id
WHERE monitor = ? AND measurement = 'hb_ping' AND label = '' AND at >= ? AND at < ? AND kind = 'success'
ORDER BY at DESC LIMIT ?
"""
COUNT: Final = """
SELECT count(*) FROM series JOIN pings ON pings.series = series.id
WHERE monitor = ? AND measurement = 'hb_ping' AND label = '' AND at < ? AND at >= ?
"""
NUMBERS: Final = """
SELECT at, label, value FROM series JOIN numbers ON numbers.series = series.id
WHERE monitor = ? AND measurement = 'hb_metric' AND at BETWEEN ? AND ?
"""
TEXTS: Final = """
SELECT at, label, value FROM series JOIN texts ON texts.series = series.id
WHERE monitor = ? AND measurement = 'hb_text' AND at BETWEEN ? AND ?
"""
STALEST: Final = "SELECT id, measurement FROM series WHERE oldest < ? ORDER BY oldest LIMIT 1"
OF_MONITOR: Final = "SELECT id, measurement FROM series WHERE monitor = ? LIMIT 1"
TRIM: Final = """
DELETE FROM {table} WHERE series = :series AND at < coalesce(
    (SELECT at FROM {table} WHERE series = :series AND at < :before ORDER BY at LIMIT 1 OFFSET :limit), :before)
"""


class EmbeddedPoints:
    """`Points` in the SQLite file `path`. The file is made with mode 0600; it does not shrink, freed pages are used again.

    Threads may share it, processes may not: each opens its own, after it was forked. -0.0 comes back as 0.0.
    Opened at the first call, so that only those who ask for points meet a file that cannot be used: then every call raises `PointsError`.
    """

    def __init__(self, path: Path) -> None:
        self._connections = Connections(path)

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        rows: dict[str, list[Row]] = {PING: [], METRIC: [], TEXT: []}
        grouped = _by_series(pings)
        with self._connections.writing() as connection:
            for series, points in grouped.items():
                series_id = _ensured(connection, series, min(point[0] for point in points))
                rows[series[0]].extend((series_id, *point) for point in points)
            for measurement, batch in rows.items():
                batch.sort(key=itemgetter(0, 1))
                connection.executemany(INSERTS[measurement], batch)
        return []

    def buckets(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Mapping[str, list[Bucket]]:
        if width <= 0:
            raise ValueError(f"A bucket is at least 1 ns wide, not {width}.")
        labels = {f"label{n}": _encodable(metric) for n, metric in enumerate(metrics)}
        asked = {"monitor": monitor, "start": _bounded(start), "end": _bounded(end), "width": _bounded(width), **labels}
        found: dict[str, list[Bucket]] = defaultdict(list)
        with self._connections.reading() as connection:
            for label, *bucket in connection.execute(BUCKETS.format(labels=", ".join(f":{name}" for name in labels)), asked):
                found[label].append(Bucket(*bucket))
        return {metric: found[_encodable(metric)] for metric in metrics}

    def window(self, func: WindowFunction, metric: str, start: Ns, end: Ns) -> Measured:
        if start >= end:
            return {}
        asked = {"metric": _encodable(metric), "start": _bounded(start), "end": _bounded(end)}
        with self._connections.reading() as connection:
            for scale in (1.0, SHRINK):
                window_queries.inc()
                found = connection.execute(SQL[func], asked | {"scale": scale}).fetchall()
                if all(value is not None and math.isfinite(value) for _, value, _ in found):
                    break
        return {monitor: (held(value * scale), count) for monitor, value, count in found}

    def pings(self, monitor: str, *, limit: int, offset: int = 0, before: Ns | None = None, since: Ns = 0) -> list[Ping]:
        with self._connections.reading() as connection:
            page = connection.execute(PAGE, (monitor, _before(before), _bounded(since), _bounded(limit), _bounded(offset))).fetchall()
            if not page:
                return []
            span = (monitor, page[-1][0], page[0][0])
            numbers, texts = _by_instant(connection.execute(NUMBERS, span)), _by_instant(connection.execute(TEXTS, span))
        return [Ping(at, monitor, kind, numbers.get(at, {}), texts.get(at, {}), *rest) for at, kind, *rest in page]

    def arrivals(self, monitor: str, start: Ns, end: Ns, limit: int) -> list[Ns]:
        with self._connections.reading() as connection:
            found = connection.execute(ARRIVALS, (monitor, _bounded(start), _bounded(end), _bounded(limit))).fetchall()
        return [at for (at,) in reversed(found)]

    def count_pings(self, monitor: str, *, before: Ns | None = None, since: Ns = 0) -> int:
        with self._connections.reading() as connection:
            (count,) = connection.execute(COUNT, (monitor, _before(before), _bounded(since))).fetchone()
        return int(count)

    def expire(self, before: Ns, limit: int) -> int:
        return self._delete(STALEST, _bounded(before), _bounded(before), limit)

    def forget(self, monitor: str, limit: int) -> int:
        return self._delete(OF_MONITOR, monitor, LATEST, limit)

    def close(self) -> None:
        self._connections.close()

    def _delete(self, which: str, argument: Ns | str, before: Ns, limit: int) -> int:
        """Trim one series after the other, as `which` finds them, until `limit` rows went or none is found."""
        gone = 0
        with self._connections.writing() as connection:
            while gone < limit and (series := connection.execute(which, (argument,)).fetchone()):
                series_id, measurement = series
                gone += _trim(connection, series_id, measurement, before, limit - gone)
        return gone


def _by_series(pings: Iterable[Ping]) -> dict[Series, list[Row]]:
    series: dict[Series, list[Row]] = defaultdict(list)
    for ping in pings:
        at, monitor = ping.at, ping.monitor
        said = [_encodable(text) for text in (ping.rid, ping.problem, ping.remote_addr, ping.user_agent, ping.log)]
        series[PING, monitor, ""].append((at, ping.kind, ping.duration, ping.exit_status, *said))
        for metric, number in ping.numbers.items():
            series[METRIC, monitor, _encodable(metric)].append((at, number))
        for metric, text in ping.texts.items():
            series[TEXT, monitor, _encodable(metric)].append((at, _encodable(text)))
    return series


def _ensured(connection: sqlite3.Connection, series: Series, at: Ns) -> int:
    """The id of a series, made where it is new, which from now on knows that it has a row at `at`."""
    known = connection.execute(FIND, series).fetchone()
    if known is None:
        (made,) = connection.execute(ADD, (*series, at)).fetchone()
        return int(made)
    series_id, oldest = known
    if at < oldest:
        connection.execute(AGE, (at, series_id))
    return int(series_id)


def _trim(connection: sqlite3.Connection, series_id: int, measurement: str, before: Ns, limit: int) -> int:
    """Delete up to `limit` rows of a series from before an instant, and the series with its last row; returns how many rows."""
    table = TABLES[measurement]
    gone = connection.execute(TRIM.format(table=table), {"series": series_id, "before": before, "limit": limit}).rowcount
    (oldest,) = connection.execute(OLDEST.format(table=table), (series_id,)).fetchone()
    if oldest is None:
        connection.execute(DROP, (series_id,))
    else:
        connection.execute(AGE, (oldest, series_id))
    return gone


def _by_instant(values: Iterable[tuple[Ns, str, Any]]) -> dict[Ns, dict[str, Any]]:
    instants: dict[Ns, dict[str, Any]] = defaultdict(dict)
    for at, label, value in values:
        instants[at][label] = value
    return instants


def _encodable(text: Any) -> Any:
    """Lone surrogates cannot arrive (bodies are decoded as UTF-8), but a single one would refuse the whole batch for ever."""
    return text if text is None or text.isascii() else text.encode(errors="replace").decode()


def _bounded(number: int) -> int:
    return max(EARLIEST, min(number, LATEST))


def _before(instant: Ns | None) -> Ns:
    return LATEST if instant is None else _bounded(instant)
