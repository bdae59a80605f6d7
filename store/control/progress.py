"""How far a gap has been settled, while it is: a gap may concern more monitors than one transaction should."""

from __future__ import annotations

from sqlalchemy import Connection

from store.control import settings
from store.model import Gap

_NAME = "gap_progress"


def of(connection: Connection, gap: Gap) -> str:
    """The id of the last monitor that was judged by this gap; empty where none was yet. Monitors are judged in the order of their ids."""
    at, _, monitor_id = (settings.get(connection, _NAME) or "").partition(" ")
    return monitor_id if at == str(gap.at) else ""


def save(connection: Connection, gap: Gap, monitor_id: str) -> None:
    settings.put(connection, _NAME, f"{gap.at} {monitor_id}")
