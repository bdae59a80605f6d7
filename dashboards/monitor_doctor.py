"""The schedule doctor's page of a monitor: what its settings would have done. The monitor's own page shows it to those who open it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for

from dashboards.looking_back import picture
from dashboards.site import Site
from rules.doctor import consultation
from rules.doctor.symptoms import settings
from store.points import PointsError


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.get("/m/<monitor_id>/doctor")
    def monitor_doctor(monitor_id: str) -> Response:
        now = site.clock()
        with site.control.read() as connection:
            monitor = site.watched(connection, monitor_id).monitor
            away = consultation.absences(connection, monitor, now)
        try:
            found = consultation.consult(site.points, monitor, away, now)
        except PointsError as error:
            trouble = site.behind() or f"{str(error).rstrip('.')}."
            return make_response(render_template("monitor_doctor.html", monitor=monitor, trouble=trouble), 503)
        page = render_template(
            "monitor_doctor.html",
            monitor=monitor,
            found=found,
            picture=picture(found, site.reader_zone()),
            settings=settings,
            using=lambda change: _using(monitor.id, change),
        )
        return make_response(page)


def _using(monitor_id: str, change: Mapping[str, Any]) -> str:
    """The address of the monitor's form with a change filled in."""
    filled: dict[str, Any] = {name: "" if value is None else value for name, value in change.items()}
    return url_for("pages.edit_monitor", monitor_id=monitor_id, **filled)
