"""Shipping to a real InfluxDB (Debian's 1.6 behind the tests' nginx, on the same cores) and asking it, beside the embedded store.

`ship`: from the journal on disk until the offset is saved. `curl`: the same batches, ready in files, sent by one bare curl. `catch_up`:
600,000 pings with 3 numbers, which is what waits after 10 minutes without InfluxDB at 1,000 pings/s.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from bench.points import DISK, EPOCH, KEYS
from bench.points import _pings as pinged
from store.control import Control, offsets
from store.control.migrate import migrate
from store.deadletter import DeadLetters
from store.inbox import Inbox, journal_path
from store.journal import Journal, encode
from store.model import SECOND, Ns, Ping
from store.points import Points
from store.points.embedded import EmbeddedPoints
from store.points.influx import InfluxPoints
from store.points.lines import encoded, ping_lines
from store.ship import Ship

if TYPE_CHECKING:
    from influx import Influx

ROUNDS: Final = 3
LINES_PER_PING: Final = 1 + len(KEYS)
BATCH: Final = 5_000
SHIPPED: Final = 50_000
WAITING: Final = 600_000
MONITORS: Final = 1_000
SAMPLES: Final = 432  # 72 hours of a ping every 10 minutes
SPAN: Final[Ns] = 72 * 3_600 * SECOND


def run() -> dict[str, float]:
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from influx import Influx

    with TemporaryDirectory(dir=DISK) as directory:
        folder = Path(directory)
        server = Influx(folder / "influx").start()
        try:
            return _shipping(folder, server) | _charts(folder, server)
        finally:
            server.end()


def _shipping(folder: Path, server: Influx) -> dict[str, float]:
    crowd = pinged([f"mon_{n:016x}" for n in range(MONITORS)])
    shipped, bare = [], []
    for n in range(ROUNDS):
        pings = list(islice(crowd, SHIPPED))
        bare.append(SHIPPED * LINES_PER_PING / _curl(folder, server, pings, f"bare{n}"))
        shipped.append(SHIPPED * LINES_PER_PING / _ship(folder, server, iter(pings), f"shipped{n}"))
    seconds = _ship(folder, server, islice(crowd, WAITING), "outage")
    return {
        "ship_lines_per_second": round(statistics.median(shipped)),
        "curl_lines_per_second": round(statistics.median(bare)),
        "ship_share_of_curl": round(statistics.median(s / b for s, b in zip(shipped, bare, strict=True)), 2),
        "catch_up_seconds_after_10_minutes_at_1000_pings_per_second": round(seconds, 1),
    }


def _curl(folder: Path, server: Influx, pings: list[Ping], database: str) -> float:
    """Seconds that it takes to send the lines."""
    server.query(f"CREATE DATABASE {database}")
    curl = shutil.which("curl") or sys.exit("`curl` is missing: apt install curl")
    lines = [line for ping in pings for line in ping_lines(ping)]
    command = [curl]
    for start in range(0, len(lines), BATCH):
        path = folder / f"{start}.lines"
        path.write_bytes(encoded(lines[start : start + BATCH]))
        url = f"{server.url}/api/v2/write?bucket={database}&precision=ns"
        command += ["--next", "-sSf", "-o", "/dev/null", "--data-binary", f"@{path}", url]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def _ship(folder: Path, server: Influx, pings: Iterator[Ping], database: str) -> float:
    """Seconds from a full and settled journal to an empty one."""
    server.query(f"CREATE DATABASE {database}")
    root = folder / database
    root.mkdir()
    migrate(root / "control.db")
    control = Control(root / "control.db")
    journal = Journal(journal_path(root, 0), 1 << 40)
    while batch := [encode(ping) for ping in islice(pings, 10_000)]:
        journal.append(batch)
    inbox = Inbox(root)
    (reader,) = inbox.journals()
    with control.begin() as connection:
        offsets.save(connection, "settle", {reader.id: reader.last()})
    points = InfluxPoints(server.url, database, "lastbeat", None, time.time_ns)
    ship = Ship(control, inbox, points, DeadLetters(root / "dead"))
    began = time.perf_counter()
    while ship.step(EPOCH):
        pass
    elapsed = time.perf_counter() - began
    for part in (journal, inbox, points, control):
        part.close()
    shutil.rmtree(root)
    return elapsed


def _charts(folder: Path, server: Influx) -> dict[str, float]:
    monitors = [f"mon_{n:016x}" for n in range(MONITORS)]
    step = SPAN // SAMPLES
    server.query("CREATE DATABASE charts")
    embedded = EmbeddedPoints(folder / "points.db")
    influx = InfluxPoints(server.url, "charts", "lastbeat", None, lambda: EPOCH + SPAN)
    stores: dict[str, Points] = {"embedded": embedded, "influxdb": influx}
    for n in range(0, SAMPLES, 16):
        at = [EPOCH + m * step for m in range(n, min(n + 16, SAMPLES))]
        batch = [Ping(t + k, name, numbers={key: float(k + t % 97) for key in KEYS}) for t in at for k, name in enumerate(monitors)]
        for store in stores.values():
            store.write(batch)
    figures = {f"{name}_72_h_chart_ms": _chart_ms(store, monitors) for name, store in stores.items()}
    figures |= {f"{name}_latest_pings_ms": _latest_ms(store, monitors) for name, store in stores.items()}
    embedded.close()
    influx.close()
    return figures


def _chart_ms(store: Points, monitors: list[str]) -> float:
    """Median time of one page's charts: 3 keys in 360 buckets."""
    times = []
    for monitor in monitors[::20]:
        began = time.perf_counter()
        found = store.buckets(monitor, KEYS, EPOCH, EPOCH + SPAN, SPAN // 360)
        times.append(time.perf_counter() - began)
        assert all(sum(bucket.count for bucket in series) == SAMPLES for series in found.values())
    return round(statistics.median(times) * 1000, 2)


def _latest_ms(store: Points, monitors: list[str]) -> float:
    times = []
    for monitor in monitors[::20]:
        began = time.perf_counter()
        found = store.pings(monitor, limit=20, before=EPOCH + SPAN)
        times.append(time.perf_counter() - began)
        assert len(found) == 20
    return round(statistics.median(times) * 1000, 2)
