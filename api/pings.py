"""The pings of a monitor: `/api/monitors/:id/pings`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from marshmallow import fields, validate
from msgspec.structs import replace

from api.monitors import of_project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import ExactInstant, Instant, Number, Shape, Value
from store.instant import MILLISECOND
from store.model import KINDS, Ping

resource = Resource("pings", "The history of what jobs reported, as long as it is retained.")


class PingShape(Shape):
    """One ping as it was received."""

    at = ExactInstant(
        metadata={
            "description": "When it was received: to the millisecond, or with nine digits where an older one came in the same millisecond. "
            "As `before` it leaves out this ping and all newer ones, and nothing else."
        }
    )
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

    before = Instant(
        metadata={
            "description": "Only older ones: with the `at` of the last ping of a page, those that follow it. "
            "With a fixed time, `offset` counts from there whatever comes in."
        }
    )


@resource.call("GET", "/api/monitors/<monitor_id>/pings", query=PingsQuery, answers=PingShape(many=True))
def listed(query: dict[str, Any], monitor_id: str) -> Page[Ping]:
    """The monitor's pings, newest first."""
    with parts().control.read() as connection:
        since = of_project(connection, monitor_id).monitor.created_at
    points, limit, before = parts().points, query["limit"], query.get("before")
    found = points.pings(monitor_id, limit=limit + 1, offset=query["offset"], before=before, since=since)
    return page(list(_told_apart(found))[:limit], points.count_pings(monitor_id, before=before, since=since))


def _told_apart(found: Sequence[Ping]) -> Iterator[Ping]:
    """The pings with their instants cut to the millisecond, unless the next older one would then be no older than that."""
    for ping, older in zip_longest(found, found[1:]):
        cut = ping.at - ping.at % MILLISECOND
        yield replace(ping, at=cut) if older is None or older.at < cut else ping
