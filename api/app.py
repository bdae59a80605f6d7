"""Gives a Flask application the whole REST API, with what it works on handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Flask

from api import alert_preview, alerts, channels, doctor, errors, health, metrics, monitors, pings
from api import plans as plan_resource
from api.handbook import handbook
from api.parts import EXTENSION, Parts
from api.resource import document
from store.control import Control
from store.lag import Lag
from store.model import Ns, Plan
from store.points import Points

RESOURCES = (
    monitors.resource,
    pings.resource,
    metrics.resource,
    doctor.resource,
    alerts.resource,
    alert_preview.resource,
    channels.resource,
    plan_resource.resource,
)


def register(
    app: Flask,
    control: Control,
    points: Points,
    *,
    base_url: str,
    clock: Callable[[], Ns],
    trouble: Callable[[], str | None],
    rules_moved_at: Callable[[], Ns | None],
    metrics_dir: str | None = None,
    lag: Callable[[], Lag] = Lag,
    dead_letters: Callable[[], int] = int,
    plans: Mapping[str, Plan] | None = None,
) -> None:
    """Serve everything under /api/, and /healthz, /readyz and /metrics. The arguments are explained at `api.parts.Parts`."""
    app.extensions[EXTENSION] = Parts(
        control, points, base_url, clock, trouble, rules_moved_at, metrics_dir, lag, dead_letters, plans or {}
    )
    errors.answer_unrouted(app)
    app.register_blueprint(handbook(document(app, RESOURCES, base_url)))
    app.register_blueprint(health.blueprint)
