"""Metric alerts: thresholds that people made through the API or the pages, and how each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from store.control.rows import given, is_given
from store.control.tables import metric_alerts, standings
from store.model import Alert, AlertState

_DEFINITION = tuple(name for name in Alert.__struct_fields__ if name not in ("state", "breaches"))


def add(connection: Connection, alert: Alert) -> None:
    connection.execute(insert(metric_alerts).values(_row(alert)))


def change(connection: Connection, alert: Alert) -> None:
    """Write what the alert watches for; how it stands is not touched."""
    connection.execute(update(metric_alerts).where(metric_alerts.c.id == alert.id).values(_row(alert)))


def remove(connection: Connection, alert_id: str) -> None:
    connection.execute(delete(standings).where(standings.c.rule == alert_id))
    connection.execute(delete(metric_alerts).where(metric_alerts.c.id == alert_id))


def get(connection: Connection, monitor_id: str, alert_id: str) -> Alert | None:
    query = _standing().where(metric_alerts.c.id == alert_id, metric_alerts.c.monitor_id == monitor_id)
    row = connection.execute(query).mappings().first()
    return _of(row) if row else None


def find(connection: Connection, monitor_id: str, *, limit: int = 100, offset: int = 0) -> tuple[list[Alert], int]:
    """A page of the monitor's alerts, oldest first, and how many there are in all."""
    mine = metric_alerts.c.monitor_id == monitor_id
    total = connection.execute(select(func.count()).where(mine)).scalar_one()
    page = _standing().where(mine).order_by(metric_alerts.c.created_at, metric_alerts.c.id).limit(limit).offset(offset)
    return [_of(row) for row in connection.execute(page).mappings()], total


def of_monitors(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, list[Alert]]:
    """All alerts of the monitors, by monitor id; monitors without any are left out."""
    return _by_monitor(connection, _OF_MONITORS, given(monitor_ids))


def by_monitor(connection: Connection) -> dict[str, list[Alert]]:
    """All alerts there are, by monitor id."""
    return _by_monitor(connection, _standing())


def edition(connection: Connection) -> tuple[int, int]:
    """Another one whenever an alert was made, changed by its owner or removed."""
    number, newest = connection.execute(select(func.count(), func.max(metric_alerts.c.updated_at))).one()
    return number, newest or 0


def _by_monitor(connection: Connection, query: Select[Any], parameters: Mapping[str, Any] | None = None) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for row in connection.execute(query.order_by(metric_alerts.c.created_at, metric_alerts.c.id), parameters).mappings().all():
        found.setdefault(row["monitor_id"], []).append(_of(row))
    return found


def _standing() -> Select[Any]:
    return select(metric_alerts, standings.c.state, standings.c.breaches).outerjoin(standings, standings.c.rule == metric_alerts.c.id)


_OF_MONITORS = _standing().where(is_given(metric_alerts.c.monitor_id))


def _of(row: Mapping[Any, Any]) -> Alert:
    # One that recovers still fires, as far as those can tell who made it.
    state: AlertState = "firing" if row["state"] == "recovering" else row["state"] or "ok"
    return Alert(**{name: row[name] for name in _DEFINITION}, state=state, breaches=row["breaches"] or 0)


def _row(alert: Alert) -> dict[str, Any]:
    return {name: getattr(alert, name) for name in _DEFINITION}
