"""What has happened to monitors: transitions between statuses, and incidents."""

from __future__ import annotations

from sqlalchemy import Connection, select

from store.control.tables import incidents, transitions
from store.model import Incident, Ns, Transition


def of_monitor(connection: Connection, monitor_id: str, start: Ns, end: Ns) -> list[Transition]:
    """The monitor's transitions within [start, end), oldest first, led by the last one before `start` if there is one."""
    mine = select(transitions).where(transitions.c.monitor_id == monitor_id).order_by(transitions.c.at.desc(), transitions.c.id.desc())
    before = connection.execute(mine.where(transitions.c.at < start).limit(1)).mappings().all()
    within = connection.execute(mine.where(transitions.c.at >= start, transitions.c.at < end)).mappings().all()
    return [Transition(**{f: row[f] for f in Transition.__struct_fields__}) for row in [*before, *reversed(within)]]


def incidents_of(connection: Connection, monitor_id: str, limit: int = 20) -> list[Incident]:
    """The monitor's newest incidents, newest first."""
    query = select(incidents).where(incidents.c.monitor_id == monitor_id).order_by(incidents.c.opened_at.desc()).limit(limit)
    return [Incident(**row) for row in connection.execute(query).mappings()]
