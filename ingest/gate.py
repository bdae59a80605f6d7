"""The gate: lets no more pings of a monitor in than its project's plan allows, each kind of signal by itself.

Each pair has the place that was last taken, an instant; the next place is the plan's pause behind it (the generic cell rate algorithm), so
over time no ping more is taken than there are pauses. A ping that is a little early is taken too: no job beats like a clock. Since the
place is kept and not the end of its pause, another plan counts from the next ping on.

The places lie in a file that all workers share and that a restart leaves as it is. A power cut may lose the newest of them, which lets a
ping in early and keeps none out.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from store.model import SECOND, Kind, Ns

log = logging.getLogger(__name__)

T = TypeVar("T")

_EARLY: Final = 10  # the part of a pause by which a ping may be early
_EARLY_LIMIT: Final[Ns] = 5 * SECOND
# Another worker holds the file for microseconds. SQLite itself would ask for it seven times in 20 ms, and come away empty where two
# others take turns.
_PATIENCE: Final = 0.05  # seconds; all pings of this worker wait meanwhile
_PAUSE: Final = 0.0002
_REST: Final[Ns] = 5 * SECOND
_OPENING: Final = 0.5
_OPENING_PAUSE: Final = 0.005
_CLEAN: Final = 1_000
_TOLD: Final[Ns] = 72 * 3_600 * SECOND


class Refusals(NamedTuple):
    """How many pings of a monitor were refused since none was for three days, and when the last of them."""

    number: int
    last_at: Ns


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS places (monitor TEXT, kind TEXT, taken INTEGER NOT NULL, PRIMARY KEY (monitor, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (monitor TEXT PRIMARY KEY, number INTEGER NOT NULL, last_at INTEGER NOT NULL) WITHOUT ROWID;
"""
# One statement, so that of two workers that ask at once one is first. A place further ahead than any ping is early (:ahead) was taken
# before the clock was put back: it is worth nothing.
_ADMIT: Final = """
INSERT INTO places (monitor, kind, taken) VALUES (:monitor, :kind, :now)
ON CONFLICT DO UPDATE SET taken = iif(taken > :ahead, :now, max(taken + :pause, :now))
WHERE taken + :pause - :early <= :now OR taken > :ahead
RETURNING taken
"""
_REFUSE: Final = """
INSERT INTO refusals (monitor, number, last_at) VALUES (?, 1, ?)
ON CONFLICT DO UPDATE SET number = number + 1, last_at = max(last_at, excluded.last_at)
"""
_REFUSED: Final = "SELECT number, last_at FROM refusals WHERE monitor = ?"
_FORGIVE: Final = "DELETE FROM refusals WHERE last_at < ?"
_TAKEN: Final = "SELECT taken FROM places WHERE monitor = ? AND kind = ?"
_TAKE_BACK: Final = "UPDATE places SET taken = taken - ? WHERE monitor = ? AND kind = ?"
_FORGET: Final = "DELETE FROM places WHERE (monitor, kind) IN (SELECT monitor, kind FROM places WHERE taken < ? LIMIT ?)"


class Gate:
    """Called in the worker's loop: a question takes some 20 µs. Where the file cannot be used everybody is let in."""

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it where there is none; one that cannot be opened is tried again when it is asked."""
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._failed_at: Ns | None = None
        with suppress(sqlite3.Error, OSError):
            self._opened()

    def admit(self, monitor: str, kind: Kind, pause: Ns, now: Ns) -> Ns:
        """0 where the ping is let in, which then counts; else how long until one would be."""
        # A file that fails may take its time to do so: not with every ping.
        if self._failed_at is not None and 0 <= now - self._failed_at < _REST:
            return 0
        early = min(pause // _EARLY, _EARLY_LIMIT)
        asked = {"monitor": monitor, "kind": kind, "pause": pause, "early": early, "now": now, "ahead": now + _EARLY_LIMIT}
        try:
            wait = self._asked(asked)
        except (sqlite3.Error, OSError) as error:
            if self._failed_at is None:
                log.error("the plans' limits cannot be kept, and pings are let in without them: %s: %s", self._path, error)
            self._failed_at = now
            return 0
        self._failed_at = None
        return wait

    def take_back(self, monitor: str, kind: Kind, pause: Ns) -> None:
        """A ping that was let in is not recorded after all."""
        if self._failed_at is None:
            with suppress(sqlite3.Error, OSError):
                self._execute(_TAKE_BACK, (pause, monitor, kind))

    def step(self, now: Ns, longest: Ns) -> bool:
        """Forget some whose place was taken longer ago than `longest`, the longest pause of all plans; True when there may be more."""
        self._execute(_FORGIVE, (now - _TOLD,))
        return self._execute(_FORGET, (now - longest, _CLEAN)).rowcount == _CLEAN

    def refusals(self, monitor: str) -> Refusals | None:
        """What to tell the owner; None where nothing was refused, or where that cannot be read."""
        with suppress(sqlite3.Error, OSError):
            found = self._execute(_REFUSED, (monitor,)).fetchone()
            return None if found is None else Refusals(*found)
        return None

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _asked(self, asked: dict[str, Any]) -> Ns:
        if self._execute(_ADMIT, asked).fetchone() is not None:
            return 0
        found = self._execute(_TAKEN, (asked["monitor"], asked["kind"])).fetchone()
        if found is None:  # forgotten between the two
            return 0
        self._execute(_REFUSE, (asked["monitor"], asked["now"]))
        return max(1, int(found[0] + asked["pause"] - asked["early"] - asked["now"]))

    def _execute(self, statement: str, values: dict[str, Any] | tuple[Any, ...]) -> sqlite3.Cursor:
        return _patiently(lambda: self._opened().execute(statement, values), _PATIENCE, _PAUSE)

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = _patiently(lambda: _open(self._path), _OPENING, _OPENING_PAUSE)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    raise
                log.warning("%s is damaged, and begun anew: %s", self._path, error)
                for part in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + part).unlink(missing_ok=True)
                self._db = _patiently(lambda: _open(self._path), _OPENING, _OPENING_PAUSE)
        return self._db


def _patiently(attempt: Callable[[], T], patience: float, pause: float) -> T:
    """What `attempt` returns, tried again for `patience` seconds while others hold the file."""
    end = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(pause)


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    try:
        # NORMAL: no fsync for each ping. WAL keeps the file sound whatever happens.
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
    except BaseException:
        database.close()
        raise
    path.chmod(0o600)
    return database
