"""InfluxDB dies, Lastbeat dies, jobs go on pinging: real processes, kill -9."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from influx import Influx
from serving import API_KEY, Server

pytestmark = pytest.mark.server


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influx]:
    server = Influx(tmp_path / "influx")
    yield server.start()
    server.end()


@pytest.fixture
def lastbeat(tmp_path: Path, influx: Influx) -> Iterator[Server]:
    server = Server(tmp_path / "data", **influx.environ)
    yield server.start()
    server.end()


class Inbox:
    """Receives webhooks."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inbox.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def got(self, event: str, monitor: Any) -> bool:
        return any(one["event"] == event and one["monitor"]["id"] == monitor["id"] for one in self.events)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    one = Inbox()
    yield one
    one.close()


class Load:
    """Jobs that ping without pause, each with a number of its own; `acknowledged` are those that were answered with 200."""

    def __init__(self, server: Server, monitor: Any, threads: int = 4) -> None:
        self.acknowledged: list[int] = []
        self._numbers = count()
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(server, monitor)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, server: Server, monitor: Any) -> None:
        while not self._done.is_set():
            number = next(self._numbers)
            if server.ping(monitor, {"n": number, "host": f"job {number}"}).status == 200:
                self.acknowledged.append(number)

    def end(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(20)


def lag(server: Server) -> float:
    found = [line.split()[1] for line in server.get("/metrics").body.decode().splitlines() if line.startswith("lastbeat_ship_lag_rows ")]
    return float(found[0]) if found else -1.0


def test_nothing_is_lost_and_alerts_fire_while_influxdb_and_lastbeat_are_killed(influx: Influx, lastbeat: Server, inbox: Inbox) -> None:
    channel = lastbeat.api("POST", "/api/notification-channels", {"name": "sink", "type": "webhook", "config": {"url": inbox.url}})
    busy = lastbeat.monitor(interval=3_600)
    stale = lastbeat.monitor(interval=3, gracePeriod=1, channelIds=[channel["id"]])
    hot = lastbeat.monitor(interval=3_600, channelIds=[channel["id"]])
    lastbeat.api("POST", f"/api/monitors/{hot['id']}/metric-alerts", {"metricKey": "temp", "operator": ">", "threshold": 90})
    load = Load(lastbeat, busy)
    try:
        lastbeat.until(lambda: len(load.acknowledged) > 200)
        lastbeat.until(lambda: influx.rows(f"SELECT count(n) FROM hb_ping WHERE monitor = '{busy['id']}'"))
        influx.kill()
        reached = len(load.acknowledged)
        lastbeat.until(lambda: len(load.acknowledged) > reached + 200)
        lastbeat.kill()
        lastbeat.start()
        assert lastbeat.ping(stale).status == 200
        assert lastbeat.ping(hot, {"temp": 91}).status == 200
        lastbeat.until(lambda: inbox.got("metric_alert", hot))
        lastbeat.until(lambda: inbox.got("monitor_down", stale), 30)
        ready = lastbeat.until(lambda: (r := lastbeat.get("/readyz")).status == 200 and "notes" in r.json and r.json)
        assert ready["notes"][0].startswith("InfluxDB does not answer since ")
        assert " pings are waiting" in ready["notes"][0]
        refused = lastbeat.get(f"/api/monitors/{busy['id']}/pings", **{"x-api-key": API_KEY})
        assert refused.status == 503
        assert refused.json["error"].startswith("InfluxDB does not answer since ")
        influx.start()
        lastbeat.until(lambda: lag(lastbeat) < 200, 60)
        influx.kill()
        lastbeat.child("engine").kill()
        influx.start()
        lastbeat.until(lambda: lastbeat.children("engine"))
    finally:
        load.end()
    lastbeat.until(lambda: lag(lastbeat) == 0, 60)
    found = influx.rows(f"SELECT value FROM hb_metric WHERE monitor = '{busy['id']}' AND metric = 'n'")
    stored = Counter(round(row["value"]) for row in found)
    assert set(load.acknowledged) - set(stored) == set()
    assert max(stored.values()) == 1
    pings = influx.rows(f"SELECT n FROM hb_ping WHERE monitor = '{busy['id']}'")
    texts = influx.rows(f"SELECT text FROM hb_text WHERE monitor = '{busy['id']}' AND metric = 'host'")
    assert [row["time"] for row in pings] == [row["time"] for row in found] == [row["time"] for row in texts]
    states = influx.rows(f"SELECT \"name\" FROM hb_state WHERE monitor = '{stale['id']}'")
    assert [row["name"] for row in states][:2] == ["up", "down"]
    assert lastbeat.get("/readyz").json == {"status": "ok"}
    assert not (lastbeat.data / "dead-letters.jsonl").exists()


def test_pings_and_charts_are_served_from_influxdb(influx: Influx, lastbeat: Server) -> None:
    job = lastbeat.monitor()
    for value in (1, "starting", 2.5):
        assert lastbeat.ping(job, {"load": value}).status == 200
    path = f"/api/monitors/{job['id']}"
    pings = lastbeat.until(lambda: (p := lastbeat.api("GET", f"{path}/pings")) and len(p) == 3 and p)
    assert [ping["metrics"]["load"] for ping in pings] == [2.5, "starting", 1]
    (series,) = lastbeat.api("GET", f"{path}/metrics?key=load&range=6h")
    assert sum(point["count"] for point in series["points"]) == 2
    assert not (lastbeat.data / "points.db").exists()
    lastbeat.api("DELETE", path)
