"""The gate: lets no more pings of a monitor in than its project's plan allows, each kind of signal by itself.

Each pair has the instant from which a ping is on time (the generic cell rate algorithm): taking one puts it off by the plan's pause, so
over time no ping more is taken than there are pauses. A ping that is a little early is taken too: no job beats like a clock.

The instants lie in a file that all workers share and that a restart leaves as it is. A power cut may lose the newest of them, which lets a
ping in early and keeps none out.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from store.model import SECOND, Kind, Ns

log = logging.getLogger(__name__)

_EARLY: Final = 10  # the part of a pause by which a ping may be early
_EARLY_LIMIT: Final[Ns] = 5 * SECOND
_BUSY_SECONDS: Final = 1.0  # another worker holds the file for microseconds
_CLEAN: Final = 1_000
_TOLD: Final[Ns] = 72 * 3_600 * SECOND


class Refusals(NamedTuple):
    """How many pings of a monitor were refused since none was for three days, and when the last of them."""

    number: int
    last_at: Ns


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS gate (monitor TEXT, kind TEXT, due INTEGER NOT NULL, PRIMARY KEY (monitor, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (monitor TEXT PRIMARY KEY, number INTEGER NOT NULL, last_at INTEGER NOT NULL) WITHOUT ROWID;
"""
# One statement, so that of two workers that ask at once one is first.
_ADMIT: Final = """
INSERT INTO gate (monitor, kind, due) VALUES (:monitor, :kind, :now + :pause)
ON CONFLICT DO UPDATE SET due = max(due, :now) + :pause WHERE due - :early <= :now
RETURNING due
"""
_REFUSE: Final = """
INSERT INTO refusals (monitor, number, last_at) VALUES (?, 1, ?)
ON CONFLICT DO UPDATE SET number = number + 1, last_at = max(last_at, excluded.last_at)
"""
_REFUSED: Final = "SELECT number, last_at FROM refusals WHERE monitor = ?"
_FORGIVE: Final = "DELETE FROM refusals WHERE last_at < ?"
_DUE: Final = "SELECT due FROM gate WHERE monitor = ? AND kind = ?"
_TAKE_BACK: Final = "UPDATE gate SET due = due - ? WHERE monitor = ? AND kind = ?"
_FORGET: Final = "DELETE FROM gate WHERE (monitor, kind) IN (SELECT monitor, kind FROM gate WHERE due < ? LIMIT ?)"


class Gate:
    """Called in the worker's loop: a question takes some 20 µs. Where the file cannot be used everybody is let in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._broken = False

    def admit(self, monitor: str, kind: Kind, pause: Ns, now: Ns) -> Ns:
        """0 where the ping is let in, which then counts; else how long until one would be."""
        early = min(pause // _EARLY, _EARLY_LIMIT)
        asked = {"monitor": monitor, "kind": kind, "pause": pause, "early": early, "now": now}
        try:
            if self._opened().execute(_ADMIT, asked).fetchone() is not None:
                self._broken = False
                return 0
            (due,) = self._opened().execute(_DUE, (monitor, kind)).fetchone()
            self._opened().execute(_REFUSE, (monitor, now))
        except (sqlite3.Error, OSError, TypeError) as error:  # TypeError: it was forgotten between the two
            self._complain(error)
            return 0
        return max(1, int(due) - early - now)

    def take_back(self, monitor: str, kind: Kind, pause: Ns) -> None:
        """A ping that was let in is not recorded after all."""
        with suppress(sqlite3.Error, OSError):
            self._opened().execute(_TAKE_BACK, (pause, monitor, kind))

    def step(self, now: Ns) -> bool:
        """Forget some of those that could be pinged again; True when there may be more."""
        self._opened().execute(_FORGIVE, (now - _TOLD,))
        return self._opened().execute(_FORGET, (now, _CLEAN)).rowcount == _CLEAN

    def refusals(self, monitor: str) -> Refusals | None:
        """What to tell the owner; None where nothing was refused, or where that cannot be read."""
        with suppress(sqlite3.Error, OSError):
            found = self._opened().execute(_REFUSED, (monitor,)).fetchone()
            return None if found is None else Refusals(*found)
        return None

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = _open(self._path)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    raise
                log.warning("%s is damaged, and begun anew: %s", self._path, error)
                for part in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + part).unlink(missing_ok=True)
                self._db = _open(self._path)
        return self._db

    def _complain(self, error: Exception) -> None:
        if not self._broken and not isinstance(error, TypeError):
            log.error("the plans' limits cannot be kept, and pings are let in without them: %s: %s", self._path, error)
        self._broken = True


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
    try:
        # NORMAL: no fsync for each ping. WAL keeps the file sound whatever happens.
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
    except BaseException:
        database.close()
        raise
    path.chmod(0o600)
    return database
