"""The form that makes a monitor and the one that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from marshmallow import ValidationError
from sqlalchemy import Connection
from werkzeug.wrappers import Response as Reply

from dashboards.forms import Errors, listed, sentences, whole
from dashboards.site import Site
from rules import actions
from rules.definitions import MonitorDefinition, defined_monitor
from rules.plans import default_interval
from store.control import channels
from store.model import Channel, Monitor

_LIMITS = ("startBy", "minRunTime", "maxRunTime")  # of a run; left empty there is none
_PROPOSED = ("interval", "gracePeriod", "schedule", "timezone")  # what a link may fill in: nothing counts before it is saved


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.route("/new", methods=["GET", "POST"])
    def new_monitor() -> Reply:
        if request.method != "POST":
            with site.control.read() as connection:
                interval = default_interval(site.plan(site.project(connection)))
            return _shown(site, None, _values({"interval": interval, "gracePeriod": "30", "timezone": "UTC"}), {})
        try:
            with site.control.begin() as connection:
                fields = MonitorDefinition().load(_definition(None))
                project = site.project(connection)
                made = actions.add_monitor(connection, project, site.plan(project), fields, site.clock())
        except (ValidationError, actions.Refused) as refused:
            return _shown(site, None, _sent(), errors_of(refused))
        return redirect(url_for("pages.monitor", monitor_id=made.monitor.id), 303)

    @blueprint.route("/m/<monitor_id>/edit", methods=["GET", "POST"])
    def edit_monitor(monitor_id: str) -> Reply:
        with site.control.read() as connection:
            monitor = site.watched(connection, monitor_id).monitor
            chosen = channels.chosen(connection, [monitor_id]).get(monitor_id, [])
        if request.method != "POST":
            proposed = {name: request.args[name] for name in _PROPOSED if name in request.args}
            return _shown(site, monitor, _values(defined_monitor(monitor, chosen)) | proposed, {}, proposed)
        try:
            with site.control.begin() as connection:
                monitor = site.watched(connection, monitor_id).monitor
                fields = MonitorDefinition().load(_definition(monitor))
                plan = site.plan(site.owner(connection, monitor))
                actions.edit_monitor(connection, monitor, plan, fields, site.base_url, site.clock())
        except (ValidationError, actions.Refused) as refused:
            return _shown(site, monitor, _sent(), errors_of(refused))
        return redirect(url_for("pages.monitor", monitor_id=monitor_id), 303)


def errors_of(refused: ValidationError | actions.Refused) -> Errors:
    return sentences(refused.messages if isinstance(refused, ValidationError) else refused.fields)


def _definition(monitor: Monitor | None) -> dict[str, Any]:
    """What the form says. A small form, as on the first page, keeps what it does not show."""
    form = request.form
    kept = {} if monitor is None else {name: defined_monitor(monitor, [])[name] for name in ("slug", "methods", *_LIMITS)}
    said: dict[str, Any] = {"name": form.get("name", "").strip()}
    for field in ("interval", "gracePeriod", *_LIMITS):
        if form.get(field, "").strip():
            said[field] = whole(form[field])
        elif field in _LIMITS and field in form:
            said[field] = None
    if "slug" in form:
        said |= {"slug": form["slug"].strip() or None, "methods": form.get("methods", "")}
    return (
        kept
        | said
        | {
            "schedule": form.get("schedule", "").strip() or None,
            "timezone": form.get("timezone", "").strip() or "UTC",
            "tags": listed(form.get("tags", "")),
            "channelIds": form.getlist("channelIds") or None,
        }
    )


def _values(definition: dict[str, Any]) -> dict[str, Any]:
    """What the form's fields hold for a definition."""
    shown = {name: "" if value is None else value for name, value in definition.items()}
    return shown | {"tags": ", ".join(definition.get("tags", [])), "channelIds": definition.get("channelIds") or []}


def _sent() -> dict[str, Any]:
    return {**request.form.to_dict(), "channelIds": request.form.getlist("channelIds")}


def _shown(site: Site, monitor: Monitor | None, values: dict[str, Any], errors: Errors, proposed: Mapping[str, str] | None = None) -> Reply:
    with site.control.read() as connection:
        known = _channels(connection, monitor.project_id if monitor else site.project(connection).id)
    heading = f"Edit {monitor.name}" if monitor else "New monitor"
    shown = {"monitor": monitor, "values": values, "errors": errors, "channels": known, "proposed": proposed}
    page = render_template("monitor_form.html", heading=heading, **shown)
    return make_response(page, 422 if errors else 200)


def _channels(connection: Connection, project_id: str) -> list[Channel]:
    return channels.find(connection, project_id, limit=1000)[0]
