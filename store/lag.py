"""How far the time-series store is behind the journals, and why: read from the facts, so that every process can tell."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from store.control import Control, offsets, settings
from store.inbox import Inbox
from store.instant import iso
from store.model import SECOND, Ns
from store.points import Away, PointsError

_TROUBLE = "points_trouble"
_TOLERABLE: Ns = 60 * SECOND


class Trouble(msgspec.Struct, frozen=True):
    """Why nothing can be shipped, and since when: `what` begins a sentence that " since …" continues."""

    since: Ns
    what: str
    why: str


class Lag(NamedTuple):
    """`rows`: records that were acknowledged and are not in the time-series store yet. `oldest`: when the first of them was received."""

    rows: int = 0
    oldest: Ns | None = None
    trouble: Trouble | None = None

    def seconds(self, now: Ns) -> float:
        return 0.0 if self.oldest is None else max(0, now - self.oldest) / SECOND

    def sentence(self, now: Ns) -> str | None:
        """What people are told; None while all is well."""
        waiting = "1 ping is waiting" if self.rows == 1 else f"{self.rows:,} pings are waiting"
        if self.trouble is not None:
            behind = f", {waiting}" if self.rows else ""
            return f"{self.trouble.what} since {iso(self.trouble.since)}{behind} ({self.trouble.why})."
        if self.oldest is not None and now - self.oldest > _TOLERABLE:
            return f"The time-series store is behind: {waiting}, the first since {iso(self.oldest)}."
        return None


def measure(control: Control, journals: Path) -> Lag:
    """The lag of all journals in the directory together."""
    with control.read() as connection:
        shipped = offsets.load(connection, "ship")
        found = trouble(connection)
    inbox = Inbox(journals)
    rows, instants = 0, []
    for journal in inbox.journals():
        passed = shipped.get(journal.id, 0)
        rows += max(0, journal.last() - passed)
        instants += [record.at for _, record in journal.read(passed, 1)]
    inbox.close()
    return Lag(rows, min(instants, default=None), found)


def trouble(connection: Connection) -> Trouble | None:
    noted = settings.get(connection, _TROUBLE)
    return None if noted is None else msgspec.json.decode(noted, type=Trouble)


def note(connection: Connection, error: PointsError, now: Ns) -> Trouble:
    """Remember why shipping fails, from now on or since it began."""
    known = trouble(connection)
    what, why = (error.what, error.why) if isinstance(error, Away) else ("The time-series store cannot be used", str(error))
    noted = Trouble(known.since if known else now, what, why)
    settings.put(connection, _TROUBLE, msgspec.json.encode(noted).decode())
    return noted


def clear(connection: Connection) -> None:
    settings.drop(connection, _TROUBLE)
