"""A message in the JSON that Alertmanager's webhooks send (version 4), for receivers that were made for it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

# An alert and its end have the same name, or the receiver could not tell which alert is over.
_ENDS: Final = {"monitor_up": "monitor_down", "metric_alert_resolved": "metric_alert"}
_NEVER: Final = "0001-01-01T00:00:00Z"  # Go's zero time: the alert has not ended


def body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The group of one alert that `payload`, a message in Lastbeat's own form, makes."""
    monitor, details = payload.get("monitor") or {}, payload.get("details") or {}
    over = payload["event"] in _ENDS
    status = "resolved" if over else "firing"
    labels = _labels(_ENDS.get(payload["event"], payload["event"]), monitor, details)
    annotations = {"summary": _summary(payload["event"], monitor, details)} | _texts(payload) | _texts(details)
    annotations |= details.get("annotations") or {}  # the operator's own words win
    alert = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": details.get("downSince") or payload["timestamp"],
        "endsAt": payload["timestamp"] if over else _NEVER,
        "generatorURL": monitor.get("url", ""),
        "fingerprint": hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()[:16],
    }
    return {
        "version": "4",
        "groupKey": "{}:{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "lastbeat",
        "groupLabels": labels,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": _origin(monitor.get("url", "")),
        "alerts": [alert],
    }


def _labels(event: str, monitor: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, str]:
    """What tells one alert from another: the same for all messages about it, so nothing that changes."""
    found = {
        "alertname": details.get("alert") or "".join(word.capitalize() for word in event.split("_")),
        "monitor": monitor.get("name"),
        "monitor_id": monitor.get("id"),
        "metric": details.get("metricKey"),
        "alert_id": details.get("alertId"),
    }
    return {name: str(value) for name, value in found.items() if value is not None} | (details.get("labels") or {})


def _summary(event: str, monitor: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    name = monitor.get("name", "Lastbeat")
    condition = f"{details.get('operator')} {details.get('threshold')}"
    match event:
        case "monitor_down":
            return f"{name} is down: {details.get('reason', 'missed').replace('_', ' ')}"
        case "monitor_up":
            return f"{name} is up again"
        case "metric_alert":
            return f"{name}: {details.get('metricKey')} is {details.get('value')} ({condition})"
        case "metric_alert_resolved":
            return f"{name}: {details.get('metricKey')} is no longer {condition}"
        case _:
            return str(details.get("text") or f"{name}: {event.replace('_', ' ')}")


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """The plain facts as the texts that annotations are."""
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in plain.items()}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
