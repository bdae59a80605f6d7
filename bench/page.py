"""The time of a monitor's page, from request to the last byte, with three charts of 4,320 samples each over 72 hours."""

from __future__ import annotations

import math
import re
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.points import DISK
from config.settings import load
from lastbeat.installation import open_control, prepare
from lastbeat.places import Places
from lastbeat.web import create_app
from rules import actions
from rules.definitions import MonitorDefinition
from store.control import metric_keys, projects, settings
from store.model import SECOND, MetricKey, Ping, Plan
from store.points.embedded import EmbeddedPoints

KEYS = ("duration_ms", "queue_size", "memory_pct")
SAMPLES = 4_320
ROUNDS = 30
PASSWORD = "bench-password"  # noqa: S105 - of a server that lives for a second


def run() -> dict[str, float]:
    with TemporaryDirectory(dir=DISK) as directory:
        return _measure(Path(directory))


def _measure(folder: Path) -> dict[str, float]:
    now = time.time_ns()
    chosen = load({"data_dir": str(folder)}, {"LASTBEAT_ADMIN_PASSWORD": PASSWORD})
    prepare(chosen, now)
    control, points = open_control(chosen), EmbeddedPoints(Places(folder).points)
    with control.begin() as connection:
        project = projects.get(connection, settings.get(connection, settings.DEFAULT_PROJECT) or "")
        assert project
        monitor = actions.add_monitor(connection, project, Plan("unlimited"), MonitorDefinition().load({"name": "bench"}), now).monitor
        metric_keys.save(connection, [(monitor.id, MetricKey(key, 1.0, now)) for key in KEYS])
    stamps = [now - n * 60 * SECOND for n in range(SAMPLES, 0, -1)]
    points.write([Ping(at, monitor.id, numbers={k: 100 + 30 * math.sin(at / 1e13 + n) for n, k in enumerate(KEYS)}) for at in stamps])
    app = create_app(chosen, control, points, time.time_ns, trouble=lambda: None, rules_moved_at=time.time_ns)
    client = app.test_client()
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login", base_url=chosen.base_url).text)
    assert token
    client.post("/login", base_url=chosen.base_url, data={"csrf": token[1], "password": PASSWORD})
    times, size = [], 0
    for _ in range(ROUNDS + 3):
        start = time.perf_counter()
        reply = client.get(f"/m/{monitor.id}?range=72h", base_url=chosen.base_url)
        times.append((time.perf_counter() - start) * 1_000)
        assert reply.status_code == 200
        assert reply.text.count('class="card chart"') >= len(KEYS) or reply.text.count("<figure") >= len(KEYS)
        size = len(reply.data)
    times = sorted(times[3:])  # the first ones load templates
    return {"page_72h_median_ms": round(statistics.median(times), 1), "page_72h_p95_ms": round(times[-2], 1), "page_bytes": size}


if __name__ == "__main__":
    print(run())
