"""The journal: the durable inbox of one HTTP worker, and the reader that the engine opens beside it.

One SQLite file per worker slot, written by that worker alone; two processes writing one file cost ten times the latency. A row is
one record (`store.model.Record` as JSON). The rows of one `append` share one commit with one fsync; when it returns they survive
`kill -9` and power loss. Rows go away only when every reader has passed them (`prune`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec

from store.model import Record

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal (id TEXT NOT NULL);
"""
_PRUNE_ROWS = 5_000  # a bounded transaction: appends wait behind it in the same thread

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


class JournalFull(Exception):
    """The journal is at its byte limit: nothing more is taken until the readers have caught up."""


class Journal:
    """The writing side. Not safe for concurrent use: one thread at a time calls it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Makes the file with mode 0600. Where the disk refuses that now, each later call tries again, and raises."""
        self._path = path
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        with suppress(sqlite3.OperationalError, OSError):
            self._open()

    @property
    def id(self) -> str:
        """Offsets belong to this file, not to its name: a journal that was deleted and made anew starts from its first row."""
        return str(self._open().execute("SELECT id FROM journal").fetchone()[0])

    def used_bytes(self) -> int:
        """Bytes that unread records take in the file; pruned pages are used again and do not count."""
        pages, free, size = (self._open().execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size"))
        return int((pages - free) * size)

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            try:
                self._db = _opened(self._path)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    raise
                _set_aside(self._path)
                self._db = _opened(self._path)
        return self._db

    def append(self, encoded: Sequence[bytes]) -> None:
        """Keep the records (each from `encode`), in order and durably, or raise and keep none.

        Raises `JournalFull` at the byte limit, `sqlite3.Error` or `OSError` where the disk refuses.
        """
        if self.used_bytes() >= self._max_bytes:
            raise JournalFull(f"the journal holds {self._max_bytes} bytes that are not processed yet, which is its limit")
        # One statement for the whole batch: executemany would take the interpreter lock again for each row.
        self._open().execute("INSERT INTO records (record) SELECT value FROM json_each(?)", (b"[" + b",".join(encoded) + b"]",))

    def prune(self, passed: int) -> bool:
        """Drop records up to sequence number `passed`, a bounded number at a time; True when there may be more to drop."""
        doomed = "SELECT seq FROM records WHERE seq <= ? ORDER BY seq LIMIT ?"
        gone = self._open().execute(f"DELETE FROM records WHERE seq IN ({doomed})", (passed, _PRUNE_ROWS)).rowcount
        return gone == _PRUNE_ROWS

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # FULL: in WAL mode only this makes a commit survive power loss.
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        database.execute("INSERT INTO journal SELECT ? WHERE NOT EXISTS (SELECT 1 FROM journal)", (uuid4().hex,))
    except BaseException:
        database.close()
        raise
    return database


def _set_aside(path: Path) -> None:
    """Keep a journal that cannot be read for people to look at, and make room for a new one."""
    aside = path.with_name(f"{path.name}.corrupt-{uuid4().hex[:8]}")
    log.error("the journal %s is corrupt; it is kept as %s, and a new one begins", path, aside.name)
    for part in ("", "-wal", "-shm"):
        if (found := path.with_name(path.name + part)).exists():
            found.rename(aside.with_name(aside.name + part))


class JournalReader:
    """The reading side, in another process: never writes, never blocks the writer."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError where the worker has not made its journal yet."""
        if not path.exists():
            raise FileNotFoundError(path)
        self._inode = path.stat().st_ino
        self._db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("PRAGMA query_only=1")
        try:
            identity = self._identity()
        except sqlite3.Error:
            self._db.close()
            raise
        if identity is None:
            self._db.close()
            raise FileNotFoundError(path)
        self.id = identity

    def _identity(self) -> str | None:
        try:
            row = self._db.execute("SELECT id FROM journal").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return None  # its worker has only just made the file
        return str(row[0]) if row else None

    def reads(self, path: Path) -> bool:
        """Whether this reader's file is still the one at `path`."""
        try:
            return path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def read(self, after: int, limit: int) -> list[tuple[int, Record]]:
        """Up to `limit` records behind sequence number `after`, oldest first, each with its sequence number."""
        rows = self._db.execute("SELECT seq, record FROM records WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
        return [(seq, decode(record)) for seq, record in rows]

    def last(self) -> int:
        """The newest sequence number ever given, 0 in a new journal."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._db.close()


def encode(record: Record) -> bytes:
    return _encoder.encode(record)


def decode(encoded: str | bytes) -> Record:
    record: Record = _decoder.decode(encoded)
    return record
