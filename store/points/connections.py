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

from store.points import Away, PointsError

APPLICATION: Final = 0x4C425054  # "LBPT", so that another program's database is refused instead of written into
VERSION: Final = 2
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
CREATE INDEX series_label ON series (measurement, label);
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

# What brings a file of the version before to the next; a rule on a window looks for one label of all monitors.
UPGRADES: Final = {
    1: "BEGIN IMMEDIATE; CREATE INDEX series_label ON series (measurement, label); PRAGMA user_version = 2; COMMIT;",
}


class _File:
    """The connections to one file. It may be moved away and another one put at its path, so what counts is which file it is."""

    def __init__(self, path: Path) -> None:
        self.writer = _prepared(path)
        # A reader borrows a connection instead of owning one by thread: threads of a pool come and go, and close() must find them all.
        self.idle: deque[sqlite3.Connection] = deque()
        self.identity = _identity(path)

    def close_idle(self) -> None:
        while self.idle:
            self.idle.pop().close()


class Connections:
    """Opens `path` at the first use, creating it with mode 0600 where there is none. Use it after a fork only: SQLite forbids to share it.

    While the file cannot be used, every use raises `PointsError` with a sentence, and tries anew: it may have been mended or moved away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        self._file: _File | None = None
        self._opening = threading.Lock()
        self._turn = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing, on disk when the block is left; other writers wait for their turn."""
        with self._turn, self._using() as file:
            file.writer.execute("BEGIN IMMEDIATE")
            try:
                yield file.writer
                file.writer.execute("COMMIT")
            except BaseException:
                file.writer.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store; readers wait for nobody."""
        with self._using() as file:
            try:
                reader = file.idle.pop()
            except IndexError:
                reader = _connected(self.path)
                reader.execute("PRAGMA query_only = ON")
            try:
                reader.execute("BEGIN")
                yield reader
            finally:
                reader.rollback()
                file.idle.append(reader)
                if file is not self._file:
                    file.close_idle()

    def close(self) -> None:
        """Readers still at work close theirs as they finish."""
        with self._opening:
            self._closed = True
            file, self._file = self._file, None
        if file is not None:
            file.close_idle()
            with self._turn:
                file.writer.close()

    @contextmanager
    def _using(self) -> Iterator[_File]:
        file = None
        try:
            file = self._current()
            yield file
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise  # a mistake of ours, and no fault of the file's
        except (OSError, sqlite3.Error) as error:
            with self._opening:
                if self._file is file:
                    self._file = None  # its writer closes when nobody has it any more
            raise Away(f"The points store {self.path} cannot be used", f"{error}; {_advice(error)}") from error

    def _current(self) -> _File:
        with self._opening:
            if self._closed:
                raise PointsError(f"The points store {self.path} is closed")
            if self._file is not None and self._file.identity != _identity(self.path):
                self._file = None
            if self._file is None:
                self._file = _File(self.path)
            return self._file


def _advice(error: Exception) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "mend the file, or move it away with its -wal and -shm: a new one begins"
    return "pings wait until it can"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


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
            "it was written by a newer Lastbeat; run that one, or move the file away"
        )
    if application != APPLICATION and tables:
        raise PointsError(f"{path} is the database of another program, not a points store: move it away")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if not tables:
        connection.executescript(SCHEMA)
    else:
        for older in range(version, VERSION):
            connection.executescript(UPGRADES[older])
