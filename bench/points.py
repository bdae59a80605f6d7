"""What the embedded points store takes and gives, on a real disk: rows written per second, and the time of a chart's query."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from store.model import SECOND, Ns, Ping
from store.points.embedded import EmbeddedPoints

DISK: Final = "/var/tmp"  # noqa: S108 - /tmp may be memory, where a sync costs nothing
MONITORS: Final = 1_000
KEYS: Final = ("load", "memory", "disk")
SAMPLES: Final = 4_320  # 24 hours of a ping every 20 s
STEP: Final[Ns] = 20 * SECOND
EPOCH: Final[Ns] = 1_700_000_000 * SECOND
ROWS_PER_PING: Final = 1 + len(KEYS)


def run() -> dict[str, float]:
    """Every monitor pings in turn, the worst order for rows that lie clustered by series."""
    figures: dict[str, float] = {}
    with TemporaryDirectory(dir=DISK) as directory:
        points = EmbeddedPoints(Path(directory) / "points.sqlite")
        crowd = _pings([f"mon_{n:016x}" for n in range(MONITORS)])
        points.write(list(islice(crowd, 5 * MONITORS)))
        for batch in (1_000, 5_000):
            figures[f"rows_per_second_in_batches_of_{batch}_pings"] = _rows_per_second(points, crowd, batch, 20_000 // batch)
        points.write(list(islice(_pings(["mon_charted"]), SAMPLES)))
        figures["buckets_ms"] = min(_chart_ms(points) for _ in range(20))
        points.close()
    return figures


def _pings(monitors: list[str]) -> Iterator[Ping]:
    at = EPOCH
    while True:
        for offset, monitor in enumerate(monitors):
            values = {key: math.sin(at / STEP + n) for n, key in enumerate(KEYS)}
            yield Ping(at + offset * 1_000, monitor, numbers=values, remote_addr="192.0.2.1", user_agent="curl/8.5.0")
        at += STEP


def _rows_per_second(points: EmbeddedPoints, pings: Iterator[Ping], batch: int, times: int) -> float:
    batches = [list(islice(pings, batch)) for _ in range(times)]
    start = time.perf_counter()
    for one in batches:
        points.write(one)
    return round(batch * times * ROWS_PER_PING / (time.perf_counter() - start))


def _chart_ms(points: EmbeddedPoints) -> float:
    start = time.perf_counter()
    series = points.buckets("mon_charted", KEYS, EPOCH, EPOCH + SAMPLES * STEP, SAMPLES * STEP // 360)
    elapsed = time.perf_counter() - start
    assert all(len(buckets) in (360, 361) for buckets in series.values())
    return round(elapsed * 1000, 2)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
