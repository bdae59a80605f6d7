"""The Flask application: API and pages over the same stores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Flask

from api.app import register
from config.settings import Settings
from dashboards.pages import pages
from ingest.payload import MAX_BODY
from lastbeat.installation import secret_key
from lastbeat.places import Places
from store.control import Control
from store.deadletter import DeadLetters
from store.lag import measure
from store.model import Ns
from store.points import Points


def create_app(
    settings: Settings,
    control: Control,
    points: Points,
    clock: Callable[[], Ns],
    *,
    trouble: Callable[[], str | None],
    rules_moved_at: Callable[[], Ns | None],
    refusals: Callable[[str], tuple[int, Ns] | None] = lambda _: None,
) -> Flask:
    """`trouble`: why pings cannot be stored now. `rules_moved_at`: when the rule loop last moved. `refusals`: see `dashboards.site`."""
    places = Places(settings.data_dir)
    lag = partial(measure, control, places.journals)
    app = Flask("lastbeat", static_folder=None)
    app.config.update(
        SECRET_KEY=secret_key(places),
        MAX_CONTENT_LENGTH=MAX_BODY,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    register(
        app,
        control,
        points,
        base_url=settings.base_url,
        clock=clock,
        trouble=trouble,
        rules_moved_at=rules_moved_at,
        metrics_dir=str(places.counters),
        lag=lag,
        dead_letters=DeadLetters(places.dead_letters).count,
        plans=settings.plans,
    )
    app.register_blueprint(pages(control, points, clock, base_url=settings.base_url, lag=lag, plans=settings.plans, refusals=refusals))
    return app
