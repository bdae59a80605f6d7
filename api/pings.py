"""The pings of a monitor: `/api/monitors/:id/pings`."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from api.monitors import of_project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Number, Shape, Value
from store.model import KINDS, Ping

resource = Resource("pings", "The history of what jobs reported, as long as it is retained.")


class PingShape(Shape):
    """One ping as it was received."""

    at = Instant()
    kind = fields.String(validate=validate.OneOf(KINDS))
    metrics = fields.Function(
        # Under a name of ours: marshmallow would take the dot in a key for a path.
        lambda ping: {key: Value().serialize("value", {"value": value}) for key, value in (*ping.numbers.items(), *ping.texts.items())},
        metadata={"type": "object", "additionalProperties": {"type": ["number", "string"]}},
    )
    log = fields.String(allow_none=True)
    duration = Number(allow_none=True, metadata={"description": "Seconds since the start of its run."})
    exit_status = fields.Integer(allow_none=True)
    rid = fields.String(allow_none=True, metadata={"description": "The run that it belongs to."})
    remote_addr = fields.String(allow_none=True)
    user_agent = fields.String(allow_none=True)
    problem = fields.String(allow_none=True, metadata={"description": "Why its metrics were refused."})


class PingsQuery(PageQuery):
    """Which pings are wanted."""

    before = Instant(metadata={"description": "Only older ones; with a fixed time, `offset` counts from there whatever comes in."})


@resource.call("GET", "/api/monitors/<monitor_id>/pings", query=PingsQuery, answers=PingShape(many=True))
def listed(query: dict[str, Any], monitor_id: str) -> Page[Ping]:
    """The monitor's pings, newest first."""
    with parts().control.read() as connection:
        since = of_project(connection, monitor_id).monitor.created_at
    points, before = parts().points, query.get("before")
    found = points.pings(monitor_id, limit=query["limit"], offset=query["offset"], before=before, since=since)
    return page(found, points.count_pings(monitor_id, before=before, since=since))
