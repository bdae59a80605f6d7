"""All monitors at a glance: who is down, how everything went, what comes in, what took long."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from dashboards.grafana import influxql, panels
from dashboards.grafana.influxql import ALL
from dashboards.grafana.panels import Json

# Each name stands in three panels as rules that Grafana tries on every series.
MOST_NAMED: Final = 1_000


def overview(uid: str, detail_uid: str, all_names: Mapping[str, str]) -> Json:
    """`all_names`: how the monitors are called, by id; the first `MOST_NAMED` are called so, further ones by their ids."""
    names = dict(islice(all_names.items(), MOST_NAMED))
    monitors = panels.called(names, detail_uid)
    since = panels.override("byType", "time", displayName="down since")
    return panels.dashboard(
        uid,
        "Lastbeat overview",
        [
            panels.figure("Down now", influxql.own_now("monitors.down"), color="red"),
            panels.figure("Late now", influxql.own_now("monitors.late"), color="yellow"),
            panels.figure("Unverified", influxql.own_now("monitors.unverified"), color="orange", description=_UNVERIFIED),
            panels.figure("Notifications given up", influxql.own_now("outbox.dead"), color="red"),
            panels.timeline("All monitors", influxql.states(ALL), size=(24, 12), names=names),
            panels.table("Down", influxql.down(ALL), size=(12, 8), overrides=[monitors, since], hidden="status", empty="Nothing is down"),
            panels.bars("Pings per minute", [influxql.pings(ALL)]),
            panels.table("Slowest runs", influxql.slowest(ALL, 15), size=(24, 9), overrides=[monitors, _SECONDS], empty="No run was timed"),
        ],
        annotations=[],
        description="All monitors of this Lastbeat. Generated: changes made here are lost.",
    )


_UNVERIFIED = "Monitors that could not be observed for a while, because Lastbeat itself did not listen."
_SECONDS = panels.override("byName", "duration", unit="s")
