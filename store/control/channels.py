"""Notification channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from store.control.rows import given, is_given
from store.control.tables import channels, monitor_channels
from store.model import Channel, Ns


def add(connection: Connection, channel: Channel) -> None:
    connection.execute(insert(channels).values(_row(channel)))


def change(connection: Connection, channel: Channel) -> None:
    connection.execute(update(channels).where(channels.c.id == channel.id).values(_row(channel)))


def remove(connection: Connection, channel_id: str) -> None:
    """Delete the channel with what still waits to be sent through it; monitors that had only this one fall back to the defaults."""
    connection.execute(delete(channels).where(channels.c.id == channel_id))


def get(connection: Connection, project_id: str, channel_id: str) -> Channel | None:
    row = connection.execute(select(channels).where(channels.c.id == channel_id, channels.c.project_id == project_id)).mappings().first()
    return Channel(**row) if row else None


def among(connection: Connection, channel_ids: Sequence[str]) -> dict[str, Channel]:
    rows = connection.execute(select(channels).where(channels.c.id.in_(channel_ids))).mappings()
    return {row["id"]: Channel(**row) for row in rows}


def find(connection: Connection, project_id: str, *, limit: int = 100, offset: int = 0) -> tuple[list[Channel], int]:
    """A page of the project's channels by name, and how many there are in all."""
    mine = channels.c.project_id == project_id
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    rows = connection.execute(select(channels).where(mine).order_by(channels.c.name, channels.c.id).limit(limit).offset(offset)).mappings()
    return [Channel(**row) for row in rows], total


def unknown(connection: Connection, project_id: str, channel_ids: Sequence[str]) -> list[str]:
    """Those of the ids that name no channel of the project."""
    query = select(channels.c.id).where(channels.c.project_id == project_id, channels.c.id.in_(channel_ids))
    known = set(connection.execute(query).scalars())
    return [c for c in channel_ids if c not in known]


def chosen(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, list[str]]:
    """The channels chosen for each monitor; monitors without a choice are left out."""
    query = select(monitor_channels).where(is_given(monitor_channels.c.monitor_id)).order_by(monitor_channels.c.channel_id)
    found: dict[str, list[str]] = {}
    for monitor_id, channel_id in connection.execute(query, given(monitor_ids)).all():
        found.setdefault(monitor_id, []).append(channel_id)
    return found


def choose(connection: Connection, monitor_id: str, channel_ids: Sequence[str]) -> None:
    """Let the monitor notify exactly these channels; with none it notifies its project's defaults."""
    connection.execute(delete(monitor_channels).where(monitor_channels.c.monitor_id == monitor_id))
    if channel_ids:
        connection.execute(insert(monitor_channels), [{"monitor_id": monitor_id, "channel_id": c} for c in dict.fromkeys(channel_ids)])


def notified(connection: Connection, projects: Mapping[str, str]) -> dict[str, list[str]]:
    """Whom each monitor notifies: its own choice, else the defaults of its project. `projects` maps monitor ids to project ids."""
    own = chosen(connection, list(projects))
    defaults = default_ids(connection, sorted({p for m, p in projects.items() if m not in own}))
    return {m: own.get(m) or defaults.get(p, []) for m, p in projects.items()}


def default_ids(connection: Connection, project_ids: Sequence[str]) -> dict[str, list[str]]:
    return _by_project(connection, channels.c.project_id.in_(project_ids), channels.c.is_default)


def spokesmen(connection: Connection, project_ids: Sequence[str]) -> dict[str, list[str]]:
    """Whom of each project to tell what is about no single monitor: its default channels; where it has none, all it has."""
    found = default_ids(connection, project_ids)
    without = [project_id for project_id in project_ids if project_id not in found]
    return found | _by_project(connection, channels.c.project_id.in_(without)) if without else found


def named(connection: Connection, project_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """The ids of the projects' channels, by project and by what they may be called: their name, or their id."""
    found: dict[str, dict[str, str]] = {}
    query = select(channels.c.project_id, channels.c.id, channels.c.name).where(channels.c.project_id.in_(project_ids))
    for row in connection.execute(query.order_by(channels.c.created_at.desc())):  # of two with one name the older one is meant
        found.setdefault(row.project_id, {}).update({row.name: row.id})
    for row in connection.execute(query):
        found[row.project_id][row.id] = row.id
    return found


def note_delivery(connection: Connection, channel_id: str, error: str | None, now: Ns) -> None:
    """Remember how the newest delivery ended: None for well."""
    values = {"last_error": error, "last_error_at": None if error is None else now}
    connection.execute(update(channels).where(channels.c.id == channel_id).values(values))


def _by_project(connection: Connection, *which: ColumnElement[bool]) -> dict[str, list[str]]:
    """The ids of these channels."""
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(channels.c.project_id, channels.c.id).where(*which).order_by(channels.c.id)):
        found.setdefault(row.project_id, []).append(row.id)
    return found


def _row(channel: Channel) -> dict[str, Any]:
    return {name: getattr(channel, name) for name in channel.__struct_fields__}
