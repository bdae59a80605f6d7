"""When we were not listening: what was not heard then says nothing."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from store.control.tables import gaps
from store.model import Gap, Ns


def add(connection: Connection, gap: Gap) -> None:
    """Keep the gap; once more is the same as once."""
    row = {"at": gap.at, "start": gap.start, "end": gap.end, "reason": gap.reason}
    connection.execute(insert(gaps).values(row).on_conflict_do_nothing())


def within(connection: Connection, start: Ns, end: Ns) -> list[Gap]:
    """The gaps that touch [start, end), oldest first."""
    query = select(gaps).where(gaps.c.end > start, gaps.c.start < end).order_by(gaps.c.at)
    return [Gap(**row) for row in connection.execute(query).mappings()]


def forget(connection: Connection, before: Ns) -> None:
    connection.execute(delete(gaps).where(gaps.c.end < before))
