"""What a threshold would have said in the past: `/api/monitors/:id/metric-alerts/preview`."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from api.metrics import HOUR, LONGEST_DAYS, window
from api.monitors import of_project
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Shape, Value
from rules import actions
from rules.book import rule_of
from rules.definitions import AlertDefinition
from rules.rehearsal import recorded
from rules.rehearsal.preview import LIMIT, LISTED, PERIOD, Preview, preview, since
from store.model import Ns

resource = Resource("metric-alert-previews", "What a threshold would have said in the past.")

RANGES: dict[str, Ns] = {"24h": 24 * HOUR, "7d": PERIOD, "30d": 30 * 24 * HOUR}
_ASKED = ("range", "start", "end")


class PreviewDefinition(AlertDefinition):
    """A threshold as its owner would write it, and the time that is to be looked at."""

    range = fields.String(validate=validate.OneOf(RANGES), metadata={"description": "The time until now; 7d unless told."})
    start = Instant(data_key="from", metadata={"description": f"Instead of a range; up to {LONGEST_DAYS} days."})
    end = Instant(data_key="to", metadata={"description": "Now unless told."})


class FiringShape(Shape):
    """The threshold would have fired."""

    start = Instant(data_key="from")
    end = Instant(data_key="to", allow_none=True, metadata={"description": "null: it would not be over."})
    value = Value(metadata={"type": ["number", "string"], "description": "The sample that made it fire."})


class PreviewShape(Shape):
    """How often the threshold would have fired."""

    start = Instant(data_key="from", metadata={"description": "Since when pings were looked at; later than asked for where they are cut."})
    end = Instant(data_key="to")
    cut = fields.Boolean(metadata={"description": f"Whether there were older pings that were not looked at: about {LIMIT:,} are."})
    pings = fields.Integer(metadata={"description": "How many pings were looked at."})
    fired = fields.Integer()
    firings = fields.List(fields.Nested(FiringShape), metadata={"description": f"The newest {LISTED} of them, the newest first."})
    fires_at_end = fields.Boolean(data_key="nowFiring", metadata={"description": "Whether it would be firing at the end of that time."})


@resource.call("POST", "/api/monitors/<monitor_id>/metric-alerts/preview", body=PreviewDefinition, answers=PreviewShape())
def previewed(definition: dict[str, Any], monitor_id: str) -> Preview:
    """Say when a threshold would have fired, as the rules would judge the monitor's pings today. Nothing is kept, and nobody is told."""
    now = parts().clock()
    asked = {name: definition.pop(name) for name in _ASKED if name in definition}
    start, end = window(asked, now) if asked.keys() - {"range"} else (now - RANGES[asked.get("range", "7d")], now)
    with parts().control.read() as connection:
        monitor = of_project(connection, monitor_id).monitor
        rule = rule_of(actions.draft_alert(connection, monitor, definition, now))
        pausings = recorded.pausings(connection, monitor, since(rule, monitor, start), end)
    return preview(parts().points, monitor, rule, pausings, start, end)
