"""The metric keys discovered in each monitor's payloads, with their newest values."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from store.control.tables import metric_keys
from store.model import MetricKey


def save(connection: Connection, found: Iterable[tuple[str, MetricKey]]) -> None:
    """Keep the newest value of each (monitor id, key); an older one than is known changes nothing."""
    rows = [
        {
            "monitor_id": monitor_id,
            "key": one.key,
            "number": one.value if isinstance(one.value, float) else None,
            "text": one.value if isinstance(one.value, str) else None,
            "last_at": one.last_at,
        }
        for monitor_id, one in found
    ]
    if not rows:
        return
    row = insert(metric_keys)
    newest = {name: row.excluded[name] for name in ("number", "text", "last_at")}
    connection.execute(
        row.on_conflict_do_update(index_elements=["monitor_id", "key"], set_=newest, where=row.excluded.last_at >= metric_keys.c.last_at),
        rows,
    )


def find(connection: Connection, monitor_id: str, *, limit: int = 1000, offset: int = 0) -> tuple[list[MetricKey], int]:
    """The monitor's keys by name, and how many there are in all."""
    mine = metric_keys.c.monitor_id == monitor_id
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    page = select(metric_keys).where(mine).order_by(metric_keys.c.key).limit(limit).offset(offset)
    return [
        MetricKey(key=row.key, value=row.text if row.number is None else row.number, last_at=row.last_at)
        for row in connection.execute(page)
    ], total


def names(connection: Connection, monitor_id: str) -> set[str]:
    return set(connection.execute(select(metric_keys.c.key).where(metric_keys.c.monitor_id == monitor_id)).scalars())
