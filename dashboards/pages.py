"""The web UI as one Flask blueprint: what people look at. Complete without JavaScript; with it, pages follow the facts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from dashboards import (
    channel_page,
    headers,
    monitor_deeds,
    monitor_doctor,
    monitor_form,
    monitor_list,
    monitor_page,
    project_page,
    session,
    words,
)
from dashboards.site import Site
from store.control import Control, settings
from store.instant import iso
from store.lag import Lag
from store.model import Ns, Plan
from store.points import Points, PointsError

_STATIC = Path(__file__).parent / "static"


def pages(
    control: Control,
    points: Points,
    clock: Callable[[], Ns],
    *,
    base_url: str,
    zone: str = "UTC",
    lag: Callable[[], Lag] = Lag,
    plans: Mapping[str, Plan] | None = None,
    refusals: Callable[[str], tuple[int, Ns] | None] = lambda _: None,
) -> Blueprint:
    """The pages, to be registered at `/` of an app with a SECRET_KEY.

    `base_url` is where jobs and people reach the server, without a trailing slash; `zone` serves readers whose browser has not told theirs.
    """
    blueprint = Blueprint("pages", __name__, static_folder="static", static_url_path="/assets", template_folder="templates")
    site = Site(control, points, clock, base_url.rstrip("/"), zone, lag, plans or {}, refusals)

    def password_hash() -> str | None:
        with control.read() as connection:
            return settings.get(connection, settings.ADMIN_PASSWORD_HASH)

    session.guard(blueprint, password_hash, clock, https=base_url.startswith("https:"))
    for part in (monitor_list, monitor_page, monitor_form, monitor_deeds, monitor_doctor, channel_page, project_page):
        part.routes(blueprint, site)
    blueprint.after_request(headers.secured)
    blueprint.register_error_handler(HTTPException, _error)
    blueprint.register_error_handler(PointsError, lambda error: _error(ServiceUnavailable(site.behind() or str(error))))
    # By class and not by code: a handler of the application's for 404 would go before those that other blueprints have for everything.
    blueprint.app_errorhandler(HTTPException)(_error)

    @blueprint.record_once
    def in_every_template(state: BlueprintSetupState) -> None:
        # Globals and not a context processor: imported macros see only those.
        state.app.jinja_env.globals.update(csrf_token=session.csrf_token, asset=asset, words=words, iso=iso, reader_zone=site.reader_zone)

    return blueprint


def asset(name: str) -> str:
    """The address of a static file, which changes with its content and may be cached for ever."""
    return url_for("pages.static", filename=name, v=_hash(name))


@lru_cache
def _hash(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def _error(error: HTTPException) -> Response:
    reply = make_response(render_template("error.html", error=error), error.code or 500)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            reply.headers[name] = value
    return headers.secured(reply)
