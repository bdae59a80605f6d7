"""Why pings cannot be stored, for people."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from store.journal import JournalFull

_FULL = "the disk is full, or a quota is used up: free space there"
_CLOSED = "give the user that runs Lastbeat the right to write there"
_DAMAGED = "a file there is damaged: restart Lastbeat, which sets a damaged journal aside and begins a new one"
_BROKEN = "the disk is full or fails: free space there, and look into the system's log"

_BY_CODE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _BROKEN,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: "another program holds a file there: end it",
}
_BY_ERRNO = {errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EIO: _BROKEN, errno.EROFS: _CLOSED, errno.EACCES: _CLOSED}


def explained(error: Exception, directory: Path) -> str:
    """A sentence, without its full stop, that says what failed, where, and what to do. `directory` holds the journals."""
    if isinstance(error, JournalFull):
        do = "raise LASTBEAT_JOURNAL_MAX_BYTES if that disk has room, or see why the rules or the time-series store are behind"
        return f"the ping cannot be stored now: {error}, in {directory}; {do}"
    if isinstance(error, SQLAlchemyError):
        why = getattr(error, "orig", None) or error  # else it would show the whole statement
        return f"the ping cannot be stored now: the control store cannot say whose it is: {why}"
    advice = _advice(error)
    return f"the ping cannot be stored now: {error} (in {directory})" + (f"; {advice}" if advice else "")


def _advice(error: Exception) -> str | None:
    if isinstance(error, sqlite3.Error):
        code: int = getattr(error, "sqlite_errorcode", 0)  # missing where the error is not SQLite's own
        return _BY_CODE.get(code & 0xFF)  # the low byte is the kind
    return _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None
