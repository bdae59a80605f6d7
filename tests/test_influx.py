"""What InfluxDB may answer: a stub plays those versions that are not at hand, and the real one what only it can do."""

from __future__ import annotations

import json
import math
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from influx import DATABASE, Influx

from store.model import SECOND, Ns, Ping, new_id
from store.points import Away, PointsError, wire
from store.points.influx import InfluxPoints
from store.rule import WINDOW_FUNCTIONS

AT: Ns = 1_700_000_000 * SECOND
Answer = tuple[int, str]
EMPTY: Answer = (200, '{"results":[{"statement_id":0}]}')


class Stub:
    """Answers writes as `take(lines)` says and queries with `found`; keeps the lines of all writes that got a 204."""

    def __init__(self) -> None:
        self.take: Callable[[list[str]], Answer] = lambda lines: (204, "")
        self.found: Answer = EMPTY
        self.first: list[Answer] = []  # what it says before that
        self.free = threading.Event()  # it answers no query until this is set
        self.free.set()
        self.taken: list[str] = []
        self.writes: list[list[str]] = []
        self.heads: list[tuple[str, dict[str, str]]] = []
        self.asked: list[str] = []  # the queries
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub.heads.append((self.path, dict(self.headers)))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.startswith("/api/v2/write"):
                    lines = body.decode().split("\n")
                    stub.writes.append(lines)
                    status, said = stub.take(lines)
                    stub.taken += lines if status == 204 else []
                else:
                    stub.asked += parse_qs(body.decode())["q"]
                    stub.free.wait(10)
                    status, said = stub.first.pop(0) if stub.first else stub.found
                with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said.encode())

            def log_message(self, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stub() -> Iterator[Stub]:
    one = Stub()
    yield one
    one.close()


def opened(url: str, token: str | None = None, bucket: str = DATABASE) -> InfluxPoints:
    return InfluxPoints(url, bucket, "our org", token, lambda: AT)


@pytest.fixture
def points(stub: Stub) -> Iterator[InfluxPoints]:
    store = opened(stub.url, "t0ken")
    yield store
    store.close()


def pinged(count: int, *, bad: int | None = None) -> list[Ping]:
    return [Ping(AT + n, "mon_1", numbers={"bad" if n == bad else "n": float(n)}) for n in range(count)]


def has_bad(lines: list[str]) -> bool:
    return any("metric=bad" in line for line in lines)


def saying(status: int, **body: object) -> Answer:
    return status, json.dumps(body)


def test_what_is_sent_fits_every_version(stub: Stub, points: InfluxPoints) -> None:
    points.write(pinged(1))
    points.pings("mon_1", limit=1, since=AT)
    (written, headers), (asked, form) = stub.heads
    assert urlsplit(written).path == "/api/v2/write"
    assert parse_qs(urlsplit(written).query) == {"org": ["our org"], "bucket": [DATABASE], "precision": ["ns"]}
    assert asked == "/query"
    assert headers["Authorization"] == form["Authorization"] == "Token t0ken"
    assert stub.taken == [f"hb_ping,kind=success,monitor=mon_1 n=1 {AT}", f"hb_metric,metric=n,monitor=mon_1 value=0.0 {AT}"]


def test_a_window_is_waited_for_when_a_page_is_no_more(stub: Stub, points: InfluxPoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_READ_MS", (3_000, 50))
    stub.free.clear()
    with ThreadPoolExecutor(1) as pool:
        window = pool.submit(points.window, "mean", "load", AT, AT + SECOND)
        for _ in range(3):
            with pytest.raises(Away, match="InfluxDB does not answer"):
                points.count_pings("mon_1")
        stub.free.set()
        assert window.result(10) == {}


PAGE: Answer = saying(200, results=[{"series": [{"name": "hb_ping", "values": [[AT, "success", 1, *[None] * 6]]}]}])


def test_every_question_is_a_single_statement_bounded_in_time(stub: Stub, points: InfluxPoints) -> None:
    # InfluxDB 3 takes no two statements at once, and opens every file that a query may meet.
    for func in WINDOW_FUNCTIONS:
        assert points.window(func, "load", AT, AT + SECOND) == {}
    points.buckets("mon_1", ["load"], AT, AT + SECOND, SECOND)
    points.arrivals("mon_1", AT, AT + SECOND, 10)
    points.count_pings("mon_1", since=AT)
    stub.first = [PAGE]
    assert points.pings("mon_1", limit=1, since=AT) == [Ping(AT, "mon_1")]
    assert len(stub.asked) == len(WINDOW_FUNCTIONS) + 5
    for query in stub.asked:
        assert query.count("SELECT") == 1
        assert ";" not in query
        assert "time >= " in query
        assert "time < " in query


def test_a_window_whose_sum_is_beyond_every_float_is_asked_for_once_more_with_smaller_numbers(stub: Stub, points: InfluxPoints) -> None:
    series = [{"tags": {"monitor": "mon_1"}, "values": [[AT, 2.0**960, 3]]}]
    stub.first = [(200, '{"error":"json: unsupported value: +Inf"}'), saying(200, results=[{"series": series}])]
    assert points.window("sum", "load", AT, AT + SECOND) == {"mon_1": (sys.float_info.max, 3)}
    first, second = stub.asked
    assert '"value" / 18446744073709551616.0' in second
    assert second.count("time >= ") == first.count("time >= ") + 1 == 2


def test_without_a_token_none_is_sent(stub: Stub) -> None:
    store = opened(stub.url)
    store.write(pinged(1))
    assert "Authorization" not in stub.heads[0][1]
    store.close()


def test_many_points_go_in_batches_of_five_thousand_lines(stub: Stub, points: InfluxPoints) -> None:
    points.write(pinged(6_000))
    assert sorted(len(lines) for lines in stub.writes) == [2_000, 5_000, 5_000]  # two may be under way at once


def test_long_logs_go_in_smaller_requests(stub: Stub, points: InfluxPoints) -> None:
    points.write([Ping(AT + n, "mon_1", log="x" * 10_000) for n in range(1_000)])
    assert len(stub.taken) == 1_000
    assert max(sum(map(len, lines)) for lines in stub.writes) < 5_000_000


@pytest.mark.parametrize(
    "refusal",
    [
        saying(400, error="partial write: unable to parse"),  # 1
        saying(400, code="invalid", message="unable to parse"),  # 2
        saying(422, code="unprocessable entity", message="field type conflict"),  # 2
        saying(413, error="Request Entity Too Large"),
    ],
)
def test_a_refused_batch_loses_only_the_line_that_is_to_blame(stub: Stub, points: InfluxPoints, refusal: Answer) -> None:
    stub.take = lambda lines: refusal if has_bad(lines) else (204, "")
    pings = pinged(3_000, bad=1_234)
    (refused,) = points.write(pings)
    assert refused.line == f"hb_metric,metric=bad,monitor=mon_1 value=1234.0 {AT + 1234}"
    assert refused.record == pings[1_234]
    assert refused.reason.startswith(str(refusal[0]))
    assert len(set(stub.taken)) == 5_999
    assert len(stub.writes) < 40


def test_influxdb_3_calls_a_bad_line_an_internal_error(stub: Stub, points: InfluxPoints) -> None:
    stub.take = lambda lines: saying(500, error="partial write of line protocol occurred") if has_bad(lines) else (204, "")
    pings = pinged(3_000, bad=2_900)
    for _ in range(3):
        with pytest.raises(Away, match="InfluxDB fails: 500 partial write of line protocol occurred"):
            points.write(pings)
    assert [refused.record for refused in points.write(pings)] == [pings[2_900]]
    assert len(set(stub.taken)) == 5_999


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (saying(500, error="engine: disk full"), "InfluxDB "),
        (saying(400, code="invalid", message="Please provide either orgID or org"), "InfluxDB refuses every point"),
        (saying(401, code="unauthorized", message="unauthorized access"), "InfluxDB refuses the token"),
        (saying(403, error="forbidden"), "InfluxDB refuses the token"),
        (saying(404, code="not found", message="bucket not found"), "InfluxDB does not know the bucket 'lastbeat' or the organization"),
        (saying(429, error="slow down"), "InfluxDB wants to be asked less"),
        ((502, "<html>Bad Gateway</html>"), "InfluxDB does not answer"),
        (saying(503, error="starting"), "InfluxDB does not answer"),
    ],
)
def test_a_server_that_takes_nothing_gets_everything_again(stub: Stub, points: InfluxPoints, answer: Answer, what: str) -> None:
    stub.take = lambda lines: answer
    for _ in range(6):
        with pytest.raises(Away) as raised:
            points.write(pinged(100))
        assert raised.value.what.startswith(what)
        assert str(answer[0]) in raised.value.why
    stub.take = lambda lines: (204, "")
    assert points.write(pinged(100)) == []
    assert len(stub.taken) == 200


def test_points_older_than_the_retention_are_no_reason_to_stop(stub: Stub, points: InfluxPoints) -> None:
    stub.take = lambda lines: saying(422, message="partial write: points beyond retention policy dropped=7")
    assert points.write(pinged(10)) == []
    assert len(stub.writes) == 1


def test_nobody_there_is_a_sentence(stub: Stub) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    store = opened(url)
    for call in (lambda: store.write(pinged(1)), lambda: store.pings("mon_1", limit=1), lambda: store.forget("mon_1", 1)):
        with pytest.raises(Away) as raised:
            call()
        assert str(raised.value) == f"InfluxDB does not answer: {url}: [Errno 111] Connection refused"
    store.close()


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (saying(200, results=[{"statement_id": 0, "error": "database not found: lastbeat"}]), "database not found: lastbeat"),
        (saying(400, error="error parsing query: found KEY"), "400 error parsing query: found KEY"),
        (saying(500, error="Query would scan 432 Parquet files"), "500 Query would scan 432 Parquet files"),
        (saying(200, results=[{"series": [{"name": "hb_ping", "values": [], "partial": True}]}]), "max-row-limit"),
        ((200, "<html>a login page</html>"), "cannot be read: <html>a login page</html>"),
        (saying(200, hello="world"), "cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_an_error(stub: Stub, points: InfluxPoints, found: Answer, sentence: str) -> None:
    stub.found = found
    with pytest.raises(PointsError, match="InfluxDB") as raised:
        points.count_pings("mon_1")
    assert sentence in str(raised.value)


def test_a_version_that_deletes_nothing_is_left_alone(stub: Stub, points: InfluxPoints) -> None:
    stub.found = saying(400, error="DELETE is not supported")
    assert points.forget("mon_1", 100) == 0


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    server = Influx(tmp_path_factory.mktemp("influx"))
    yield server.start()
    server.end()


def test_a_poison_line_is_set_aside_by_the_real_influxdb(influx: Influx) -> None:
    store, monitor = opened(influx.url), new_id("mon")
    pings = [Ping(AT + n, monitor, numbers={"n": math.nan if n == 777 else 1.0}) for n in range(2_000)]
    (refused,) = store.write(pings)
    assert refused.record is pings[777]
    assert "invalid number" in refused.reason
    assert store.count_pings(monitor) == 2_000
    assert store.buckets(monitor, ["n"], AT, AT + SECOND, SECOND)["n"][0].count == 1_999
    store.close()


def test_a_foreign_type_in_our_measurement_costs_only_what_conflicts(influx: Influx) -> None:
    influx.query("CREATE DATABASE flipped")
    store, monitor = opened(influx.url, bucket="flipped"), new_id("mon")
    influx.write(f"hb_text,metric=t,monitor=foreign text=1 {AT}", database="flipped")
    refused = store.write([Ping(AT + n, monitor, numbers={"t": 1.0}, texts={"s": "x"} if n == 5 else {}) for n in range(100)])
    assert [refusal.line for refusal in refused] == [f'hb_text,metric=s,monitor={monitor} text="x" {AT + 5}']
    assert "field type conflict" in refused[0].reason
    assert store.buckets(monitor, ["t"], AT, AT + SECOND, SECOND)["t"][0].count == 100
    store.close()


def test_a_bucket_that_is_missing_is_named(influx: Influx) -> None:
    store = opened(influx.url, bucket="nowhere")
    with pytest.raises(Away, match=r"^InfluxDB does not know the bucket 'nowhere' or the organization: "):
        store.write(pinged(1))
    with pytest.raises(PointsError, match="database not found: nowhere"):
        store.count_pings("mon_1")
    store.close()


def test_what_was_taken_survives_kill_9(tmp_path: Path) -> None:
    server = Influx(tmp_path / "influx").start()
    store = opened(server.url)
    store.write(pinged(500))
    server.kill()
    with pytest.raises(Away, match=r"InfluxDB does not answer: .* says 502"):
        store.write(pinged(500))
    server.start()
    assert store.count_pings("mon_1") == 500
    assert store.write(pinged(501)) == []
    assert store.count_pings("mon_1") == 501
    store.close()
    server.end()
