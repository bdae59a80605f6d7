"""What people do to monitors, alerts and channels, through the API or the pages: each one function in the caller's transaction.

Fields come as `rules.definitions` loads them. What only the store can refuse (an unknown channel) raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from msgspec.structs import replace
from sqlalchemy import Connection

from rules import ledger, threshold
from rules.case import Case
from rules.channels import Message, senders
from store.control import alerts, channels, monitors
from store.control.monitors import Watched
from store.model import Alert, Beat, Channel, Monitor, Ns, Schedule, new_id


class Refused(Exception):
    """The definition is sound in itself but does not fit what there is; `fields` has a sentence for each field."""

    def __init__(self, **fields: str) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = {name: [sentence] for name, sentence in fields.items()}


def add_monitor(connection: Connection, project_id: str, fields: dict[str, Any], now: Ns) -> Watched:
    _know_channels(connection, project_id, fields["channel_ids"] or [], "channelIds")
    # A UUID, as in Healthchecks' ping URLs: existing clients expect that form.
    monitor = _configured(
        Monitor(new_id("mon"), project_id, "", None, (), Schedule(), token=str(uuid4()), created_at=now, updated_at=now), fields, now
    )
    monitors.add(connection, monitor)
    channels.choose(connection, monitor.id, fields["channel_ids"] or [])
    return Watched(monitor, Beat())


def edit_monitor(connection: Connection, monitor: Monitor, fields: dict[str, Any], base_url: str, now: Ns) -> None:
    _know_channels(connection, monitor.project_id, fields["channel_ids"] or [], "channelIds")
    changed = _configured(monitor, fields, now)
    _judge(connection, monitor, base_url, now, lambda case: case.reschedule(changed, now))
    monitors.change(connection, changed)
    channels.choose(connection, monitor.id, fields["channel_ids"] or [])


def rotate_token(connection: Connection, monitor: Monitor, now: Ns) -> None:
    """Give the monitor a new ping URL; the old one is unknown from now on."""
    monitors.change(connection, replace(monitor, token=str(uuid4()), updated_at=now))


def pause(connection: Connection, monitor: Monitor, base_url: str, now: Ns) -> None:
    """Stop judging the monitor; its pings are kept and change nothing."""
    _judge(connection, monitor, base_url, now, lambda case: case.pause(now))
    monitors.change(connection, replace(monitor, updated_at=now))


def resume(connection: Connection, monitor: Monitor, base_url: str, now: Ns) -> None:
    _judge(connection, monitor, base_url, now, lambda case: case.resume(now))
    monitors.change(connection, replace(monitor, updated_at=now))


def delete_monitor(connection: Connection, monitor: Monitor, base_url: str, now: Ns) -> None:
    """Resolve what is open, and take the monitor out of sight; its history is removed in the background."""
    _judge(connection, monitor, base_url, now, lambda case: case.end(now))
    monitors.bury(connection, monitor.id, now)


def add_alert(connection: Connection, monitor: Monitor, fields: dict[str, Any], now: Ns) -> Alert:
    _know_channels(connection, monitor.project_id, [] if fields["channel_id"] is None else [fields["channel_id"]], "channelId")
    alert = Alert(new_id("alr"), monitor.id, created_at=now, updated_at=now, **fields)
    alerts.add(connection, alert)
    return alert


def edit_alert(connection: Connection, monitor: Monitor, alert: Alert, fields: dict[str, Any], now: Ns) -> Alert:
    """Change the alert; a changed condition counts from zero, and an open incident is judged anew at the next sample."""
    _know_channels(connection, monitor.project_id, [] if fields["channel_id"] is None else [fields["channel_id"]], "channelId")
    changed = replace(alert, updated_at=now, **fields)
    conditions = [(a.metric_key, a.operator, a.threshold, a.consecutive) for a in (alert, changed)]
    if conditions[0] != conditions[1]:
        changed = threshold.rearmed(changed)
    alerts.change(connection, changed)
    return changed


def delete_alert(connection: Connection, monitor: Monitor, alert: Alert, base_url: str, now: Ns) -> None:
    _judge(connection, monitor, base_url, now, lambda case: case.dismiss([alert], now, "rule_removed"))
    alerts.remove(connection, alert.id)


def add_channel(connection: Connection, project_id: str, fields: dict[str, Any], now: Ns) -> Channel:
    channel = Channel(new_id("ch"), project_id, created_at=now, updated_at=now, **fields)
    channels.add(connection, channel)
    return channel


def edit_channel(connection: Connection, channel: Channel, fields: dict[str, Any], now: Ns) -> Channel:
    changed = replace(channel, updated_at=now, **fields)
    channels.change(connection, changed)
    return changed


def trial(channel: Channel, base_url: str, now: Ns) -> Message:
    """What `send_test` sends: the same form as a real notification, about no monitor."""
    notice_id = new_id("msg")
    details = {"channel": channel.name, "text": "This is a test from Lastbeat. Notifications will arrive like this one."}
    body = ledger.message("test", None, details, now, base_url) | {"id": notice_id, "incidentId": None, "sequence": 0}
    return Message(notice_id, "test", now, body)


def send_test(channel: Channel, base_url: str, now: Ns) -> None:
    """Send a test notification and wait for how it ends; raises `rules.channels.Undelivered`."""
    senders[channel.type].send(channel.config, trial(channel, base_url, now))


def _configured(monitor: Monitor, fields: dict[str, Any], now: Ns) -> Monitor:
    schedule = Schedule(fields["interval"], fields["grace"], fields["cron"], fields["timezone"])
    tags = tuple(dict.fromkeys(fields["tags"]))
    return replace(monitor, name=fields["name"], slug=fields["slug"], tags=tags, schedule=schedule, updated_at=now)


def _judge(connection: Connection, monitor: Monitor, base_url: str, now: Ns, event: Callable[[Case], None]) -> None:
    cases = ledger.load(connection, [monitor.id])
    for case in cases.values():
        event(case)
    ledger.save(connection, cases.values(), base_url, now)


def _know_channels(connection: Connection, project_id: str, channel_ids: list[str], field: str) -> None:
    unknown = channels.unknown(connection, project_id, channel_ids)
    if unknown:
        raise Refused(**{field: f"there is no notification channel {unknown[0]!r}; create it first"})
