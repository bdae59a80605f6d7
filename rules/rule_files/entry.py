"""One rule as it is written, made a `Rule`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from rules.rule_files import identity, labels, recovery, selector
from rules.rule_files.complaints import Complaints, Place
from rules.rule_files.conditions import CONDITIONS
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Node, Scalar
from rules.rule_files.scalars import Unfit, alternatives, name, one_of
from rules.rule_files.timespan import duration
from store.rule import RULE_TYPES, Rule, RuleType

_EXAMPLE: Final = "{alert: MonitorDown, type: heartbeat, match: {all: true}}"
COMMON: Final = (
    *("alert", "uid", "type", "match", "monitor", "project", "for", "keep_firing_for", "consecutive", "resolve"),
    *("labels", "annotations", "channels"),
)
# What people know from Prometheus, from Grafana, and from our own API.
_ELSEWHERE: Final = {
    "expr": "is a query of Prometheus; here a rule says `type`, and what that type watches for",
    "record": "is for recording rules of Prometheus, which there are none of here",
    "severity": "belongs to `labels`",
    **dict.fromkeys(("summary", "description", "runbook_url"), "belongs to `annotations`"),
    **dict.fromkeys(("tags", "monitors", "all"), "belongs to `match`"),
    "operator": "is written `op`",
    "threshold": "is written `value`",
    "metricKey": "is written `metric`",
    "gracePeriod": "is written `grace`",
    "consecutiveTriggers": "is written `consecutive`",
}


class Group(NamedTuple):
    """What the rules of a group have in common. `every`: seconds."""

    name: str
    project: str | None
    every: int
    labels: dict[str, str]


class Found(NamedTuple):
    """A rule, and where it stands."""

    rule: Rule
    place: Place


def read(node: Node | None, group: Group, complaints: Complaints) -> Found | None:
    """None where there is something to complain about."""
    fields, before = Fields.of(node, complaints, _EXAMPLE), len(complaints)
    if fields is None:
        return None
    kind = fields.take("type", one_of(RULE_TYPES))
    alert, match = fields.take("alert", name()), selector.read(fields)
    values = _common(fields, group)
    if kind is None:
        fields.only([*COMMON, *(key for condition in CONDITIONS.values() for key in condition.keys)], "a rule", _ELSEWHERE)
        fields.require("type", "a rule", "type: heartbeat")
    else:
        values |= _of_type(fields, kind)
    fields.require("alert", "a rule", "alert: MonitorDown")
    if kind is None or alert is None or len(complaints) > before:
        return None
    values["uid"] = values["uid"] or identity.uid(values["project"], group.name, alert, kind, match)
    given = {key: value for key, value in values.items() if value is not None}
    rule = Rule(type=kind, name=alert, group=group.name, match=match, every=group.every, **given)
    return Found(replace(rule, file=complaints.file, line=fields.place.line), fields.place)


def _common(fields: Fields, group: Group) -> dict[str, Any]:
    """What rules of all types say, by the names of a `Rule`'s fields."""
    fields.once("consecutive", "failure_threshold")
    return {
        "uid": fields.take("uid", _uid),
        "project": fields.take("project", name()) or group.project,
        "hold": fields.take("for", duration()),
        "keep_firing": fields.take("keep_firing_for", duration()),
        "consecutive": fields.take("consecutive", recovery.SAMPLES) or fields.take("failure_threshold", recovery.SAMPLES),
        "channels": fields.take_all("channels", name()),
        "labels": group.labels | labels.read_labels(fields),
        "annotations": labels.read_annotations(fields),
    }


def _of_type(fields: Fields, kind: RuleType) -> dict[str, Any]:
    condition = CONDITIONS[kind]
    fields.only([*COMMON, *condition.keys], f"a rule of type {kind}", _ELSEWHERE | _of_others(condition.keys, kind))
    values = condition.read(fields)
    return values | {"resolve": recovery.read(fields, kind, (values.get("operator"), values.get("value")))}


def _of_others(own: Sequence[str], kind: RuleType) -> dict[str, str]:
    """What there is to say of the keys that only other types have."""
    owners: dict[str, list[str]] = {}
    for other, condition in CONDITIONS.items():
        for key in condition.keys:
            owners.setdefault(key, []).append(other)
    return {
        key: f"is for rules of type {alternatives(others)}, and this one is of type {kind}"
        for key, others in owners.items()
        if key not in own
    }


def _uid(scalar: Scalar) -> str:
    found = name(100, "[A-Za-z0-9_.-]+", "letters, digits, `_`, `.` and `-`")(scalar)
    if found.startswith(identity.TAKEN):
        raise Unfit(f"is not accepted; ids of metric alerts begin with {identity.TAKEN}")
    return found
