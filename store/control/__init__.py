"""The control store: one database for everything that is not a time series (SQLAlchemy Core; SQLite in WAL mode).

`Control` opens it and gives connections; what can be asked and done stands in one module per noun (`monitors`, `channels`, …), as
plain functions that take a connection, so that a caller decides what belongs to one transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, create_engine, event

_BUSY_SECONDS = 15  # settle's transactions take about 50 ms each, so a writer that waits longer than this is stuck, not queueing


def _dumps(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Control:
    """An open control store. Safe to share between threads; each `read` and `begin` has a connection of its own."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._engine = create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
            json_serializer=_dumps,
            json_deserializer=msgspec.json.decode,
            pool_size=5,
            max_overflow=-1,
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view of the store; never waits for a writer."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One write transaction: committed when the block ends, rolled back when it raises."""
        with self._engine.connect().execution_options(lastbeat_write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        self._engine.dispose()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: an answer of the API, and what settle has taken from the journal, must survive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Writers queue at their start: one that only finds out at its first write that another was faster fails at once.
    immediate = connection.get_execution_options().get("lastbeat_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
