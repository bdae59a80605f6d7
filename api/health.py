"""How this server is: `/healthz`, `/readyz`, and `/metrics` for Prometheus. No key is needed: nothing here names a monitor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api import errors
from api.monitors import STATUSES
from api.parts import Parts, parts
from store.control import monitors, outbox, rule_set
from store.model import SECOND, Ns

blueprint = Blueprint("health", __name__)
errors.cover(blueprint)

LONGEST_REST: Ns = 30 * SECOND
_NOTICE_STATES = ("pending", "inflight", "sent", "dead", "held", "carried", "superseded")


@blueprint.get("/healthz")
def alive() -> dict[str, str]:
    """This process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def ready() -> tuple[dict[str, Any], int]:
    """Pings can be stored, and the rules are at work; else 503 with the reasons. `notes` say what else is not well."""
    now = parts().clock()
    reasons = [reason for reason in (parts().trouble(), rest(parts().rules_moved_at(), now)) if reason]
    with parts().control.read() as connection:
        refused = refused_rules(len(rule_set.refused(connection)))
    notes = [note for note in (parts().lag().sentence(now), buried(parts().dead_letters()), refused) if note]
    said: dict[str, Any] = {"status": "unavailable", "reasons": reasons} if reasons else {"status": "ok"}
    return said | ({"notes": notes} if notes else {}), 503 if reasons else 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """The counters of all processes, and what the control store holds now."""
    counters, gauges = REGISTRY, CollectorRegistry()
    if parts().metrics_dir is not None:
        counters = CollectorRegistry()
        MultiProcessCollector(counters, path=parts().metrics_dir)  # type: ignore[no-untyped-call]
    gauges.register(_Stored(parts()))
    return Response(generate_latest(counters) + generate_latest(gauges), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def rest(moved_at: Ns | None, now: Ns) -> str | None:
    """Why the rule loop does not count as running, from when it last moved; None if it does."""
    if moved_at is None:
        return "the rule loop has not begun"
    if now - moved_at > LONGEST_REST:
        return f"the rule loop has not moved for {(now - moved_at) // SECOND} s"
    return None


def buried(dead_letters: int) -> str | None:
    """The sentence about points that the time-series store refused for good; None if there are none."""
    if not dead_letters:
        return None
    return f"The time-series store refused {dead_letters:,} points for good; they are in dead-letters.jsonl, in the data directory."


def refused_rules(errors: int) -> str | None:
    """The sentence about rule files with so many errors; None if they have none."""
    if not errors:
        return None
    said = "1 error" if errors == 1 else f"{errors} errors"
    return f"The rule files have {said}, which the log names; the rules that were in force before stay in force."


class _Stored(Collector):
    """Read at each scrape: they are facts of the store, which no single process counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        lag = self._parts.lag()
        with self._parts.control.read() as connection:
            statuses = monitors.count_by_status(connection, None, self._parts.clock())
            states = outbox.depth(connection)
        yield _gauge("lastbeat_monitors", "Monitors by the status they show.", "status", {s: statuses.get(s, 0) for s in STATUSES})
        yield _gauge("lastbeat_outbox", "Notifications by state.", "state", {s: states.get(s, 0) for s in _NOTICE_STATES})
        yield GaugeMetricFamily("lastbeat_ship_lag_rows", "Records of the journals that the time-series store has not yet.", lag.rows)
        waited = lag.seconds(self._parts.clock())
        yield GaugeMetricFamily("lastbeat_ship_lag_seconds", "For how long the first of them has been waiting.", waited)


def _gauge(name: str, documentation: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
