"""A real Lastbeat with a real InfluxDB: every query of every dashboard that it wrote finds something."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from grafana_queries import filled, queries
from influx import Influx
from serving import Server

from dashboards.grafana.panels import Json
from store.model import SECOND

pytestmark = pytest.mark.server
HOUR = 3_600 * SECOND
METRIC = "it's 50 % of a/key_ms"


class House(NamedTuple):
    server: Server
    influx: Influx
    grafana: Path
    monitor: Any
    silent: Any

    def dashboards(self) -> dict[str, Json]:
        return {path.stem: json.loads(path.read_text()) for path in sorted((self.grafana / "dashboards").glob("*.json"))}

    def rows(self, query: str, metric: str) -> list[dict[str, Any]]:
        now = time.time_ns()
        return self.influx.rows(filled(query, now - 6 * HOUR, now + SECOND, monitor=self.monitor["id"], metric=metric))

    def metrics(self) -> list[str]:
        """What Grafana offers, and repeats a panel for, once it asks again."""
        (variable,) = [one for one in self.dashboards()["lastbeat-monitor"]["templating"]["list"] if one["name"] == "metric"]
        return [row["value"] for row in self.rows(variable["query"], "")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One monitor that was down and came back, and one that is down."""
    root = tmp_path_factory.mktemp("grafana")
    influx = Influx(root / "influx")
    server = Server(root / "data", LASTBEAT_DASHBOARDS_DIR=str(root / "grafana"), **influx.environ)
    try:
        influx.start()
        server.start()
        monitors = [server.monitor(name=name, interval=1, gracePeriod=0) for name in ("Nightly backup", "Silent")]
        house = House(server, influx, root / "grafana", *monitors)
        _live(house)
        yield house
    finally:
        server.end()
        influx.end()


def _live(house: House) -> None:
    server, monitor, silent = house.server, house.monitor, house.silent
    server.api("POST", f"/api/monitors/{monitor['id']}/metric-alerts", {"metricKey": METRIC, "operator": ">", "threshold": 900})
    server.ping(monitor, {METRIC: 12.5, "state": "fine"})
    server.ping(silent)
    server.until(lambda: server.status(monitor) == "down" and server.status(silent) == "down")
    server.ping(monitor, {METRIC: 13.5})
    server.until(lambda: f"lastbeat-{monitor['id']}" in house.dashboards())
    server.until(lambda: len(house.influx.rows("SELECT status FROM hb_state WHERE time > now() - 1h")) >= 5)
    # What takes longer than a test waits, or a receiver of notifications, in the lines that Lastbeat would write: a run, and two minutes
    # of its own counters.
    then = [time.time_ns() - minutes * 60 * SECOND for minutes in (2, 1)]
    house.influx.write(f"hb_ping,kind=success,monitor={monitor['id']} n=1,duration=2.5 {then[0]}")
    for key in ("pings_total.200", "notifications_total.webhook.sent"):
        house.influx.write(*(f"hb_metric,metric={key},monitor=lastbeat value={n} {at}" for n, at in enumerate(then)))
    down = "SELECT value FROM hb_metric WHERE monitor = 'lastbeat' AND metric = 'monitors.down' AND value > 0"
    server.until(lambda: house.influx.rows(down), 40)


def test_every_query_of_every_dashboard_finds_something(house: House) -> None:
    found = {}
    for uid, document in house.dashboards().items():
        for where, query in queries(document):
            found[f"{uid}: {where}"] = house.rows(query, METRIC.replace("%", "%25"))
    assert len(found) > 40
    assert [where for where, rows in found.items() if not rows] == []
    assert [(row["metric"], row["text"]) for row in found["lastbeat-monitor: Texts, A"]] == [("state", "fine")]
    assert {row["metric"].partition(".")[0] for row in found["lastbeat-health: Time of a tick, A"]} == {"step_seconds"}
    assert house.silent["id"] in [row["monitor"] for row in found["lastbeat-overview: Down, A"]]
    assert {row["mean"] for row in found["lastbeat-monitor: $metric, A"]} <= {12.5, 13.0, 13.5}
    assert [row["last"] for row in found["lastbeat-overview: Down now, A"]] in ([1], [2])


def test_a_key_that_arrives_later_is_in_the_dashboard_without_a_restart(house: House) -> None:
    assert "later_bytes" not in house.metrics()
    before = house.server.process.pid
    house.server.ping(house.monitor, {"later_bytes": 4096})
    house.server.until(lambda: "later_bytes" in house.metrics())
    (panel,) = [one for one in house.dashboards()["lastbeat-monitor"]["panels"] if one.get("repeat") == "metric"]
    assert {house.rows(target["query"], "later_bytes")[0]["metric"] for target in panel["targets"]} == {"later_bytes"}
    assert house.server.process.pid == before


def test_a_monitor_that_is_renamed_has_its_new_name_in_the_dashboards(house: House) -> None:
    house.server.api("PATCH", f"/api/monitors/{house.monitor['id']}", {"name": "Weekly backup"})
    own = f"lastbeat-{house.monitor['id']}"
    house.server.until(lambda: house.dashboards()[own]["title"] == "Monitor: Weekly backup")
