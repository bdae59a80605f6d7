"""One monitor: its status, each of its numbers as a curve, its runs, its texts and its newest pings.

The one dashboard for all chooses the monitor by a variable, and asks the store for its metrics, so new keys appear by themselves. A
monitor with thresholds also gets a dashboard of its own: panels that are repeated share one threshold, fixed ones have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.grafana import influxql, panels, units
from dashboards.grafana.panels import Json
from store.points.lines import label


def detail(uid: str, names: Mapping[str, str]) -> Json:
    """For whichever monitor is chosen; `names`: how the monitors are called, by id."""
    chosen = panels.choice("monitor", "Monitor", names)
    return _dashboard(uid, "Lastbeat monitor", influxql.CHOSEN, influxql.CHOSEN_NAME, [], [chosen])


def own_detail(uid: str, monitor_id: str, name: str, thresholds: Mapping[str, Sequence[float]]) -> Json:
    """For one monitor; `thresholds` by metric key are drawn into panels of their own."""
    where = influxql.monitor(monitor_id)
    fixed = [_fixed(where, key, lines) for key, lines in sorted(thresholds.items())]
    return _dashboard(uid, f"Monitor: {name}", where, name, fixed, [])


def _dashboard(uid: str, title: str, where: str, name: str, fixed: Sequence[Any], variables: Sequence[Any]) -> Json:
    seconds = panels.override("byName", "duration", unit="s")
    return panels.dashboard(
        uid,
        title,
        [
            panels.timeline("Status", influxql.states(where, name), size=(24, 5)),
            *fixed,
            panels.curve("Run duration", influxql.durations(where), unit="s", overrides=panels.band()),
            panels.bars("Pings per minute", [influxql.pings(where)]),
            panels.table("Newest pings", influxql.newest(where, 50), size=(16, 9), overrides=[seconds], empty="No ping in this time"),
            panels.table("Texts", influxql.texts(where), size=(8, 9), empty="No text in this time"),
            panels.curve(
                "$metric",
                influxql.spread(where, influxql.CHOSEN_METRIC),
                overrides=[*panels.guessed_units(), *panels.band(".* ")],
                repeat="metric",
            ),
        ],
        variables=[*variables, panels.found("metric", "Metric", influxql.keys(where))],
        annotations=[
            panels.turn("Down", "red", influxql.turns(where, "down")),
            panels.turn("Up", "green", influxql.turns(where, "up")),
        ],
        description="Generated: changes made here are lost.",
    )


def _fixed(where: str, key: str, lines: Sequence[float]) -> Any:
    queries = influxql.spread(where, influxql.metric(label(key)))
    return panels.curve(key.replace("$", "＄"), queries, size=(24, 8), unit=units.unit(key), lines=lines, overrides=panels.band(".* "))
