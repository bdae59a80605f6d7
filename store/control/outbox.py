"""The outbox: messages that were decided in a state's own transaction and are sent afterwards, at least once and in order.

A row is `pending`, then `inflight` while a sender has it, then `sent` or `dead`. While it is in flight, `next_at` is when another
sender may take it over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from store.control.tables import incidents, outbox
from store.model import Notice, Ns

_WAITING = ("pending", "inflight")


def add(connection: Connection, notices: Iterable[Notice]) -> None:
    """Queue the notices in their order, to be sent as soon as possible."""
    rows: list[dict[str, Any]] = [
        {name: getattr(n, name) for name in n.__struct_fields__} | {"state": "pending", "next_at": n.created_at} for n in notices
    ]
    if rows:
        connection.execute(insert(outbox), rows)


def claim(connection: Connection, now: Ns, lease: Ns, except_channels: Sequence[str] = ()) -> Notice | None:
    """Take the notice that is due longest for `lease` ns, of channels other than `except_channels`; None when none is due.

    Of one incident and channel only the oldest unsent notice is ever due: a recovery waits until its alarm is out.
    """
    older = outbox.alias("older")
    blocked = (
        select(1)
        .where(older.c.incident_id == outbox.c.incident_id, older.c.channel_id == outbox.c.channel_id)
        .where(older.c.number < outbox.c.number, older.c.state.in_(_WAITING))
        .exists()
    )
    due = select(outbox).where(outbox.c.state.in_(_WAITING), outbox.c.next_at <= now, ~blocked, outbox.c.channel_id.not_in(except_channels))
    row = connection.execute(due.order_by(outbox.c.next_at, outbox.c.number).limit(1)).mappings().first()
    if row is None:
        return None
    attempts = row["attempts"] + 1
    _settle(connection, row["id"], state="inflight", next_at=now + lease, attempts=attempts)
    return Notice(**{f: row[f] for f in Notice.__struct_fields__} | {"attempts": attempts})


def due(connection: Connection, now: Ns) -> bool:
    """Whether `claim` may find anything; reads only."""
    query = select(1).where(outbox.c.state.in_(_WAITING), outbox.c.next_at <= now).limit(1)
    return connection.execute(query).first() is not None


def sent(connection: Connection, notice_id: str, now: Ns) -> None:
    _settle(connection, notice_id, state="sent", sent_at=now, last_error=None)


def retry(connection: Connection, notice_id: str, next_at: Ns, error: str) -> None:
    _settle(connection, notice_id, state="pending", next_at=next_at, last_error=error)


def give_up(connection: Connection, notice_id: str, error: str) -> None:
    """Set the notice aside as undeliverable, where people see it."""
    _settle(connection, notice_id, state="dead", last_error=error)


def release(connection: Connection, now: Ns) -> None:
    """Take back all leases: for the one sender, at its start, when whoever held them is dead."""
    connection.execute(update(outbox).where(outbox.c.state == "inflight").values(state="pending", next_at=now))


def told(connection: Connection, incident_ids: Sequence[str]) -> dict[str, list[str]]:
    """The channels that were, or still may be, told of each incident. Dead notices do not count: nobody heard of those."""
    query = select(outbox.c.incident_id, outbox.c.channel_id).where(outbox.c.incident_id.in_(incident_ids), outbox.c.state != "dead")
    found: dict[str, list[str]] = {}
    for incident_id, channel_id in connection.execute(query.distinct().order_by(outbox.c.channel_id)):
        found.setdefault(incident_id, []).append(channel_id)
    return found


def forget(connection: Connection, before: Ns, limit: int) -> int:
    """Drop up to `limit` delivered or dead notices that were created before; returns how many went.

    Those of an open incident stay: they know who is to be told of its end.
    """
    is_open = select(1).where(incidents.c.id == outbox.c.incident_id, incidents.c.resolved_at.is_(None)).exists()
    old = select(outbox.c.number).where(outbox.c.state.not_in(_WAITING), outbox.c.created_at < before, ~is_open).limit(limit)
    return connection.execute(delete(outbox).where(outbox.c.number.in_(old))).rowcount


def depth(connection: Connection) -> dict[str, int]:
    """How many notices are in each state."""
    rows = connection.execute(select(outbox.c.state, func.count().label("number")).group_by(outbox.c.state))
    return {row.state: row.number for row in rows}


def _settle(connection: Connection, notice_id: str, **values: Any) -> None:
    connection.execute(update(outbox).where(outbox.c.id == notice_id).values(**values))
