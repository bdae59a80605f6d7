"""What people do to monitors, alerts and channels, through the API or the pages: each one function in the caller's transaction.

Fields come as `rules.definitions` loads them. What only the store can refuse (an unknown channel) raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from msgspec.structs import replace
from sqlalchemy import Connection

from rules import ledger, plans, storm
from rules.book import rule_of
from rules.case import Case
from rules.channels import Message, senders
from rules.definitions import MonitorDefinition
from rules.schedule import same_rhythm
from store.control import alerts, channels, monitors
from store.control.monitors import Watched
from store.model import Alert, Beat, Channel, Monitor, Ns, Plan, Project, Schedule, new_id


class Refused(Exception):
    """The definition is sound in itself but does not fit what there is; `fields` has a sentence for each field."""

    def __init__(self, **fields: str) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = {name: [sentence] for name, sentence in fields.items()}


class Full(Refused):
    """The project has as many monitors as its plan allows."""


def add_monitor(
    connection: Connection, project: Project, plan: Plan, fields: dict[str, Any], now: Ns, *, token: str | None = None
) -> Watched:
    """Make a monitor. `token` is the secret in its ping URL, where clients know one already; else it gets a new one."""
    sentence = plans.full(plan, monitors.count(connection, project.id)) if plan.monitors is not None else None
    if sentence:
        raise Full(name=sentence)
    _know_channels(connection, project.id, fields["channel_ids"] or [], "channelIds")
    # A UUID, as in Healthchecks' ping URLs: existing clients expect that form.
    blank = Monitor(new_id("mon"), project.id, "", None, (), Schedule(), token=token or str(uuid4()), created_at=now, updated_at=now)
    monitor = _configured(blank, fields | {"interval": fields["interval"] or plans.default_interval(plan)}, now)
    _keep_to(plan, monitor, now)
    monitors.add(connection, monitor)
    channels.choose(connection, monitor.id, fields["channel_ids"] or [])
    return Watched(monitor, Beat())


def provide_monitor(connection: Connection, project: Project, plan: Plan, slug: str, now: Ns) -> None:
    """Make the monitor of this slug where there is none, as `?create=1` asks for: expected daily, and given an hour, as in Healthchecks."""
    if monitors.by_slug(connection, project.id, slug):
        return
    daily = max(86_400, plans.minimum(plan))
    definition = MonitorDefinition().load({"name": slug, "slug": slug, "interval": daily, "gracePeriod": 3_600, "maxRunTime": 3_600})
    add_monitor(connection, project, plan, definition, now)


def edit_monitor(connection: Connection, monitor: Monitor, plan: Plan, fields: dict[str, Any], base_url: str, now: Ns) -> None:
    _know_channels(connection, monitor.project_id, fields["channel_ids"] or [], "channelIds")
    changed = _configured(monitor, fields, now)
    if not same_rhythm(changed.schedule, monitor.schedule):
        _keep_to(plan, changed, now)
    channels.choose(connection, monitor.id, fields["channel_ids"] or [])  # they are told, if an outage is told of by others now
    _judge(connection, monitor, base_url, now, lambda case: case.reschedule(changed, ledger.watching(connection, changed), now))
    monitors.change(connection, changed)


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
    alert = draft_alert(connection, monitor, fields, now)
    alerts.add(connection, alert)
    return alert


def draft_alert(connection: Connection, monitor: Monitor, fields: dict[str, Any], now: Ns) -> Alert:
    """The alert as it would be added."""
    _know_channels(connection, monitor.project_id, [] if fields["channel_id"] is None else [fields["channel_id"]], "channelId")
    return Alert(new_id("alr"), monitor.id, created_at=now, updated_at=now, **fields)


def edit_alert(connection: Connection, monitor: Monitor, alert: Alert, fields: dict[str, Any], base_url: str, now: Ns) -> Alert:
    """Change the alert; a changed condition counts from zero, and an open incident is judged anew at the next sample."""
    _know_channels(connection, monitor.project_id, [] if fields["channel_id"] is None else [fields["channel_id"]], "channelId")
    changed = replace(alert, updated_at=now, **fields)

    def changing(case: Case) -> None:
        alerts.change(connection, changed)
        case.follow(ledger.watching(connection, monitor), now)

    _judge(connection, monitor, base_url, now, changing)
    return alerts.get(connection, monitor.id, alert.id) or changed


def delete_alert(connection: Connection, monitor: Monitor, alert: Alert, base_url: str, now: Ns) -> None:
    _judge(connection, monitor, base_url, now, lambda case: case.dismiss([rule_of(alert)], now, "rule_removed"))
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
    schedule = Schedule(**{name: fields[name] for name in Schedule.__struct_fields__})
    tags = tuple(dict.fromkeys(fields["tags"]))
    kept = {name: fields[name] for name in ("name", "slug", "methods")}
    return replace(monitor, **kept, tags=tags, schedule=schedule, updated_at=now)


def _keep_to(plan: Plan, monitor: Monitor, now: Ns) -> None:
    sentence = plans.too_often(plan, monitor.schedule, now)
    if sentence:
        raise Refused(**{"interval" if monitor.schedule.cron is None else "schedule": sentence})


def _judge(connection: Connection, monitor: Monitor, base_url: str, now: Ns, event: Callable[[Case], None]) -> None:
    cases = ledger.load(connection, [monitor.id])
    for case in cases.values():
        event(case)
    ledger.save(connection, cases.values(), base_url, now, held=storm.holding(connection, now))


def _know_channels(connection: Connection, project_id: str, channel_ids: list[str], field: str) -> None:
    unknown = channels.unknown(connection, project_id, channel_ids)
    if unknown:
        raise Refused(**{field: f"there is no notification channel {unknown[0]!r}; create it first"})
