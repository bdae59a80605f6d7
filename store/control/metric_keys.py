"""The metric keys discovered in each monitor's payloads, with their newest values."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from store.control.rows import Rows
from store.control.tables import metric_keys
from store.model import MetricKey

_row = insert(metric_keys)
_newest = Rows(
    _row.on_conflict_do_update(
        index_elements=["monitor_id", "key"],
        set_={name: _row.excluded[name] for name in ("number", "text", "last_at")},
        where=_row.excluded.last_at >= metric_keys.c.last_at,
    ),
    ("monitor_id", "key", "number", "text", "last_at"),
)


def save(connection: Connection, found: Iterable[tuple[str, MetricKey]]) -> None:
    """Keep the newest value of each (monitor id, key); an older one than is known changes nothing."""
    _newest.write(connection, [(monitor_id, one.key, *_number_or_text(one.value), one.last_at) for monitor_id, one in found])


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


def _number_or_text(value: float | str) -> tuple[float | None, str | None]:
    return (None, value) if isinstance(value, str) else (value, None)
