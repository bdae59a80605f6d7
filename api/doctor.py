"""The schedule doctor: `/api/monitors/:id/doctor`."""

from __future__ import annotations

from typing import get_args

from marshmallow import fields, validate

from api.monitors import of_project
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Number, Shape
from rules.doctor import Diagnosis
from rules.doctor.consultation import absences, consult
from rules.doctor.rhythm import NAMES, clock
from rules.doctor.symptoms import Code, Level

resource = Resource("doctor", "What a monitor's pings say about its settings.")

_CHANGE = {
    "type": ["object", "null"],
    "additionalProperties": {"type": ["integer", "string", "null"]},
    "description": "Fields of the monitor, to be given to PATCH /api/monitors/{monitor_id}. null: none is to be changed.",
}


class TrialShape(Shape):
    """Settings, and what they would have made of the pings."""

    interval = fields.Integer(attribute="schedule.interval")
    grace_period = fields.Integer(attribute="schedule.grace")
    schedule = fields.String(attribute="schedule.cron", allow_none=True)
    timezone = fields.String(attribute="schedule.timezone")
    alarms = fields.Integer(metadata={"description": "How often a ping would have been missed."})
    missing = fields.Integer(metadata={"description": "How many of those alarms were about a ping that was missing altogether."})


class LengthsShape(Shape):
    """Seconds between pings."""

    count = fields.Integer()
    left_out = fields.Integer(
        metadata={"description": "Those that are not in these numbers, since Lastbeat was away or the monitor paused."}
    )
    p50 = Number()
    p95 = Number()
    p99 = Number()
    longest = Number()


class RhythmShape(Shape):
    """How the job beats, as it seems."""

    text = fields.String(attribute="sentence")
    every = Number(metadata={"description": "Seconds from one ping to the next, as a rule."})
    jitter = Number(metadata={"description": "By how many seconds more or less nine of ten differ from that."})
    drift = Number(metadata={"description": "Seconds by which the last third of pings came later in the day than the first."})
    times = fields.Function(
        lambda rhythm: [clock(time) for time in rhythm.times],
        metadata={"type": "array", "items": {"type": "string"}, "description": "The times of the day, if it keeps to any."},
    )
    weekdays = fields.Function(
        lambda rhythm: [NAMES[day] for day in rhythm.weekdays], metadata={"type": "array", "items": {"type": "string", "enum": list(NAMES)}}
    )
    timezone = fields.String()


class FindingShape(Shape):
    """One thing to be said."""

    level = fields.String(validate=validate.OneOf(get_args(Level)))
    code = fields.String(validate=validate.OneOf(get_args(Code)))
    sentence = fields.String()
    change = fields.Raw(allow_none=True, metadata=_CHANGE)


class DiagnosisShape(Shape):
    """What is to be said of the pings of the last 30 days, and of the newest 20,000 at most."""

    start = Instant(data_key="from")
    end = Instant(data_key="to")
    pings = fields.Integer(metadata={"description": "How many successful pings were looked at."})
    bounded = fields.Boolean(metadata={"description": "Whether there were more in the last 30 days."})
    findings = fields.List(fields.Nested(FindingShape))
    between_pings = fields.Nested(LengthsShape, attribute="lengths", allow_none=True)
    rhythm = fields.Nested(RhythmShape, allow_none=True, metadata={"description": "null: none is seen."})
    present = fields.Nested(TrialShape, allow_none=True, metadata={"description": "null: the schedule cannot be computed."})
    graces = fields.List(fields.Nested(TrialShape), metadata={"description": "The present schedule with other graces."})
    suggestion = fields.Nested(TrialShape, allow_none=True, metadata={"description": "null: the present settings are about as good."})
    change = fields.Raw(allow_none=True, metadata=_CHANGE)


@resource.call("GET", "/api/monitors/<monitor_id>/doctor", answers=DiagnosisShape())
def diagnosis(monitor_id: str) -> Diagnosis:
    """What interval and grace would have done, counted by the rules that are in force, and what would fit better."""
    now = parts().clock()
    with parts().control.read() as connection:
        monitor = of_project(connection, monitor_id).monitor
        away = absences(connection, monitor, now)
    return consult(parts().points, monitor, away, now)
