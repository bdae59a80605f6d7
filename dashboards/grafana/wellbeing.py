"""How Lastbeat itself is, from the numbers that its engine writes beside everybody's: journal, lag, notifications, time of a tick."""

from __future__ import annotations

from dashboards.grafana import influxql, panels
from dashboards.grafana.panels import Json


def wellbeing(uid: str) -> Json:
    return panels.dashboard(
        uid,
        "Lastbeat itself",
        [
            panels.figure("Rules lag", influxql.own_now("settle_lag_seconds"), color="orange", limit=10, unit="s"),
            panels.figure("Records not in InfluxDB", influxql.own_now("ship_lag_rows"), color="orange", limit=5_000),
            panels.figure("Notifications waiting", influxql.own_now("outbox.pending"), color="yellow", limit=100),
            panels.figure("Notifications given up", influxql.own_now("outbox.dead"), color="red"),
            panels.curve("Time of a tick", [influxql.own("step_seconds.")], unit="s", description="Newest round of each background step."),
            panels.bars("Pings answered per minute, by status", [influxql.own_rate("pings_total.")]),
            panels.curve(
                "Journals", [influxql.own("journal_bytes.")], unit="bytes", description="What is not processed yet, a worker each."
            ),
            panels.curve("Lag", [influxql.own("settle_lag_seconds"), influxql.own("ship_lag_seconds")], unit="s"),
            panels.bars("Notifications per minute", [influxql.own_rate("notifications_total.")]),
            panels.bars("Monitors by status", [influxql.own("monitors.")]),
        ],
        description=f"{_HONEST} Generated: changes made here are lost.",
    )


_HONEST = "These numbers travel through InfluxDB: while it is away there are none, and /metrics of Lastbeat tells."
