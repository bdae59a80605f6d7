"""What is expected of a trial: how alerts and monitors are at some times, and what people are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Member, Node, Scalar, Table
from rules.rule_files.scalars import name, number_or_text, one_of, prose
from rules.rule_files.timespan import duration
from rules.trials.people import known, who
from rules.trials.trial import Expectation, Notification, Said, Watched
from store.model import SECOND, Ns, ShownStatus
from store.rule import Health, Rule, RuleState

_STATE: Final = "{at: 3m, alert: QueueTooDeep, monitor: w1, state: firing}"
_TOLD: Final = "{kind: fire, alert: QueueTooDeep, at: 3m}"
OF_ALERTS: Final = ("alert", "state", "health", "value", "labels", "annotations")
OF_NOTICES: Final = ("kind", "at", "event", "alert", "monitor", "channels", "reason", "value", "labels", "annotations", "monitors")
_ELSEWHERE: Final = {
    "severity": "belongs to `labels`",
    **dict.fromkeys(("summary", "description", "runbook_url"), "belongs to `annotations`"),
    "eval_time": "is written `at`",
    "alertname": "is written `alert`",
    "exp_labels": "is written `labels`",
    "exp_annotations": "is written `annotations`",
    "channel": "is written `channels`, with a list",
}


def states(trial: Fields, watched: Mapping[str, Watched], rules: Iterable[Rule]) -> tuple[Expectation, ...]:
    """In the order of their times."""
    alerts = {rule.name for rule in rules}
    found = [_state(node, trial, watched, alerts) for node in trial.nodes("expect", f"expect: [{_STATE}]")]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at))


def told(trial: Fields, watched: Mapping[str, Watched], rules: Iterable[Rule]) -> tuple[Notification, ...] | None:
    """In the order of the file. None where nothing is said of it."""
    if "expect_notifications" not in trial:
        return None
    alerts = {rule.name for rule in rules}
    nodes = trial.nodes("expect_notifications", f"expect_notifications: [{_TOLD}]")
    return tuple(one for node in nodes if (one := _notification(node, trial, watched, alerts)) is not None)


def _state(node: Node | None, trial: Fields, watched: Mapping[str, Watched], alerts: set[str]) -> Expectation | None:
    fields = Fields.of(node, trial.complaints, _STATE)
    if fields is None:
        return None
    fields.only(("at", "monitor", "status", *OF_ALERTS), "an expectation", _ELSEWHERE)
    fields.require("at", "an expectation", _STATE)
    at, monitor = fields.take("at", duration()), who(fields, watched)
    if "status" in fields:
        for key in OF_ALERTS:
            if key in fields:
                fields.complain_of_key(key, f"`{key}` is of an alert, and `status` of a monitor; expect each by itself")
    else:
        fields.require("alert", "an expectation", _STATE)
        if not any(key in fields for key in OF_ALERTS[1:]):
            fields.complaints.add(fields.place, f"say what is expected of the alert, as in `{_STATE}`")
    alert = known(fields, "alert", alerts, "alert")
    state: RuleState | None = fields.take("state", one_of(get_args(RuleState), _STATES))
    health: Health | None = fields.take("health", one_of(get_args(Health)))
    status: ShownStatus | None = fields.take("status", one_of(get_args(ShownStatus)))
    value, labels, annotations = fields.take("value", number_or_text), _texts(fields, "labels"), _texts(fields, "annotations")
    if at is None or monitor is None:
        return None
    return Expectation(fields.place, at * SECOND, monitor, alert, state, health, value, labels, annotations, status)


# What other tools call it.
_STATES: Final[dict[str, RuleState]] = {"inactive": "ok", "normal": "ok", "alerting": "firing", "resolved": "ok"}


def _notification(node: Node | None, trial: Fields, watched: Mapping[str, Watched], alerts: set[str]) -> Notification | None:
    built_in, node = _without_null(node, "alert")
    fields = Fields.of(node, trial.complaints, _TOLD)
    if fields is None:
        return None
    fields.only(OF_NOTICES, "a notification", _ELSEWHERE)
    kind: Said | None = fields.take("kind", one_of(get_args(Said), {"firing": "fire", "resolved": "resolve"}))
    fields.require("kind", "a notification", "kind: fire")
    at = fields.take("at", duration())
    monitors = fields.take_all("monitors", name())
    return Notification(
        kind=kind,
        at=None if at is None else _ns(at),
        event=fields.take("event", name()),
        alert="" if built_in else known(fields, "alert", alerts, "alert"),
        monitor=known(fields, "monitor", watched, "monitor"),
        channels=fields.take_all("channels", name()),
        reason=fields.take("reason", name()),
        value=fields.take("value", number_or_text),
        labels=_texts(fields, "labels"),
        annotations=_texts(fields, "annotations"),
        monitors=monitors,
        place=fields.place,
    )


def _ns(seconds: int) -> Ns:
    return seconds * SECOND


def _texts(fields: Fields, key: str) -> dict[str, str] | None:
    """A mapping of texts, taken as they are."""
    texts = fields.nested(key, f"{key}: {{…}}")
    if texts is None:
        return None
    taken = {one.text: texts.take(one.text, prose(2_000)) for one in texts.names()}
    return {one: text for one, text in taken.items() if text is not None}


def _without_null(node: Node | None, key: str) -> tuple[bool, Node | None]:
    """Whether the key of a mapping says that there is nothing, and the mapping without that."""
    if not isinstance(node, Table):
        return False, node
    empty = [member for member in node.members if member.key.text == key and _is_null(member)]
    return bool(empty), Table(node.place, [member for member in node.members if member not in empty])


def _is_null(member: Member) -> bool:
    return isinstance(member.value, Scalar) and member.value.meaning() == "nothing"
