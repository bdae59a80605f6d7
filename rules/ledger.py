"""Loads the cases of some monitors and saves what became of them: state, history and outgoing messages in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection

from rules.case import Case, Word
from store.control import alerts, channels, metric_keys, monitors, outbox, verdicts
from store.instant import iso
from store.model import Monitor, Notice, Ns, new_id


def load(connection: Connection, monitor_ids: Collection[str]) -> dict[str, Case]:
    """The cases of those monitors that exist, by monitor id."""
    ids = list(monitor_ids)
    thresholds = alerts.of_monitors(connection, ids)
    return {i: Case(watched.monitor, watched.beat, thresholds.get(i, [])) for i, watched in monitors.among(connection, ids).items()}


def save(connection: Connection, cases: Iterable[Case], base_url: str, now: Ns) -> None:
    """Write every case's beat and all it caused. `base_url` leads the links in messages."""
    every = list(cases)
    verdicts.save_beats(connection, {case.monitor.id: case.beat for case in every})
    verdicts.save_alerts(connection, [alert for case in every for alert in case.changed_alerts.values()])
    verdicts.add_transitions(connection, [t for case in every for t in case.transitions])
    verdicts.save_incidents(connection, [i for case in every for i in case.opened], [c for case in every for c in case.closed])
    metric_keys.save(connection, [(case.monitor.id, key) for case in every for key in case.keys.values()])
    outbox.add(connection, _notices(connection, [case for case in every if case.words], base_url, now))


def message(event: str, monitor: Monitor | None, details: dict[str, Any], at: Ns, base_url: str) -> dict[str, Any]:
    """The JSON that receivers get, but for what belongs to one delivery (`id`, `incidentId`, `sequence`)."""
    about = None if monitor is None else {"id": monitor.id, "name": monitor.name, "url": f"{base_url}/m/{monitor.id}"}
    return {"event": event, "timestamp": iso(at), "monitor": about, "details": details}


def _notices(connection: Connection, cases: list[Case], base_url: str, now: Ns) -> list[Notice]:
    """One notice for each word and each channel that is to hear it. Who heard of an incident is told of its end."""
    notified = channels.notified(connection, {case.monitor.id: case.monitor.project_id for case in cases})
    told = outbox.told(connection, [word.incident_id for case in cases for word in case.words if not word.opens])
    notices: list[Notice] = []
    for case in cases:
        for word in case.words:
            if word.opens:
                told[word.incident_id] = [word.channel_id] if word.channel_id else notified[case.monitor.id]
            body = message(word.event, case.monitor, word.details, word.at, base_url)
            notices += [_notice(word, channel, body, now) for channel in told.get(word.incident_id, [])]
    return notices


def _notice(word: Word, channel_id: str, body: dict[str, Any], now: Ns) -> Notice:
    notice_id, sequence = new_id("msg"), 1 if word.opens else 2
    payload = body | {"id": notice_id, "incidentId": word.incident_id, "sequence": sequence}
    return Notice(notice_id, channel_id, word.incident_id, sequence, word.event, payload, created_at=now)
