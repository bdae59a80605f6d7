"""What has happened to monitors: transitions between statuses, and incidents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select

from store.control.tables import incidents, monitors, transitions
from store.model import Incident, Ns, Status, Transition


def of_monitor(connection: Connection, monitor_id: str, start: Ns, end: Ns) -> list[Transition]:
    """The monitor's transitions within [start, end), oldest first, led by the last one before `start` if there is one."""
    mine = select(transitions).where(transitions.c.monitor_id == monitor_id).order_by(transitions.c.at.desc(), transitions.c.id.desc())
    before = connection.execute(mine.where(transitions.c.at < start).limit(1)).mappings().all()
    within = connection.execute(mine.where(transitions.c.at >= start, transitions.c.at < end)).mappings().all()
    return [_of(row) for row in [*before, *reversed(within)]]


def after(connection: Connection, number: int, limit: int) -> list[tuple[int, Transition]]:
    """Up to `limit` transitions of all monitors behind the one with that number, in the order they were written, each with its number."""
    query = select(transitions).where(transitions.c.id > number).order_by(transitions.c.id).limit(limit)
    return [(row["id"], _of(row)) for row in connection.execute(query).mappings()]


def standing(connection: Connection, at: Ns, since: Ns) -> list[tuple[str, Status]]:
    """The monitors whose state at `at` had begun before `since`, each with it."""
    newest = select(func.max(transitions.c.id)).where(transitions.c.at <= at).group_by(transitions.c.monitor_id)
    query = select(transitions.c.monitor_id, transitions.c.to_status).join(monitors)
    query = query.where(transitions.c.id.in_(newest), transitions.c.at < since, monitors.c.deleted_at.is_(None))
    return [(row.monitor_id, row.to_status) for row in connection.execute(query.order_by(transitions.c.monitor_id))]


def incidents_of(connection: Connection, monitor_id: str, limit: int = 20) -> list[Incident]:
    """The monitor's newest incidents, newest first."""
    query = select(incidents).where(incidents.c.monitor_id == monitor_id).order_by(incidents.c.opened_at.desc()).limit(limit)
    return [Incident(**row) for row in connection.execute(query).mappings()]


def outlived(connection: Connection, before: Ns, limit: int) -> list[int]:
    """Numbers of up to `limit` transitions that no period since `before` needs: a later one of their monitor came before it too."""
    later = transitions.alias("later")
    newer = select(1).where(later.c.monitor_id == transitions.c.monitor_id, later.c.at > transitions.c.at, later.c.at < before).exists()
    return list(connection.execute(select(transitions.c.id).where(transitions.c.at < before, newer).limit(limit)).scalars())


def drop(connection: Connection, numbers: Sequence[int]) -> None:
    """Forget the transitions of those numbers."""
    connection.execute(delete(transitions).where(transitions.c.id.in_(numbers)))


def forget_incidents(connection: Connection, before: Ns, limit: int) -> int:
    """Drop up to `limit` incidents that were resolved before; returns how many went."""
    old = select(incidents.c.id).where(incidents.c.resolved_at < before).limit(limit)
    return connection.execute(delete(incidents).where(incidents.c.id.in_(old))).rowcount


def _of(row: Mapping[Any, Any]) -> Transition:
    return Transition(**{field: row[field] for field in Transition.__struct_fields__})
