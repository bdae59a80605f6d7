"""What a user may define, whichever door it comes through: the schemas of monitors, metric alerts and channels.

Loading gives the fields by the names of `store.model`; a marshmallow.ValidationError carries a sentence for each field. Rules that
look at several fields need all of them, so a change is loaded as the whole definition: what it was, overlaid with what is new.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, get_args

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from rules import schedule
from rules.channels import senders
from store.model import OPERATORS, Alert, Channel, Methods, Monitor

YEAR = 366 * 86_400
_NAME = validate.And(validate.Length(1, 200), validate.Regexp(r".*\S", error="give it a name"))
_SLUG = validate.Regexp(r"[a-z0-9_-]{1,100}\Z", error="a slug is 1 to 100 of a-z, 0-9, - and _")


class Whole(fields.Integer):
    """A whole number; unlike marshmallow's own, it does not take true for 1."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        number: int = super()._deserialize(value, attr, data, **kwargs)
        return number


class Cron(fields.String):
    """Cron expressions, one or several, as they are kept."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return schedule.normal(super()._deserialize(value, attr, data, **kwargs))


class Threshold(fields.Field[float | str]):
    """A finite number, or a text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float | str:
        if isinstance(value, str) and 0 < len(value) <= 1_024:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = _float(value)
            if math.isfinite(number):
                return number
        raise ValidationError(f"{value!r:.60} is no threshold; give a finite number, or a text of up to 1,024 characters for = and !=")


class MonitorDefinition(Schema):
    """A monitor as its owner writes it. `sent`: of a change, the names it holds; a time zone that it does not hold may be gone by now."""

    def __init__(self, *, sent: Collection[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._sent = sent

    name = fields.String(required=True, validate=_NAME, metadata={"description": "Display name."})
    type = fields.String(load_default="heartbeat", validate=validate.OneOf(["heartbeat"]))
    interval = Whole(
        load_default=None,
        allow_none=False,
        strict=True,
        validate=validate.Range(1, YEAR),
        metadata={"description": "Seconds between pings.", "default": 60},
    )
    grace = Whole(
        data_key="gracePeriod",
        load_default=30,
        strict=True,
        validate=validate.Range(0, YEAR),
        metadata={"description": "Seconds a ping may be late."},
    )
    cron = Cron(
        data_key="schedule",
        load_default=None,
        allow_none=True,
        metadata={"description": f"Cron expression, or up to {schedule.LIMIT} with ; between them; replaces the interval."},
    )
    timezone = fields.String(load_default="UTC", metadata={"description": "IANA time zone of the schedule."})
    tags = fields.List(fields.String(validate=validate.Length(1, 100)), load_default=list, validate=validate.Length(max=50))
    channel_ids = fields.List(
        fields.String(),
        data_key="channelIds",
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=100),
        metadata={"description": "Channels to notify; none: the project's default channels."},
    )
    slug = fields.String(load_default=None, allow_none=True, validate=_SLUG)
    max_run = Whole(
        data_key="maxRunTime",
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, YEAR),
        metadata={"description": "Seconds a run may take from its start signal; one that takes longer is an outage. null: any time."},
    )
    min_run = Whole(
        data_key="minRunTime",
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, YEAR),
        metadata={"description": "Seconds that a run must take from its start signal; a success that comes sooner is a failure."},
    )
    start_by = Whole(
        data_key="startBy",
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(0, YEAR),
        metadata={"description": "Seconds after its time within which a run must report its start, at most gracePeriod. null: any time."},
    )
    methods = fields.String(
        load_default="",
        validate=validate.OneOf(get_args(Methods), error="leave it empty for all methods, or give POST"),
        metadata={"description": "POST: requests with other methods are kept, and change nothing."},
    )

    @validates_schema(skip_on_field_errors=True)
    def _computable(self, data: dict[str, Any], **_: Any) -> None:
        slots_are_new = self._sent is None or "timezone" in self._sent or ("schedule" in self._sent and data["cron"] is not None)
        sentence = schedule.check(data["cron"], data["timezone"]) if slots_are_new else None
        if sentence:
            raise ValidationError(sentence, "timezone" if schedule.check(None, data["timezone"]) else "schedule")

    @validates_schema(skip_on_field_errors=True)
    def _kept_by_some_run(self, data: dict[str, Any], **_: Any) -> None:
        grace, start_by, shortest, longest = (data[name] for name in ("grace", "start_by", "min_run", "max_run"))
        errors: dict[str, str] = {}
        if start_by is not None and start_by > grace:
            errors["startBy"] = f"within {start_by} s is later than the grace period of {grace} s, in which the run must have succeeded"
        if shortest is not None and longest is not None and shortest >= longest:
            errors["minRunTime"] = f"no run takes at least {shortest} s and at most {longest} s; the longest time must be the larger one"
        if errors:
            raise ValidationError(errors)


class AlertDefinition(Schema):
    """A threshold on a metric as its owner writes it."""

    metric_key = fields.String(data_key="metricKey", required=True, validate=validate.Length(1, 64))
    operator = fields.String(required=True, validate=validate.OneOf(OPERATORS))
    threshold = Threshold(required=True, metadata={"type": ["number", "string"]})
    channel_id = fields.String(data_key="channelId", load_default=None, allow_none=True)
    consecutive = Whole(data_key="consecutiveTriggers", load_default=1, strict=True, validate=validate.Range(1, 1_000))

    @validates_schema(skip_on_field_errors=True)
    def _texts_have_no_order(self, data: dict[str, Any], **_: Any) -> None:
        if isinstance(data["threshold"], str) and data["operator"] not in ("=", "!="):
            text = data["threshold"]
            raise ValidationError(
                f"{text!r:.60} is a text, which {data['operator']} cannot compare; give a number, or use = or !=", "threshold"
            )


class ChannelDefinition(Schema):
    """A notification channel as its owner writes it; what `config` holds depends on the type."""

    name = fields.String(required=True, validate=_NAME)
    type = fields.String(required=True, validate=validate.OneOf(sorted(senders)))
    config = fields.Dict(keys=fields.String(), required=True)
    is_default = fields.Boolean(data_key="isDefault", load_default=False, truthy={True, "true", "on"}, falsy={False, "false"})

    @validates_schema(skip_on_field_errors=True)
    def _deliverable(self, data: dict[str, Any], **_: Any) -> None:
        errors = senders[data["type"]].check(data["config"])
        if errors:
            raise ValidationError({"config": errors})


def defined_monitor(monitor: Monitor, channel_ids: list[str]) -> dict[str, Any]:
    """The definition that gives this monitor."""
    return {
        "name": monitor.name,
        "type": "heartbeat",
        "interval": monitor.schedule.interval,
        "gracePeriod": monitor.schedule.grace,
        "schedule": monitor.schedule.cron,
        "timezone": monitor.schedule.timezone,
        "tags": list(monitor.tags),
        "channelIds": channel_ids or None,
        "slug": monitor.slug,
        "maxRunTime": monitor.schedule.max_run,
        "minRunTime": monitor.schedule.min_run,
        "startBy": monitor.schedule.start_by,
        "methods": monitor.methods,
    }


def defined_alert(alert: Alert) -> dict[str, Any]:
    """The definition that gives this alert."""
    return {
        "metricKey": alert.metric_key,
        "operator": alert.operator,
        "threshold": alert.threshold,
        "channelId": alert.channel_id,
        "consecutiveTriggers": alert.consecutive,
    }


def defined_channel(channel: Channel) -> dict[str, Any]:
    """The definition that gives this channel, secrets included."""
    return {"name": channel.name, "type": channel.type, "config": channel.config, "isDefault": channel.is_default}


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond every float
        return math.inf
