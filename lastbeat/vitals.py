"""Lastbeat's own numbers, written beside everybody's, so that Grafana needs no second source to show how Lastbeat is."""

from __future__ import annotations

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
        if behind.trouble is None or behind.rows == 0:  # else those who have pings to ship find out, and tell
            numbers = self._counted(now) | self._stored(now)
            numbers |= {"ship_lag_rows": float(behind.rows), "ship_lag_seconds": behind.seconds(now)}
            self._write(Ping(now, ITSELF, numbers=numbers), behind, now)
        return False

    def _write(self, ping: Ping, behind: lag.Lag, now: Ns) -> None:
        """Write, and let people know how the store is while nobody else asks it."""
        try:
            self._points.write([ping])
        except Away as error:
            with self._control.begin() as connection:
                lag.note(connection, error, now)
        else:
            if behind.trouble is not None:
                with self._control.begin() as connection:
                    lag.clear(connection)

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
