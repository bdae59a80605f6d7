"""Lastbeat's own numbers, written beside everybody's, so that Grafana needs no second source to show how Lastbeat is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from dashboards.grafana.influxql import ITSELF
from store import lag
from store.control import Control, monitors, outbox
from store.model import SECOND, Ns, Ping, ShownStatus
from store.points import Away, Points

_OURS = "lastbeat_"


class Vitals:
    """A step that writes them as one ping of a monitor called `lastbeat`, which nobody can make: ids of monitors begin with `mon_`.

    `counters`: the directory in which all processes share what `/metrics` counts. While the points' store is away nothing is written.
    """

    def __init__(self, control: Control, counters: Path, journals: Path, points: Points) -> None:
        self._control = control
        self._counters = counters
        self._journals = journals
        self._points = points

    def step(self, now: Ns) -> bool:
        behind = lag.measure(self._control, self._journals)
        if behind.trouble is None:
            numbers = self._counted(now) | self._stored(now)
            numbers |= {"ship_lag_rows": float(behind.rows), "ship_lag_seconds": behind.seconds(now)}
            with suppress(Away):  # whose outage is told by those who have pings to ship
                self._points.write([Ping(now, ITSELF, numbers=numbers)])
        return False

    def _counted(self, now: Ns) -> dict[str, float]:
        """What `/metrics` counts: `lastbeat_step_seconds{step="settle"}` is called `step_seconds.settle`."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._counters))  # type: ignore[no-untyped-call]
        samples = [sample for family in registry.collect() for sample in family.samples if sample.name.startswith(_OURS)]
        numbers = {".".join([sample.name.removeprefix(_OURS), *sample.labels.values()]): float(sample.value) for sample in samples}
        watermark = numbers.pop("watermark_seconds", None)
        return numbers if watermark is None else numbers | {"settle_lag_seconds": max(0.0, now / SECOND - watermark)}

    def _stored(self, now: Ns) -> dict[str, float]:
        with self._control.read() as connection:
            statuses, notices = monitors.count_by_status(connection, None, now), outbox.depth(connection)
        numbers = {f"monitors.{status}": float(statuses.get(status, 0)) for status in get_args(ShownStatus)}
        return numbers | {f"outbox.{state}": float(notices.get(state, 0)) for state in ("pending", "inflight", "sent", "dead")}
