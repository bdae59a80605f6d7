"""Metric alerts: thresholds, and how each stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from store.control.tables import metric_alerts
from store.model import Alert


def add(connection: Connection, alert: Alert) -> None:
    connection.execute(insert(metric_alerts).values(_row(alert)))


def change(connection: Connection, alert: Alert) -> None:
    connection.execute(update(metric_alerts).where(metric_alerts.c.id == alert.id).values(_row(alert)))


def remove(connection: Connection, alert_id: str) -> None:
    connection.execute(delete(metric_alerts).where(metric_alerts.c.id == alert_id))


def get(connection: Connection, monitor_id: str, alert_id: str) -> Alert | None:
    query = select(metric_alerts).where(metric_alerts.c.id == alert_id, metric_alerts.c.monitor_id == monitor_id)
    row = connection.execute(query).mappings().first()
    return Alert(**row) if row else None


def find(connection: Connection, monitor_id: str, *, limit: int = 100, offset: int = 0) -> tuple[list[Alert], int]:
    """A page of the monitor's alerts, oldest first, and how many there are in all."""
    mine = metric_alerts.c.monitor_id == monitor_id
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    page = select(metric_alerts).where(mine).order_by(metric_alerts.c.created_at, metric_alerts.c.id).limit(limit).offset(offset)
    return [Alert(**row) for row in connection.execute(page).mappings()], total


def of_monitors(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, list[Alert]]:
    """All alerts of the monitors, by monitor id; monitors without any are left out."""
    return _by_monitor(connection, select(metric_alerts).where(metric_alerts.c.monitor_id.in_(monitor_ids)))


def by_monitor(connection: Connection) -> dict[str, list[Alert]]:
    """All alerts there are, by monitor id."""
    return _by_monitor(connection, select(metric_alerts))


def edition(connection: Connection) -> tuple[int, int]:
    """Another one whenever an alert was made, changed by its owner or removed."""
    number, newest = connection.execute(select(func.count(), func.max(metric_alerts.c.updated_at))).one()
    return number, newest or 0


def _by_monitor(connection: Connection, query: Select[Any]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for row in connection.execute(query.order_by(metric_alerts.c.created_at, metric_alerts.c.id)).mappings():
        found.setdefault(row["monitor_id"], []).append(Alert(**row))
    return found


def _row(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in alert.__struct_fields__}
