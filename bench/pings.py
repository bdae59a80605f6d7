"""Pings per second at 64 kept connections with one worker, beside the same server answering without storing.

`served`: the whole of `lastbeat serve`, its engine settling and shipping on the same cores meanwhile. `stored` and `unstored`: the
worker's part alone in one process, with the journal and with a journal that forgets. Rounds are interleaved; medians are given.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.load import Load, load
from bench.points import DISK

ROUNDS = 3
BODY = b'{"duration_ms": 1234, "records_processed": 500, "status": "complete"}'
KEY = "lb_bench_0123456789abcdef"


def run() -> dict[str, float]:
    with TemporaryDirectory(dir=DISK) as directory:
        folder = Path(directory)
        servers = {"served": _serve(folder), "stored": _part(folder, "store"), "unstored": _part(folder, "forget")}
        try:
            rounds: dict[str, list[Load]] = {}
            for _ in range(ROUNDS):
                for name, (_, url) in servers.items():
                    rounds.setdefault(f"{name}_get", []).append(load(url, folder=folder))
                    rounds.setdefault(f"{name}_metrics", []).append(load(url, body=BODY, folder=folder))
        finally:
            for process, _ in servers.values():
                process.terminate()
                process.wait()
    return _figures(rounds)


def _figures(rounds: dict[str, list[Load]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, loads in rounds.items():
        assert not any(one.failed for one in loads), (name, loads)
        figures[f"{name}_per_second"] = round(statistics.median(one.rate for one in loads))
        figures[f"{name}_p50_ms"] = statistics.median(one.p50 for one in loads)
        figures[f"{name}_p99_ms"] = statistics.median(one.p99 for one in loads)
    for kind in ("get", "metrics"):
        for name in ("served", "stored"):
            share = figures[f"{name}_{kind}_per_second"] / figures[f"unstored_{kind}_per_second"]
            figures[f"{name}_{kind}_share_of_unstored"] = round(share, 3)
    return figures


def _serve(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    port = _free_port()
    environ = {
        **os.environ,
        "LASTBEAT_API_KEY": KEY,
        "LASTBEAT_ADMIN_PASSWORD": "bench-password",
        "LASTBEAT_DATA_DIR": str(folder / "data"),
    }
    command = [sys.executable, "-m", "lastbeat", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    _until(lambda: urllib.request.urlopen(f"{base}/readyz", timeout=10).status == 200)
    body = json.dumps({"name": "bench", "interval": 3_600}).encode()
    request = urllib.request.Request(f"{base}/api/monitors", body, {"x-api-key": KEY, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        url = str(json.loads(reply.read())["pingUrl"])
    return process, url


def _part(folder: Path, journal: str) -> tuple[subprocess.Popen[bytes], str]:
    port = _free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.pings", str(port), journal, str(folder / journal)])
    url = f"http://127.0.0.1:{port}/ping/bench"
    _until(lambda: urllib.request.urlopen(url, timeout=10).status == 200)
    return process, url


def serve_part(port: int, kind: str, folder: Path) -> None:
    """The worker's part of a ping, for one monitor with the token `bench`, until the process is terminated."""
    from gevent.threadpool import ThreadPool

    from ingest.commit import Committer
    from ingest.endpoint import PingEndpoint
    from ingest.gate import Gate
    from ingest.http import Server
    from ingest.making import Making
    from ingest.registry import Registry
    from ingest.stamp import Stamps
    from store.control import Control, monitors, projects
    from store.control.migrate import migrate
    from store.journal import Journal
    from store.model import Monitor, Schedule

    folder.mkdir()
    migrate(folder / "control.db")
    control = Control(folder / "control.db")
    with control.begin() as connection:
        project = projects.create(connection, "bench", "unlimited", 0)
        monitors.add(connection, Monitor("mon_bench", project.id, "bench", None, (), Schedule(), "bench", 0, 0))
    append: Callable[[Sequence[bytes]], None] = Journal(folder / "0.db", 1 << 34).append if kind == "store" else lambda _: None
    registry = Registry(control, ThreadPool(1), time.time_ns, {}, Making(ThreadPool(1), lambda *_: None))
    pings = PingEndpoint(registry, Committer(append, ThreadPool(1), Stamps(time.time_ns, 0)), Gate(folder / "gate.db"))
    Server(socket.create_server(("127.0.0.1", port), backlog=1_024), pings, lambda *_: [], 10_000).serve_forever()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(true: Callable[[], bool]) -> None:
    for _ in range(200):
        try:
            if true():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


if __name__ == "__main__":
    serve_part(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
