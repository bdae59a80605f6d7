"""How long runs took, from the moment that is known until the pings that ended them are shipped with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from store.control.rows import Rows
from store.control.tables import durations
from store.model import Ns

_found = Rows(insert(durations), ("at", "seconds"))


def save(connection: Connection, found: Mapping[Ns, float]) -> None:
    """Keep, by the stamp of the ping that ended it, how many seconds each run took."""
    _found.write(connection, list(found.items()))


def between(connection: Connection, first: Ns, last: Ns) -> Mapping[Ns, float]:
    """Seconds by the stamps of the pings, from `first` to `last`."""
    rows = connection.execute(select(durations.c.at, durations.c.seconds).where(durations.c.at.between(first, last)))
    return {row.at: row.seconds for row in rows}


def drop(connection: Connection, stamps: Sequence[Ns]) -> None:
    if stamps:
        connection.execute(delete(durations).where(durations.c.at.in_(stamps)))


def forget(connection: Connection, before: Ns) -> None:
    """Those of pings that can never be shipped any more, because their journal is lost."""
    connection.execute(delete(durations).where(durations.c.at < before))
