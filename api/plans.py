"""The plans that projects can be on: `/api/plans`."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from api.parts import parts
from api.resource import Resource
from api.shapes import Number, Shape
from rules import plans

resource = Resource("plans", "What projects may do.")


class PlanShape(Shape):
    """One plan."""

    name = fields.String()
    ping_seconds = Number(metadata={"description": "A monitor takes one ping of each kind in so many seconds; 0: as many as come."})
    minimum_interval = fields.Integer(metadata={"description": "The shortest interval of a monitor, in seconds."})
    monitors = fields.Integer(allow_none=True, metadata={"description": "How many monitors a project may have; null: any number."})


@resource.call("GET", "/api/plans", answers=PlanShape(many=True))
def listed() -> list[dict[str, Any]]:
    """All plans, by name."""
    known = sorted(parts().plans.values(), key=lambda plan: plan.name)
    return [
        {
            "name": plan.name,
            "ping_seconds": plan.ping_seconds,
            "minimum_interval": max(1, plans.minimum(plan)),
            "monitors": plan.monitors,
        }
        for plan in known
    ]
