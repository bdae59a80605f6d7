"""The outbox: messages that were decided in a state's own transaction and are sent afterwards, at least once and in order.

A row is `pending`, then `inflight` while a sender has it, then `sent` or `dead`. While it is in flight, `next_at` is when another
sender may take it over. A row that is `held` waits until it is known whether it is worth telling: it is `superseded` when it is not,
and else told alone, or `carried` by a notice that tells of many, whose fate it then shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from store.control.rows import Rows, as_json, given, is_given
from store.control.tables import incidents, outbox
from store.model import Notice, Ns

_WAITING = ("pending", "inflight")
_UNSAID = (*_WAITING, "carried")
_UNHEARD = ("dead", "held", "superseded")
_older = outbox.alias("older")  # made once: it copies every column
_about = outbox.join(incidents, incidents.c.id == outbox.c.incident_id)

_queued = Rows(
    insert(outbox),
    ("id", "channel_id", "incident_id", "sequence", "event", "payload", "state", "attempts", "next_at", "created_at"),
)


def add(connection: Connection, notices: Iterable[Notice], *, held: bool = False) -> None:
    """Queue the notices in their order, to be sent as soon as possible; or to be held, until they are `let_out`."""
    state = "held" if held else "pending"
    _queued.write(
        connection,
        [
            (n.id, n.channel_id, n.incident_id, n.sequence, n.event, as_json(n.payload), state, n.attempts, n.created_at, n.created_at)
            for n in notices
        ],
    )


def claim(
    connection: Connection, now: Ns, lease: Ns, except_channels: Sequence[str] = (), except_notices: Sequence[str] = ()
) -> Notice | None:
    """Take the notice that is due longest for `lease` ns, but for the excepted ones; None when none is due.

    Of one incident and channel only the oldest unsent notice is ever due: a recovery waits until its alarm is out.
    """
    blocked = (
        select(1)
        .where(_older.c.incident_id == outbox.c.incident_id, _older.c.channel_id == outbox.c.channel_id)
        .where(_older.c.number < outbox.c.number, _older.c.state.in_(_UNSAID))
        .exists()
    )
    query = _due(select(outbox), now, except_notices).where(~blocked, outbox.c.channel_id.not_in(except_channels))
    row = connection.execute(query.order_by(outbox.c.next_at, outbox.c.number).limit(1)).mappings().first()
    if row is None:
        return None
    taken = {"state": "inflight", "next_at": now + lease, "attempts": row["attempts"] + 1}
    connection.execute(update(outbox).where(outbox.c.id == row["id"]).values(taken))
    claimed = {**row, **taken}
    return Notice(**{f: claimed[f] for f in Notice.__struct_fields__})


def due(connection: Connection, now: Ns, except_notices: Sequence[str] = ()) -> bool:
    """Whether `claim` may find anything; reads only."""
    return connection.execute(_due(select(1), now, except_notices).limit(1)).first() is not None


def sent(connection: Connection, notice: Notice, now: Ns) -> None:
    if _note(connection, notice, state="sent", sent_at=now, last_error=None) and notice.incident_id is None:
        connection.execute(update(outbox).where(_carried(notice)).values(state="sent", sent_at=now))


def retry(connection: Connection, notice: Notice, next_at: Ns, error: str) -> None:
    _note(connection, notice, state="pending", next_at=next_at, last_error=error)


def give_up(connection: Connection, notice: Notice, error: str) -> int:
    """Set the notice aside as undeliverable, where people see it, and those behind it too: nobody hears the end of what nobody heard of.

    Returns how many were set aside.
    """
    if not _note(connection, notice, state="dead", last_error=error):
        return 0
    carried = select(outbox.c.incident_id).where(_carried(notice))
    about = outbox.c.incident_id.in_(carried) if notice.incident_id is None else outbox.c.incident_id == notice.incident_id
    why = f"the message before it could not be delivered: {error}"
    unsaid = (about, outbox.c.channel_id == notice.channel_id, outbox.c.state.in_(_UNSAID))
    return 1 + connection.execute(update(outbox).where(*unsaid).values(state="dead", last_error=why)).rowcount


def supersede(connection: Connection, incident_ids: Sequence[str]) -> None:
    """These incidents are over: what is held about them need not be said any more."""
    held = (is_given(outbox.c.incident_id), outbox.c.state == "held")
    connection.execute(update(outbox).where(*held).values(state="superseded"), given(incident_ids))


def held(connection: Connection) -> dict[str, int]:
    """Of how many monitors each channel is not told yet."""
    number = func.count(incidents.c.monitor_id.distinct())
    query = select(outbox.c.channel_id, number).select_from(_about).where(outbox.c.state == "held").group_by(outbox.c.channel_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def held_first(connection: Connection, channel_id: str, limit: int) -> list[dict[str, Any]]:
    """The payloads of the first notices that are held for the channel, one of each monitor."""
    mine = (outbox.c.state == "held", outbox.c.channel_id == channel_id)
    first = select(func.min(outbox.c.number)).select_from(_about).where(*mine).group_by(incidents.c.monitor_id)
    query = select(outbox.c.payload).where(outbox.c.number.in_(first)).order_by(outbox.c.number)
    return list(connection.execute(query.limit(limit)).scalars())


def let_out(connection: Connection, channel_id: str, now: Ns, carrier: str | None = None) -> None:
    """Let what is held for the channel be sent; with `carrier` not by itself: the notice of that id tells of it all."""
    mine = (outbox.c.state == "held", outbox.c.channel_id == channel_id)
    values = {"state": "pending", "next_at": now} if carrier is None else {"state": "carried", "carried_by": carrier}
    connection.execute(update(outbox).where(*mine).values(values))


def release(connection: Connection, now: Ns) -> None:
    """Take back all leases: for the one sender, at its start, when whoever held them is dead."""
    connection.execute(update(outbox).where(outbox.c.state == "inflight").values(state="pending", next_at=now))


def told(connection: Connection, incident_ids: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """What the channels that were, or still may be, told of each incident heard of its beginning: the payloads, by incident and channel.

    Nobody heard of what is dead, held or superseded.
    """
    begun = (is_given(outbox.c.incident_id), outbox.c.sequence == 1, outbox.c.state.not_in(_UNHEARD))
    query = select(outbox.c.incident_id, outbox.c.channel_id, outbox.c.payload).where(*begun)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for incident_id, channel_id, payload in connection.execute(query.order_by(outbox.c.channel_id), given(incident_ids)).all():
        found.setdefault(incident_id, {})[channel_id] = payload
    return found


def addressed(connection: Connection, incident_ids: Sequence[str]) -> dict[str, list[str]]:
    """The channels that each incident's beginning was for, whether or not they heard of it."""
    begun = (is_given(outbox.c.incident_id), outbox.c.sequence == 1)
    found: dict[str, list[str]] = {}
    for incident_id, channel_id in connection.execute(select(outbox.c.incident_id, outbox.c.channel_id).where(*begun), given(incident_ids)):
        found.setdefault(incident_id, []).append(channel_id)
    return found


def forget(connection: Connection, before: Ns, limit: int) -> int:
    """Drop up to `limit` delivered or dead notices that were created before; returns how many went.

    Those of an open incident stay: they know who is to be told of its end.
    """
    is_open = select(1).where(incidents.c.id == outbox.c.incident_id, incidents.c.resolved_at.is_(None)).exists()
    over = outbox.c.state.not_in((*_UNSAID, "held"))
    old = select(outbox.c.number).where(over, outbox.c.created_at < before, ~is_open).limit(limit)
    return connection.execute(delete(outbox).where(outbox.c.number.in_(old))).rowcount


def depth(connection: Connection) -> dict[str, int]:
    """How many notices are in each state."""
    rows = connection.execute(select(outbox.c.state, func.count().label("number")).group_by(outbox.c.state))
    return {row.state: row.number for row in rows}


def _carried(carrier: Notice) -> ColumnElement[bool]:
    return (outbox.c.carried_by == carrier.id) & (outbox.c.state == "carried")


def _due(query: Select[Any], now: Ns, except_notices: Sequence[str]) -> Select[Any]:
    return query.where(outbox.c.state.in_(_WAITING), outbox.c.next_at <= now, outbox.c.id.not_in(except_notices))


def _note(connection: Connection, claimed: Notice, **values: Any) -> bool:
    """How a claimed notice fared; False, and nothing is changed, where another sender has taken it over since."""
    mine = (outbox.c.id == claimed.id, outbox.c.state == "inflight", outbox.c.attempts == claimed.attempts)
    return connection.execute(update(outbox).where(*mine).values(values)).rowcount == 1
