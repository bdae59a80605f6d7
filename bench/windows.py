"""What windows cost: one question of each kind, the same in a file of 100,000 series and of 100,000 monitors, and beside a writer.

And an evaluation of 1,000 rules of 10 shapes on 1,000 monitors.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.points import DISK
from bench.tick import _populate as populate
from rules.accept import accept
from rules.windows import Windows
from store.control import Control
from store.model import SECOND, Ns, Ping
from store.points import window_queries
from store.points.embedded import EmbeddedPoints
from store.rule import WINDOW_FUNCTIONS, Match, Rule, Window

NOW: Final[Ns] = 1_700_000_040 * SECOND
HOUR: Final[Ns] = 3_600 * SECOND
MONITORS, POINTS, RULES = 1_000, 60, 1_000
KEYS: Final = ("ms", "rows", "queue")
MANY: Final = 100_000


def run() -> dict[str, float]:
    with TemporaryDirectory(dir=DISK) as directory:
        return _measure(Path(directory))


def _measure(folder: Path) -> dict[str, float]:
    ids = populate(folder, MONITORS)
    points = EmbeddedPoints(folder / "points.db")
    for minute in range(POINTS):
        _send(points, ids, dict.fromkeys(KEYS, float(minute % 50)), NOW - (POINTS - minute) * 60 * SECOND)
    figures = {f"{func}_of_{MONITORS}_x_{POINTS}_ms": _window_ms(points, func, "ms") for func in WINDOW_FUNCTIONS}
    figures |= _beside(points, ids)
    figures |= _evaluated(folder, points, ids)
    for minute in (1, 2):
        _send(points, [f"mon_{n:016x}" for n in range(MANY)], {"other": float(minute)}, NOW - minute * 60 * SECOND)
    figures |= {f"{func}_among_{2 * MANY}_series_ms": _window_ms(points, func, "ms") for func in ("mean", "p95")}
    figures |= {f"{func}_of_{MANY}_x_2_ms": _window_ms(points, func, "other", times=1) for func in ("mean", "p95", "rate")}
    points.close()
    return figures


def _send(points: EmbeddedPoints, ids: Sequence[str], numbers: dict[str, float], at: Ns) -> None:
    for start in range(0, len(ids), 5_000):
        points.write([Ping(at + n, monitor, numbers=numbers) for n, monitor in enumerate(ids[start : start + 5_000])])


def _window_ms(points: EmbeddedPoints, func: str, metric: str, times: int = 3) -> float:
    assert func in WINDOW_FUNCTIONS
    return min(_ms(lambda: points.window(func, metric, NOW - HOUR, NOW)) for _ in range(times))


def _beside(points: EmbeddedPoints, ids: Sequence[str]) -> dict[str, float]:
    """The longest of twenty writes, alone and while another thread asks for one window after the other."""

    def longest(key: str) -> float:
        return max(_ms(lambda n=n: _send(points, ids, {key: 1.0}, NOW + n * SECOND)) for n in range(20))  # type: ignore[misc]

    alone, stop = longest("alone"), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            points.window("p95", "ms", NOW - HOUR, NOW)

    asking = threading.Thread(target=ask)
    asking.start()
    beside = longest("beside")
    stop.set()
    asking.join()
    return {f"longest_write_of_{MONITORS}_alone_ms": alone, f"longest_write_of_{MONITORS}_beside_windows_ms": beside}


def _evaluated(folder: Path, points: EmbeddedPoints, ids: Sequence[str]) -> dict[str, float]:
    control = Control(folder / "control.db")
    with control.begin() as connection:
        accept(connection, [_rule(n, ids) for n in range(RULES)], "", NOW)
    windows = Windows(control, points, lambda: NOW, "")
    before = _queries()
    took = _ms(lambda: windows.step(NOW))
    control.close()
    return {f"evaluation_of_{RULES}_rules_ms": took, "queries_of_that": _queries() - before}


def _rule(n: int, ids: Sequence[str]) -> Rule:
    """Of ten shapes, each for a monitor of its own; one in ten fires."""
    window = Window(WINDOW_FUNCTIONS[n % 5], (900, 3_600)[n % 10 // 5])
    value = -1.0 if n % 100 < 10 else 1e9
    return Rule(f"rule_{n}", "threshold", "r", match=Match(monitors=(ids[n],)), metric="ms", operator=">", value=value, window=window)


def _queries() -> float:
    return next(sample.value for metric in window_queries.collect() for sample in metric.samples if sample.name.endswith("_total"))


def _ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return round((time.perf_counter() - start) * 1_000, 1)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
