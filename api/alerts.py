"""Thresholds on the metrics of a monitor: `/api/monitors/:id/metric-alerts`."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import fields, validate
from sqlalchemy import Connection
from werkzeug.exceptions import Conflict, NotFound

from api.monitors import of_project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Number, Shape, Value
from rules import actions, watch
from rules.definitions import AlertDefinition, defined_alert
from rules.watch import Watch
from store.control import alerts
from store.model import OPERATORS, Alert, AlertState, Monitor
from store.rule import RULE_TYPES, WINDOW_FUNCTIONS, Health

resource = Resource("metric-alerts", "Thresholds on metrics: so many samples in a row beyond one, and people are told.")

_ALL = "/api/monitors/<monitor_id>/metric-alerts"
_ONE = f"{_ALL}/<alert_id>"


class WindowShape(Shape):
    """The points of the last `over` seconds as one number."""

    func = fields.String(validate=validate.OneOf(WINDOW_FUNCTIONS))
    over = fields.Integer()
    min_points = fields.Integer()


class CompareShape(Shape):
    """The window against the same one before."""

    to = fields.Integer(metadata={"description": "Seconds before."})
    as_ = fields.String(attribute="how", data_key="as", validate=validate.OneOf(["ratio", "difference"]))
    min_baseline = Number(allow_none=True)


class ResolveShape(Shape):
    """When a rule that fires is well again."""

    operator = fields.String(allow_none=True, validate=validate.OneOf(OPERATORS))
    value = Value(allow_none=True, metadata={"type": ["number", "string", "null"]})
    consecutive = fields.Integer()


class RuleShape(Shape):
    """What a rule of a file has beyond a threshold; durations in seconds."""

    name = fields.String()
    group = fields.String()
    type = fields.String(validate=validate.OneOf(RULE_TYPES))
    window = fields.Nested(WindowShape, allow_none=True)
    compare = fields.Nested(CompareShape, allow_none=True)
    for_ = fields.Integer(attribute="hold", data_key="for")
    keep_firing_for = fields.Integer(attribute="keep_firing")
    resolve = fields.Nested(ResolveShape, allow_none=True)
    channels = fields.List(fields.String(), allow_none=True, metadata={"description": "null: whom the monitor notifies."})
    labels = fields.Dict(keys=fields.String(), values=fields.String())
    annotations = fields.Dict(keys=fields.String(), values=fields.String())
    file = fields.String()
    line = fields.Integer()


class AlertShape(Shape):
    """A threshold, and how it stands. Those from rule files are shown too; they are changed in their files alone."""

    id = fields.String(attribute="rule.uid")
    source = fields.String(validate=validate.OneOf(["api", "file"]))
    metric_key = fields.String(attribute="rule.metric")
    operator = fields.String(
        attribute="rule.operator", allow_none=True, validate=validate.OneOf(OPERATORS), metadata={"description": "null: of a rule without."}
    )
    threshold = Value(attribute="rule.value", allow_none=True, metadata={"type": ["number", "string", "null"]})
    channel_id = fields.String(allow_none=True, metadata={"description": "null: whom its monitor notifies, or its rule names."})
    consecutive_triggers = fields.Integer(attribute="rule.consecutive")
    state = fields.String(validate=validate.OneOf(get_args(AlertState)))
    health = fields.String(
        validate=validate.OneOf(get_args(Health)), metadata={"description": "Whether the rule's window had data, and could be asked for."}
    )
    breaches = fields.Integer(metadata={"description": "Samples in a row that were beyond the threshold."})
    created_at = Instant(allow_none=True)
    updated_at = Instant(allow_none=True)
    rule = fields.Nested(
        RuleShape,
        attribute="of_file",
        allow_none=True,
        metadata={"description": "The rule of a file; null: it was made through the API or on the pages."},
    )


@resource.call("POST", _ALL, body=AlertDefinition, answers=AlertShape(), status=201)
def create(definition: dict[str, Any], monitor_id: str) -> Watch:
    """Add a threshold to the monitor."""
    with parts().control.begin() as connection:
        monitor = of_project(connection, monitor_id).monitor
        alert = actions.add_alert(connection, monitor, definition, parts().clock())
        return _of_monitor(connection, monitor_id, alert.id)[1]


@resource.call("GET", _ALL, query=PageQuery, answers=AlertShape(many=True))
def listed(query: dict[str, Any], monitor_id: str) -> Page[Watch]:
    """The monitor's thresholds, oldest first, then the rules of files that watch its metrics."""
    with parts().control.read() as connection:
        found = watch.of_monitor(connection, of_project(connection, monitor_id).monitor)
    return page(found[query["offset"] : query["offset"] + query["limit"]], len(found))


@resource.call("GET", _ONE, answers=AlertShape())
def get(monitor_id: str, alert_id: str) -> Watch:
    """One threshold."""
    with parts().control.read() as connection:
        return _of_monitor(connection, monitor_id, alert_id)[1]


@resource.call("PATCH", _ONE, change_of=AlertDefinition, answers=AlertShape())
def edit(changes: dict[str, Any], monitor_id: str, alert_id: str) -> Watch:
    """Change what is named; a changed condition counts from zero."""
    with parts().control.begin() as connection:
        monitor, alert = _made_by_people(connection, monitor_id, alert_id)
        definition = AlertDefinition().load({**defined_alert(alert), **changes})
        actions.edit_alert(connection, monitor, alert, definition, parts().base_url, parts().clock())
        return _of_monitor(connection, monitor_id, alert_id)[1]


@resource.call("DELETE", _ONE, status=204)
def delete(monitor_id: str, alert_id: str) -> None:
    """Remove the threshold; what it has open is resolved."""
    with parts().control.begin() as connection:
        monitor, alert = _made_by_people(connection, monitor_id, alert_id)
        actions.delete_alert(connection, monitor, alert, parts().base_url, parts().clock())


def _of_monitor(connection: Connection, monitor_id: str, alert_id: str) -> tuple[Monitor, Watch]:
    monitor = of_project(connection, monitor_id).monitor
    found = next((one for one in watch.of_monitor(connection, monitor) if one.rule.uid == alert_id), None)
    if found is None:
        raise NotFound(f"the monitor {monitor.name[:60]!r} has no metric alert {alert_id[:60]!r}")
    return monitor, found


def _made_by_people(connection: Connection, monitor_id: str, alert_id: str) -> tuple[Monitor, Alert]:
    monitor, found = _of_monitor(connection, monitor_id, alert_id)
    alert = alerts.get(connection, monitor_id, alert_id)
    if alert is None:
        raise Conflict(f"{found.rule.name!r} is a rule of a file, {found.place}, and is changed there")
    return monitor, alert
