"""SQLite connections to the embedded points store: one that writes, and as many that read as there are readers at a time."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from store.points import PointsError

APPLICATION: Final = 0x4C425054  # "LBPT", so that another program's database is refused instead of written into
VERSION: Final = 1
BUSY_SECONDS: Final = 10.0
WAL_BYTES: Final = 64 * 1024 * 1024  # a log that a backlog made longer is cut back to this

# Rows lie clustered by series and time: a chart or a page of pings reads neighbouring pages of the file, and nothing else.
# `series.oldest` is the earliest row of the series, so that expiry finds what is old without asking every series.
SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    monitor TEXT NOT NULL,
    measurement TEXT NOT NULL,
    label TEXT NOT NULL,
    oldest INTEGER NOT NULL,
    UNIQUE (monitor, measurement, label)
);
CREATE INDEX series_oldest ON series (oldest);
CREATE TABLE numbers (series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE TABLE texts (series INTEGER NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID;
CREATE TABLE pings (
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    duration REAL,
    exit_status INTEGER,
    rid TEXT,
    problem TEXT,
    remote_addr TEXT,
    user_agent TEXT,
    log TEXT,
    PRIMARY KEY (series, at)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""


class Connections:
    """Opens `path`, creating it with mode 0600 where there is none. Open it after a fork, never before: SQLite forbids to share it.

    Raises `PointsError` with a sentence for a file that is not a points store of this version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self._turn = threading.Lock()
        # A reader borrows a connection instead of owning one by thread: threads of a pool come and go, and close() must find them all.
        self._idle: deque[sqlite3.Connection] = deque()
        try:
            self._writer = _prepared(path)
        except (OSError, sqlite3.Error) as error:
            raise PointsError(f"The points store {path} cannot be opened: {error}. Move the file away or set another path.") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing, on disk when the block is left; other writers wait for their turn."""
        with self._turn:
            self._check_open()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store; readers wait for nobody."""
        self._check_open()
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = _connected(self.path)
            reader.execute("PRAGMA query_only = ON")
        try:
            reader.execute("BEGIN")
            yield reader
        finally:
            reader.rollback()
            self._idle.append(reader)
            if self._closed:
                self._close_idle()

    def close(self) -> None:
        """Readers still at work close theirs as they finish."""
        self._closed = True
        self._close_idle()
        with self._turn:
            self._writer.close()

    def _check_open(self) -> None:
        if self._closed:
            raise PointsError(f"The points store {self.path} is closed.")

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _prepared(path: Path) -> sqlite3.Connection:
    """The writer's connection to a file that has the schema: whoever comes first makes it, one process at a time.

    SQLite does not wait for others when it changes a file to WAL, hence the lock, in a file of its own:
    closing any descriptor of the database would drop the locks SQLite holds on it.
    """
    lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        connection = _connected(path)
        try:
            _ensure_schema(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(lock)


def _ensure_schema(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == APPLICATION and version > VERSION:
        raise PointsError(
            f"The points store {path} has schema version {version}, this program knows up to {VERSION}: "
            "it was written by a newer Lastbeat; run that one, or move the file away."
        )
    if application != APPLICATION and tables:
        raise PointsError(f"{path} is the database of another program, not a points store: set another path.")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if not tables:
        connection.executescript(SCHEMA)
