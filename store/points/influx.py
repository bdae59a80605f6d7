"""The points store in InfluxDB, one code path from 1.8 to 3: writes to `/api/v2/write`, reads in InfluxQL over `/query`.

Both go over influxdb-client's connections. Every query is bounded in time, since InfluxDB 3 opens every file that a query may meet.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

import prometheus_client

from store.model import SECOND, Bucket, Ns, Ping, Transition
from store.points import METRIC, PING, STATE, TEXT, Away, PointsError, Refusal, window_queries
from store.points.aggregate import ASKED, INFLUXQL, SHRINK, SHRUNK, Measured, held, rate
from store.points.lines import encoded, from_source, label, ping_lines, state_line, text_of
from store.points.sift import NothingTaken, sift
from store.points.wire import Answered, Found, Unspeakable, Wire
from store.rule import WindowFunction

log = logging.getLogger(__name__)
_expired = prometheus_client.Counter(
    "lastbeat_points_expired", "Times that InfluxDB kept points in part, because some were older than its retention."
)

LATEST: Final[Ns] = 2**63 - 2  # InfluxDB's last instant, in the year 2262
FIRST_WINDOW: Final[Ns] = 6 * 3_600 * SECOND

_LINES = 5_000  # a request: fewer cost more time in all, more bring nothing
_SENDERS = 2  # requests at once: more bring nothing either
_BYTES = 4 * 2**20  # InfluxDB takes 10 MB (3) to 50 MB (2) at once
_STUMBLES = 3  # how often an "internal error" is the server's own trouble, before a line is suspected

_TIME = "time >= {start} AND time < {end}"
_DURING = f'"monitor" = $monitor AND {_TIME}'
_METRICS = f'"{METRIC}" WHERE {_DURING} AND ({{metrics}})'
_SHRUNK = f'(SELECT "value" / {SHRINK:.1f} AS "value" FROM {_METRICS} GROUP BY "metric") WHERE {_TIME}'
_BUCKETS = 'SELECT mean("value"), min("value"), max("value"), count("value") FROM {source} GROUP BY "metric"{by_time} fill(none)'
_PAGE = f"""SELECT "kind", "n", "log", "problem", "duration", "exit", "rid", "source" FROM "{PING}"
    WHERE {_DURING} ORDER BY time DESC LIMIT {{limit}} OFFSET {{offset}}"""
_ARRIVALS = f"""SELECT "n" FROM "{PING}" WHERE {_DURING} AND "kind" = 'success' ORDER BY time DESC LIMIT {{limit}}"""
_COUNT = f'SELECT count("n") FROM "{PING}" WHERE {_DURING}'
_VALUES = f'SELECT "value", "text" FROM "{METRIC}", "{TEXT}" WHERE {_DURING} GROUP BY "metric"'  # InfluxDB 3 takes one statement at once
_FORGET = ";".join(f'DELETE FROM "{measurement}" WHERE "monitor" = $monitor' for measurement in (PING, METRIC, TEXT, STATE))

Point = tuple[str, Ping | Transition]  # its line, and what it is of


class InfluxPoints:
    """`Points` in one bucket (a database, in InfluxDB 1). Threads may share it. How long points are kept is the bucket's affair.

    `token` is `user:password` for InfluxDB 1, None where it asks for none; `org` matters to InfluxDB 2 alone. Nothing is sent before
    the first call. Raises `Away` while InfluxDB does not work as it should, and `PointsError` for what it cannot answer.
    """

    def __init__(self, url: str, bucket: str, org: str, token: str | None, clock: Callable[[], Ns]) -> None:
        self._wire = Wire(url, bucket, org, token)
        self._clock = clock
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="influx")
        self._stumbles: Counter[str] = Counter()  # by the first line of a batch

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        return self._write((line, ping) for ping in pings for line in ping_lines(ping))

    def write_states(self, transitions: Sequence[Transition]) -> list[Refusal]:
        return self._write((state_line(transition), transition) for transition in transitions)

    def buckets(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Mapping[str, list[Bucket]]:
        if width <= 0:
            raise ValueError(f"A bucket is at least 1 ns wide, not {width}.")
        buckets: dict[str, list[Bucket]] = {metric: [] for metric in metrics}
        start, end = max(0, start), min(end, LATEST)
        if not metrics or start >= end:
            return buckets
        for found, scale in self._averages(monitor, metrics, start, end, width):
            key = text_of(found.tags["metric"])
            buckets[key] = [_bucket(row, start, width, scale) for row in found.rows]
        return buckets

    def window(self, func: WindowFunction, metric: str, start: Ns, end: Ns) -> Measured:
        start, end = max(0, start), min(end, LATEST)
        if start >= end:
            return {}
        terms = {"function": INFLUXQL[func], "start": start, "end": end}
        try:
            found, scale = self._by_monitor(ASKED.format(**terms), metric), 1.0
        except Unspeakable:  # a sum on the way is infinite
            found, scale = self._by_monitor(SHRUNK.format(**terms), metric), SHRINK
        if func == "rate":
            return {monitor: (rate(points), len(points)) for monitor, points in found.items() if len(points) > 1}
        return {monitor: _number(row, scale) for monitor, (row,) in found.items()}

    def pings(self, monitor: str, *, limit: int, offset: int = 0, before: Ns | None = None, since: Ns = 0) -> list[Ping]:
        rows: list[list[Any]] = []
        for start, end in self._windows(before, since):
            skipped = self._counted(monitor, start, end) if offset else 0
            if offset and offset >= skipped:
                offset -= skipped
                continue
            page = _PAGE.format(start=start, end=end, limit=min(limit - len(rows), LATEST), offset=offset)
            rows += [row for found in self._wire.ask(page, monitor=label(monitor))[0] for row in found.rows]
            offset = 0
            if len(rows) >= limit:
                break
        return self._joined(monitor, rows)

    def arrivals(self, monitor: str, start: Ns, end: Ns, limit: int) -> list[Ns]:
        newest: list[Ns] = []
        for begin, until in self._windows(end, start):
            asked = _ARRIVALS.format(start=begin, end=until, limit=min(limit - len(newest), LATEST))
            newest += [row[0] for found in self._wire.ask(asked, monitor=label(monitor))[0] for row in found.rows]
            if len(newest) >= limit:
                break
        return newest[::-1]

    def count_pings(self, monitor: str, *, before: Ns | None = None, since: Ns = 0) -> int:
        return self._counted(monitor, max(0, since), LATEST if before is None else min(before, LATEST))

    def expire(self, before: Ns, limit: int) -> int:
        return 0  # the bucket has a retention of its own

    def forget(self, monitor: str, limit: int) -> int:
        try:
            self._wire.ask(_FORGET, monitor=label(monitor))
        except Away:
            raise
        except PointsError as error:  # InfluxDB 3 deletes nothing; what is left goes with the bucket's retention
            log.info("the points of the deleted monitor %s stay: %s", monitor, error)
        return 0

    def close(self) -> None:
        self._senders.shutdown(wait=False, cancel_futures=True)
        self._wire.close()

    def _write(self, points: Iterator[Point]) -> list[Refusal]:
        # The first request is under way while the lines of the next are made.
        batches = iter(lambda: list(islice(points, _LINES)), [])
        return [refusal for refused in self._senders.map(self._put, batches) for refusal in refused]

    def _put(self, points: Sequence[Point]) -> list[Refusal]:
        answer = self._post(points)
        if answer is None:
            self._stumbles.pop(points[0][0], None)
            return []
        if answer.status == 500 and not self._stumbled_often(points[0]):
            raise Away("InfluxDB fails", str(answer))
        try:
            return [Refusal(str(why), line, record) for (line, record), why in sift(points, answer, self._post)]
        except NothingTaken as nothing:
            raise Away("InfluxDB refuses every point", str(nothing)) from None

    def _post(self, points: Sequence[Point]) -> Answered | None:
        """Write the points; the answer where one of them at least was refused, else None."""
        body = encoded(line for line, _ in points)
        if len(body) > _BYTES and len(points) > 1:
            middle = len(points) // 2
            first, second = self._post(points[:middle]), self._post(points[middle:])
            return first or second
        try:
            self._wire.write(body)
        except Answered as answer:
            if "beyond retention policy" not in answer.said:
                return answer
            _expired.inc()
            log.warning("InfluxDB kept all points but those that are older than its retention: %s", answer.said)
        return None

    def _stumbled_often(self, first: Point) -> bool:
        """Whether the batch that begins so made InfluxDB fail again and again: version 3 calls it that when it refuses a single line."""
        self._stumbles[first[0]] += 1
        return self._stumbles[first[0]] > _STUMBLES

    def _averages(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Iterator[tuple[Found, float]]:
        """Per metric rows of [time, mean, min, max, count], and by what they are to be multiplied."""
        labels = {f"metric{n}": label(metric) for n, metric in enumerate(metrics)}
        within_one = start // width == (end - 1) // width  # InfluxDB cannot count with widths near the end of time
        terms = {
            "start": start,
            "end": end,
            "metrics": " OR ".join(f'"metric" = ${name}' for name in labels),
            "by_time": "" if within_one else f", time({width}ns)",
        }
        try:
            (found,) = self._wire.ask(_BUCKETS.format(source=_METRICS.format(**terms), **terms), monitor=label(monitor), **labels)
            yield from ((one, 1.0) for one in found)
        except Unspeakable:  # the sum of numbers near the largest float is infinite
            (found,) = self._wire.ask(_BUCKETS.format(source=_SHRUNK.format(**terms), **terms), monitor=label(monitor), **labels)
            yield from ((one, SHRINK) for one in found)

    def _by_monitor(self, query: str, metric: str) -> dict[str, list[list[Any]]]:
        """The rows of a window query: one for each monitor, or one for each point."""
        window_queries.inc()
        (found,) = self._wire.ask(query, True, metric=label(metric))
        return {text_of(one.tags["monitor"]): one.rows for one in found}

    def _windows(self, before: Ns | None, since: Ns) -> Iterator[tuple[Ns, Ns]]:
        """The time from `since` to `before`, as [start, end) from the newest to the oldest, each twice as long as the one before."""
        end = LATEST if before is None else min(before, LATEST)
        start, length, since = min(end, self._clock()) - FIRST_WINDOW, FIRST_WINDOW, max(0, since)
        while end > since:
            yield max(start, since), end
            length *= 2
            start, end = start - length, start

    def _counted(self, monitor: str, start: Ns, end: Ns) -> int:
        (found,) = self._wire.ask(_COUNT.format(start=start, end=end), monitor=label(monitor))
        return sum(int(count) for one in found for _, count in one.rows)

    def _joined(self, monitor: str, rows: Sequence[Sequence[Any]]) -> list[Ping]:
        """Pings from their rows, newest first, with the metrics of the same instants."""
        if not rows:
            return []
        (found,) = self._wire.ask(_VALUES.format(start=rows[-1][0], end=rows[0][0] + 1), monitor=label(monitor))
        numbers, texts = _by_instant(found)
        return [_ping(monitor, row, numbers.get(row[0], {}), texts.get(row[0], {})) for row in rows]


def _bucket(row: Sequence[Any], start: Ns, width: Ns, scale: float) -> Bucket:
    at, mean, least, most, count = row
    low, high = least * scale, most * scale
    # Sums are rounded: an average is held between the extremes, where it belongs.
    return Bucket(max(at, start) // width * width, min(max(mean * scale, low), high), low, high, count)


def _number(row: Sequence[Any], scale: float) -> tuple[float, int]:
    """Of a row of time, number, its bounds if it has any, and count; a count is its own number."""
    _, *numbers, count = row
    value, *bounds = numbers or [count]
    return held(value * scale, *(bound * scale for bound in bounds)), int(count)


def _by_instant(found: Sequence[Found]) -> tuple[dict[Ns, dict[str, float]], dict[Ns, dict[str, str]]]:
    """Numbers and texts, from rows of time, number and text."""
    numbers: dict[Ns, dict[str, float]] = defaultdict(dict)
    texts: dict[Ns, dict[str, str]] = defaultdict(dict)
    for tags, rows in found:
        key = text_of(tags["metric"])
        for at, number, text in rows:
            if text is None:
                numbers[at][key] = float(number)
            else:
                texts[at][key] = str(text)
    return numbers, texts


def _ping(monitor: str, row: Sequence[Any], numbers: dict[str, float], texts: dict[str, str]) -> Ping:
    at, kind, _, said, problem, duration, exit_status, rid, source = row
    address, agent = from_source(source)
    return Ping(
        at,
        monitor,
        kind,
        numbers,
        texts,
        log=said,
        problem=problem,
        duration=None if duration is None else float(duration),
        exit_status=None if exit_status is None else int(exit_status),
        rid=rid,
        remote_addr=address,
        user_agent=agent,
    )
