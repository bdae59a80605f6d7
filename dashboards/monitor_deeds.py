"""What the buttons of a monitor's page do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from marshmallow import ValidationError
from sqlalchemy import Connection
from werkzeug.wrappers import Response as Reply

from dashboards.forms import threshold, whole
from dashboards.monitor_form import errors_of
from dashboards.monitor_page import alert_form, page
from dashboards.site import Site
from rules import actions
from rules.book import rule_of
from rules.definitions import AlertDefinition
from rules.rehearsal import recorded
from rules.rehearsal.preview import DAYS, PERIOD, Preview, preview, since
from store.control import alerts, metric_keys
from store.model import Monitor
from store.points import PointsError


def routes(blueprint: Blueprint, site: Site) -> None:
    _pausing(blueprint, site)
    _alerts(blueprint, site)
    _confirmed(blueprint, site)


def _pausing(blueprint: Blueprint, site: Site) -> None:
    @blueprint.post("/m/<monitor_id>/pause")
    def pause_monitor(monitor_id: str) -> Reply:
        with site.control.begin() as connection:
            actions.pause(connection, site.watched(connection, monitor_id).monitor, site.base_url, site.clock())
        return _back(monitor_id)

    @blueprint.post("/m/<monitor_id>/resume")
    def resume_monitor(monitor_id: str) -> Reply:
        with site.control.begin() as connection:
            actions.resume(connection, site.watched(connection, monitor_id).monitor, site.base_url, site.clock())
        return _back(monitor_id)


def _alerts(blueprint: Blueprint, site: Site) -> None:
    @blueprint.post("/m/<monitor_id>/alerts")
    def add_alert(monitor_id: str) -> Reply:
        try:
            with site.control.begin() as connection:
                monitor = site.watched(connection, monitor_id).monitor
                fields = AlertDefinition().load(_alert(connection, monitor))
                actions.add_alert(connection, monitor, fields, site.clock())
        except (ValidationError, actions.Refused) as refused:
            return page(site, monitor_id, 422, alert_values=request.form.to_dict(), alert_errors=errors_of(refused))
        return _back(monitor_id, "alerts")

    @blueprint.post("/m/<monitor_id>/alerts/preview")
    def preview_alert(monitor_id: str) -> Reply:
        # A script asks for the form alone, and puts it where it was.
        show = alert_form if "alone" in request.form else page
        said = request.form.to_dict()
        try:
            return show(site, monitor_id, alert_values=said, preview=_preview(site, monitor_id), preview_days=DAYS)
        except (ValidationError, actions.Refused) as refused:
            return show(site, monitor_id, 422, alert_values=said, alert_errors=errors_of(refused))
        except PointsError as error:
            trouble = site.behind() or f"{str(error).rstrip('.')}."
            return show(site, monitor_id, 503, alert_values=said, preview_trouble=trouble)

    @blueprint.post("/m/<monitor_id>/alerts/<alert_id>/delete")
    def delete_alert(monitor_id: str, alert_id: str) -> Reply:
        with site.control.begin() as connection:
            monitor = site.watched(connection, monitor_id).monitor
            alert = alerts.get(connection, monitor_id, alert_id)
            if alert is None:
                abort(404, "There is no such alert; it may have been deleted.")
            actions.delete_alert(connection, monitor, alert, site.base_url, site.clock())
        return _back(monitor_id, "alerts")


def _confirmed(blueprint: Blueprint, site: Site) -> None:
    @blueprint.route("/m/<monitor_id>/rotate-token", methods=["GET", "POST"])
    def rotate_token(monitor_id: str) -> Reply | str:
        if request.method != "POST":
            consequence = "The present ping URL stops working at once: every job that uses it must get the new one."
            return _question(site, monitor_id, "Replace the ping URL", consequence)
        with site.control.begin() as connection:
            actions.rotate_token(connection, site.watched(connection, monitor_id).monitor, site.clock())
        flash("The monitor has a new ping URL. Give it to every job that used the old one.")
        return _back(monitor_id)

    @blueprint.route("/m/<monitor_id>/delete", methods=["GET", "POST"])
    def delete_monitor(monitor_id: str) -> Reply | str:
        if request.method != "POST":
            return _question(site, monitor_id, "Delete", "Its ping URL stops working; its history, charts and alerts are gone for good.")
        with site.control.begin() as connection:
            monitor = site.watched(connection, monitor_id).monitor
            actions.delete_monitor(connection, monitor, site.base_url, site.clock())
        flash(f"“{monitor.name}” is deleted.")
        return redirect(url_for("pages.monitor_list"), 303)


def _alert(connection: Connection, monitor: Monitor) -> dict[str, Any]:
    form = request.form
    if not form.get("threshold", "").strip():
        raise ValidationError({"threshold": ["Threshold is needed"]})
    key = form.get("metricKey", "")
    known = {found.key: found.value for found in metric_keys.find(connection, monitor.id)[0]}
    return {
        "metricKey": key,
        "operator": form.get("operator", ""),
        "threshold": threshold(form.get("threshold", "").strip(), is_text=isinstance(known.get(key), str)),
        "channelId": form.get("channelId") or None,
        "consecutiveTriggers": whole(form.get("consecutiveTriggers", "1")),
    }


def _preview(site: Site, monitor_id: str) -> Preview:
    end = site.clock()
    start = end - PERIOD
    with site.control.read() as connection:
        monitor = site.watched(connection, monitor_id).monitor
        fields = AlertDefinition().load(_alert(connection, monitor))
        rule = rule_of(actions.draft_alert(connection, monitor, fields, end))
        pausings = recorded.pausings(connection, monitor, since(rule, monitor, start), end)
    return preview(site.points, monitor, rule, pausings, start, end)


def _question(site: Site, monitor_id: str, deed: str, consequence: str) -> str:
    with site.control.read() as connection:
        monitor = site.watched(connection, monitor_id).monitor
    question = f"{deed} of “{monitor.name}”?" if deed != "Delete" else f"Delete “{monitor.name}”?"
    back = url_for("pages.monitor", monitor_id=monitor_id)
    return render_template("confirm.html", question=question, consequence=consequence, deed=deed, back=back)


def _back(monitor_id: str, anchor: str | None = None) -> Reply:
    return redirect(url_for("pages.monitor", monitor_id=monitor_id, _anchor=anchor), 303)
