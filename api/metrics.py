"""What jobs sent along: `/api/monitors/:id/metric-keys` and the series in `/api/monitors/:id/metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from api.monitors import of_project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Number, Shape, Value
from store.control import metric_keys
from store.model import SECOND, Bucket, MetricKey, Ns

resource = Resource("metrics", "The numbers and texts that jobs send with their pings.")

HOUR: Ns = 3_600 * SECOND
RANGES: dict[str, Ns] = {"6h": 6 * HOUR, "24h": 24 * HOUR, "72h": 72 * HOUR}
LONGEST_DAYS = 366
_MOST_KEYS = 100


class MetricKeyShape(Shape):
    """A key seen in the monitor's payloads."""

    key = fields.String()
    type = fields.Function(
        lambda found: "string" if isinstance(found.value, str) else "number", metadata={"type": "string", "enum": ["number", "string"]}
    )
    last_value = Value(attribute="value", metadata={"type": ["number", "string"]})
    last_at = Instant()


class BucketShape(Shape):
    """The samples of `bucketSeconds` from `t` on."""

    t = Instant(attribute="at")
    avg = Number()
    min = Number()
    max = Number()
    count = fields.Integer()


class SeriesShape(Shape):
    """One metric over a time, in buckets; those without samples are left out."""

    key = fields.String()
    start = Instant(data_key="from")
    end = Instant(data_key="to")
    bucket_seconds = fields.Integer()
    points = fields.List(fields.Nested(BucketShape))


class SeriesQuery(Schema):
    """Which series are wanted, and how fine."""

    key = fields.List(
        fields.String(),
        validate=validate.Length(max=_MOST_KEYS),
        metadata={"description": "Repeatable. Without it, all keys whose newest value is a number."},
    )
    range = fields.String(validate=validate.OneOf(RANGES), metadata={"description": "The time until now; 24h unless told."})
    start = Instant(data_key="from", metadata={"description": "Instead of a range."})
    end = Instant(data_key="to", metadata={"description": "Now unless told."})
    points = fields.Integer(
        load_default=360,
        validate=validate.Range(1, 1_000, error="{input} is not within 1 and 1000"),
        error_messages={"invalid": "give a whole number from 1 to 1000"},
        metadata={"description": "Into how many buckets the time is divided, each at least a second wide."},
    )


class Series(NamedTuple):
    key: str
    start: Ns
    end: Ns
    bucket_seconds: int
    points: list[Bucket]


@resource.call("GET", "/api/monitors/<monitor_id>/metric-keys", query=PageQuery, answers=MetricKeyShape(many=True))
def keys(query: dict[str, Any], monitor_id: str) -> Page[MetricKey]:
    """The keys found in the monitor's payloads, by name, with their newest values."""
    with parts().control.read() as connection:
        of_project(connection, monitor_id)
        return page(*metric_keys.find(connection, monitor_id, limit=query["limit"], offset=query["offset"]))


@resource.call("GET", "/api/monitors/<monitor_id>/metrics", query=SeriesQuery, answers=SeriesShape(many=True))
def series(query: dict[str, Any], monitor_id: str) -> list[Series]:
    """Numbers over time. A key that never came has no points. Buckets begin at multiples of their width, so the first may begin early."""
    start, end = window(query, parts().clock())
    width = bucket_width(end - start, query["points"])
    with parts().control.read() as connection:
        of_project(connection, monitor_id)
        wanted = list(dict.fromkeys(query["key"])) if "key" in query else _numeric(metric_keys.find(connection, monitor_id)[0])
    found = parts().points.buckets(monitor_id, wanted, start, end, width)
    return [Series(key, start, end, width // SECOND, found[key]) for key in wanted]


def window(query: dict[str, Any], now: Ns) -> tuple[Ns, Ns]:
    """The time asked for: [start, end). Raises ValidationError where it is none."""
    start, end = query.get("start"), query.get("end", now)
    if start is None:
        if "end" in query:
            raise ValidationError("`to` needs `from`, or leave out both and give a range", "from")
        return end - RANGES[query.get("range", "24h")], end
    if "range" in query:
        raise ValidationError("give either a range, or `from` and `to`", "range")
    if start >= end:
        raise ValidationError("`from` must lie before `to`", "from")
    if end - start > LONGEST_DAYS * 24 * HOUR:
        raise ValidationError(f"at most {LONGEST_DAYS} days can be asked for at once", "from")
    return start, end


def bucket_width(span: Ns, points: int) -> Ns:
    """Whole seconds, so wide that `points` buckets cover the span."""
    return -(-span // (points * SECOND)) * SECOND


def _numeric(found: Sequence[MetricKey]) -> list[str]:
    return [one.key for one in found if not isinstance(one.value, str)]
