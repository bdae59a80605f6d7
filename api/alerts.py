"""Thresholds on the metrics of a monitor: `/api/monitors/:id/metric-alerts`."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import fields, validate
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.monitors import of_project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Shape, Value
from rules import actions
from rules.definitions import AlertDefinition, defined_alert
from store.control import alerts
from store.model import OPERATORS, Alert, AlertState, Monitor

resource = Resource("metric-alerts", "Thresholds on metrics: so many samples in a row beyond one, and people are told.")

_ALL = "/api/monitors/<monitor_id>/metric-alerts"
_ONE = f"{_ALL}/<alert_id>"


class AlertShape(Shape):
    """A threshold, and how it stands."""

    id = fields.String()
    metric_key = fields.String()
    operator = fields.String(validate=validate.OneOf(OPERATORS))
    threshold = Value(metadata={"type": ["number", "string"]})
    channel_id = fields.String(allow_none=True, metadata={"description": "null: whom its monitor notifies."})
    consecutive_triggers = fields.Integer(attribute="consecutive")
    state = fields.String(validate=validate.OneOf(get_args(AlertState)))
    breaches = fields.Integer(metadata={"description": "Samples in a row that were beyond the threshold."})
    created_at = Instant()
    updated_at = Instant()


@resource.call("POST", _ALL, body=AlertDefinition, answers=AlertShape(), status=201)
def create(definition: dict[str, Any], monitor_id: str) -> Alert:
    """Add a threshold to the monitor."""
    with parts().control.begin() as connection:
        return actions.add_alert(connection, of_project(connection, monitor_id).monitor, definition, parts().clock())


@resource.call("GET", _ALL, query=PageQuery, answers=AlertShape(many=True))
def listed(query: dict[str, Any], monitor_id: str) -> Page[Alert]:
    """The monitor's thresholds, oldest first."""
    with parts().control.read() as connection:
        of_project(connection, monitor_id)
        return page(*alerts.find(connection, monitor_id, limit=query["limit"], offset=query["offset"]))


@resource.call("GET", _ONE, answers=AlertShape())
def get(monitor_id: str, alert_id: str) -> Alert:
    """One threshold."""
    with parts().control.read() as connection:
        return _of_monitor(connection, monitor_id, alert_id)[1]


@resource.call("PATCH", _ONE, change_of=AlertDefinition, answers=AlertShape())
def edit(changes: dict[str, Any], monitor_id: str, alert_id: str) -> Alert:
    """Change what is named; a changed condition counts from zero."""
    with parts().control.begin() as connection:
        monitor, alert = _of_monitor(connection, monitor_id, alert_id)
        definition = AlertDefinition().load({**defined_alert(alert), **changes})
        return actions.edit_alert(connection, monitor, alert, definition, parts().base_url, parts().clock())


@resource.call("DELETE", _ONE, status=204)
def delete(monitor_id: str, alert_id: str) -> None:
    """Remove the threshold; what it has open is resolved."""
    with parts().control.begin() as connection:
        monitor, alert = _of_monitor(connection, monitor_id, alert_id)
        actions.delete_alert(connection, monitor, alert, parts().base_url, parts().clock())


def _of_monitor(connection: Connection, monitor_id: str, alert_id: str) -> tuple[Monitor, Alert]:
    monitor = of_project(connection, monitor_id).monitor
    found = alerts.get(connection, monitor_id, alert_id)
    if found is None:
        raise NotFound(f"the monitor {monitor.name[:60]!r} has no metric alert {alert_id[:60]!r}")
    return monitor, found
