"""Monitors: `/api/monitors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from marshmallow import fields, validate
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from api.auth import may_write, plan, project
from api.paging import Page, PageQuery, page
from api.parts import parts
from api.resource import Resource
from api.shapes import Instant, Shape
from rules import actions
from rules.definitions import MonitorDefinition, defined_monitor
from rules.runs import running_since
from rules.status import expected_at, shown
from store.control import channels, monitors
from store.control.monitors import Watched
from store.model import Beat, Monitor, Ns, ShownStatus

resource = Resource("monitors", "What is watched: each monitor is a job that is expected to ping its secret URL.")
STATUSES: tuple[ShownStatus, ...] = get_args(ShownStatus)


class Seen(NamedTuple):
    """A monitor as its owner sees it now."""

    monitor: Monitor
    beat: Beat
    status: ShownStatus
    next_expected_at: Ns | None
    channel_ids: list[str] | None
    ping_url: str | None
    running_since: Ns | None

    @property
    def running(self) -> bool:
        return self.running_since is not None


class MonitorShape(Shape):
    """A monitor, and how it is."""

    id = fields.String(attribute="monitor.id")
    name = fields.String(attribute="monitor.name")
    type = fields.Constant("heartbeat", metadata={"type": "string"})
    slug = fields.String(attribute="monitor.slug", allow_none=True)
    tags = fields.List(fields.String(), attribute="monitor.tags")
    interval = fields.Integer(attribute="monitor.schedule.interval", metadata={"description": "Seconds between pings."})
    grace_period = fields.Integer(attribute="monitor.schedule.grace", metadata={"description": "Seconds a ping may be late."})
    schedule = fields.String(
        attribute="monitor.schedule.cron", allow_none=True, metadata={"description": "Cron expressions, with ; between several."}
    )
    timezone = fields.String(attribute="monitor.schedule.timezone")
    status = fields.String(validate=validate.OneOf(STATUSES))
    running = fields.Boolean(metadata={"description": "Whether a run has begun that has not ended."})
    running_since = Instant(allow_none=True, metadata={"description": "When the oldest of the present runs began."})
    start_by = fields.Integer(
        attribute="monitor.schedule.start_by",
        allow_none=True,
        metadata={"description": "Seconds after its time within which a run must report its start; null: the start is not waited for."},
    )
    min_run_time = fields.Integer(
        attribute="monitor.schedule.min_run",
        allow_none=True,
        metadata={"description": "Seconds that a run must take from its start signal; null: as short as it likes."},
    )
    max_run_time = fields.Integer(
        attribute="monitor.schedule.max_run",
        allow_none=True,
        metadata={"description": "Seconds that a run may take from its start signal; null: as long as it likes."},
    )
    methods = fields.String(attribute="monitor.methods", metadata={"description": "POST: other methods change nothing."})
    ping_url = fields.String(
        allow_none=True, metadata={"description": "A secret: whoever knows it can ping. null for those with a read-only key."}
    )
    last_ping_at = Instant(attribute="beat.last_ping_at", allow_none=True)
    next_expected_at = Instant(allow_none=True)
    health = fields.String(
        attribute="beat.health",
        allow_none=True,
        metadata={
            "description": "Why its schedule cannot be computed, so that no ping can be missed; it is tried again. null: all is well."
        },
    )
    down_since = Instant(attribute="beat.down_since", allow_none=True)
    channel_ids = fields.List(fields.String(), allow_none=True, metadata={"description": "null: the project's default channels."})
    created_at = Instant(attribute="monitor.created_at")
    updated_at = Instant(attribute="monitor.updated_at")


class MonitorsQuery(PageQuery):
    """Which monitors are wanted."""

    tag = fields.String(validate=validate.Length(max=100), metadata={"description": "Only those with this tag."})
    status = fields.String(validate=validate.OneOf(STATUSES), metadata={"description": "Only those that are like this now."})
    # SQLite refuses to match a pattern that is very long.
    q = fields.String(validate=validate.Length(max=200), metadata={"description": "Only those with this in their name or slug."})


def of_project(connection: Connection, monitor_id: str) -> Watched:
    """The monitor of the asking project; 404 where it has none of this id, whoever else may have it."""
    found = monitors.get(connection, project().id, monitor_id)
    if found is None:
        raise NotFound(f"there is no monitor {monitor_id[:60]!r}")
    return found


@resource.call("POST", "/api/monitors", body=MonitorDefinition, answers=MonitorShape(), status=201)
def create(definition: dict[str, Any]) -> Seen:
    """Create a monitor. Where no interval is given it is a minute, or the shortest that the project's plan allows if that is longer."""
    with parts().control.begin() as connection:
        made = actions.add_monitor(connection, project(), plan(), definition, parts().clock())
        return _seen_one(connection, made.monitor.id)


@resource.call("GET", "/api/monitors", query=MonitorsQuery, answers=MonitorShape(many=True))
def listed(query: dict[str, Any]) -> Page[Seen]:
    """The project's monitors by name."""
    with parts().control.read() as connection:
        found, total = monitors.find(
            connection,
            project().id,
            parts().clock(),
            tag=query.get("tag"),
            status=query.get("status"),
            search=query.get("q"),
            limit=query["limit"],
            offset=query["offset"],
        )
        return page(_seen(connection, found), total)


@resource.call("GET", "/api/monitors/<monitor_id>", answers=MonitorShape())
def get(monitor_id: str) -> Seen:
    """One monitor."""
    with parts().control.read() as connection:
        return _seen_one(connection, monitor_id)


@resource.call("PATCH", "/api/monitors/<monitor_id>", change_of=MonitorDefinition, answers=MonitorShape())
def edit(changes: dict[str, Any], monitor_id: str) -> Seen:
    """Change what is named; the rest stays."""
    with parts().control.begin() as connection:
        monitor = of_project(connection, monitor_id).monitor
        chosen = channels.chosen(connection, [monitor.id]).get(monitor.id, [])
        definition = MonitorDefinition(sent=changes).load({**defined_monitor(monitor, chosen), **changes})
        actions.edit_monitor(connection, monitor, plan(), definition, parts().base_url, parts().clock())
        return _seen_one(connection, monitor_id)


@resource.call("DELETE", "/api/monitors/<monitor_id>", status=204)
def delete(monitor_id: str) -> None:
    """Delete the monitor with its history; its ping URL is unknown from now on."""
    with parts().control.begin() as connection:
        monitor = of_project(connection, monitor_id).monitor
        actions.delete_monitor(connection, monitor, parts().base_url, parts().clock())


@resource.call("POST", "/api/monitors/<monitor_id>/pause", answers=MonitorShape())
def pause(monitor_id: str) -> Seen:
    """Stop judging the monitor; its pings are kept and change nothing."""
    with parts().control.begin() as connection:
        actions.pause(connection, of_project(connection, monitor_id).monitor, parts().base_url, parts().clock())
        return _seen_one(connection, monitor_id)


@resource.call("POST", "/api/monitors/<monitor_id>/resume", answers=MonitorShape())
def resume(monitor_id: str) -> Seen:
    """Judge a paused monitor again, one whole period from now."""
    with parts().control.begin() as connection:
        actions.resume(connection, of_project(connection, monitor_id).monitor, parts().base_url, parts().clock())
        return _seen_one(connection, monitor_id)


@resource.call("POST", "/api/monitors/<monitor_id>/rotate-token", answers=MonitorShape())
def rotate_token(monitor_id: str) -> Seen:
    """Give the monitor a new ping URL; the old one is unknown from now on."""
    with parts().control.begin() as connection:
        actions.rotate_token(connection, of_project(connection, monitor_id).monitor, parts().clock())
        return _seen_one(connection, monitor_id)


def seen(connection: Connection, found: Sequence[Watched], base_url: str, now: Ns, *, secrets: bool = True) -> list[Seen]:
    """The monitors as they are now; without `secrets` their ping URLs are left out."""
    chosen = channels.chosen(connection, [monitor.id for monitor, _ in found])
    return [
        Seen(
            monitor,
            beat,
            shown(beat, now),
            expected_at(beat),
            chosen.get(monitor.id),
            f"{base_url}/ping/{monitor.token}" if secrets else None,
            running_since(beat.runs, now),
        )
        for monitor, beat in found
    ]


def _seen_one(connection: Connection, monitor_id: str) -> Seen:
    return _seen(connection, [of_project(connection, monitor_id)])[0]


def _seen(connection: Connection, found: Sequence[Watched]) -> list[Seen]:
    return seen(connection, found, parts().base_url, parts().clock(), secrets=may_write())
