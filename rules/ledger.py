"""Loads the cases of some monitors and saves what became of them: state, history and outgoing messages in the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection

from rules.case import Case
from store.control import alerts, channels, durations, metric_keys, monitors, outbox, verdicts
from store.instant import iso
from store.model import Gap, Monitor, Notice, Ns, new_id

_given_up = Counter("lastbeat_runs_given_up", "Runs that are timed no more, because too many of their monitor go on at once.")

_LISTED = 100  # monitors named in one grouped message; the count tells of the rest


def load(connection: Connection, monitor_ids: Collection[str]) -> dict[str, Case]:
    """The cases of those monitors that exist, by monitor id."""
    ids = list(monitor_ids)
    thresholds = alerts.of_monitors(connection, ids)
    return {i: Case(watched.monitor, watched.beat, thresholds.get(i, [])) for i, watched in monitors.among(connection, ids).items()}


def save(connection: Connection, cases: Iterable[Case], base_url: str, now: Ns) -> None:
    """Write what has changed in the cases and all they caused. `base_url` leads the links in messages."""
    every = list(cases)
    verdicts.save_beats(connection, {case.monitor.id: case.beat for case in every if case.beat != case.loaded})
    verdicts.save_alerts(connection, [alert for case in every for alert in case.changed_alerts.values()])
    verdicts.add_transitions(connection, [t for case in every for t in case.transitions])
    verdicts.save_incidents(connection, [i for case in every for i in case.opened], [c for case in every for c in case.closed])
    durations.save(connection, {at: seconds for case in every for at, seconds in case.durations.items()})
    _given_up.inc(sum(case.given_up for case in every))
    metric_keys.save(connection, [(case.monitor.id, key) for case in every for key in case.keys.values()])
    outbox.add(connection, _notices(connection, [case for case in every if case.words], base_url, now))


def say_unverified(connection: Connection, gap: Gap, base_url: str, now: Ns) -> None:
    """Tell each project once, through its default channels, which of its monitors nobody can vouch for after our outage."""
    unverified = verdicts.unverified_by(connection, gap)
    notices = []
    for project_id, channel_ids in channels.default_ids(connection, list(unverified)).items():
        names = unverified[project_id]
        details = {
            "from": iso(gap.start),
            "to": iso(gap.end),
            "reason": gap.reason,
            "count": len(names),
            "monitors": [{"id": monitor_id, "name": name} for name, monitor_id in names[:_LISTED]],
        }
        body = message("monitors_unverified", None, details, gap.end, base_url)
        notices += [_notice("monitors_unverified", None, 0, channel_id, body, now) for channel_id in channel_ids]
    outbox.add(connection, notices)


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
            sequence = 1 if word.opens else 2
            hearers = told.get(word.incident_id, [])
            notices += [_notice(word.event, word.incident_id, sequence, channel, body, now) for channel in hearers]
    return notices


def _notice(event: str, incident_id: str | None, sequence: int, channel_id: str, body: dict[str, Any], now: Ns) -> Notice:
    notice_id = new_id("msg")
    payload = body | {"id": notice_id, "incidentId": incident_id, "sequence": sequence}
    return Notice(notice_id, channel_id, incident_id, sequence, event, payload, created_at=now)
