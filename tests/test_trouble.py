from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ingest.trouble import explained
from store.journal import Journal, JournalFull

WHERE = Path("/srv/lastbeat/journal")


def full_disk(path: Path) -> sqlite3.Error:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE records (record)")
    database.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as raised:
        database.execute("INSERT INTO records VALUES (zeroblob(100000))")
    return raised.value


def test_a_full_disk_is_named_with_its_place_and_the_way_out(tmp_path: Path) -> None:
    by_sqlite = explained(full_disk(tmp_path / "0.db"), WHERE)
    assert by_sqlite == (
        "the ping cannot be stored now: database or disk is full (in /srv/lastbeat/journal); "
        "the disk is full, or a quota is used up: free space there"
    )
    assert explained(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), WHERE).endswith(": free space there")


def test_a_full_journal_names_its_setting(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "0.db", 1)
    with pytest.raises(JournalFull) as raised:
        journal.append([b"{}"])
    journal.close()
    said = explained(raised.value, WHERE)
    assert "the journal holds 1 bytes that are not processed yet, which is its limit, in /srv/lastbeat/journal; " in said
    assert "raise LASTBEAT_JOURNAL_MAX_BYTES" in said


def test_a_journal_that_may_not_be_written_is_somebodys_right_to_give(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "0.db").execute("CREATE TABLE records (record)").connection.close()
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(f"file:{tmp_path / '0.db'}?mode=ro", uri=True).execute("INSERT INTO records VALUES (1)")
    for error in (raised.value, PermissionError(errno.EACCES, "Permission denied")):
        assert explained(error, WHERE).endswith("; give the user that runs Lastbeat the right to write there")


def test_a_damaged_journal_is_set_aside_by_a_restart(tmp_path: Path) -> None:
    (tmp_path / "0.db").write_bytes(b"surely no database " * 100)
    with pytest.raises(sqlite3.DatabaseError) as raised:
        sqlite3.connect(tmp_path / "0.db").execute("SELECT * FROM records")
    assert "restart Lastbeat" in explained(raised.value, WHERE)


def test_the_control_store_is_told_from_the_journal_and_shows_no_statement() -> None:
    said = explained(OperationalError("SELECT secrets", {"token": "hush"}, sqlite3.OperationalError("disk I/O error")), WHERE)
    assert said == "the ping cannot be stored now: the control store cannot say whose it is: disk I/O error"


def test_an_error_without_advice_is_still_told_with_its_place() -> None:
    for error in (sqlite3.ProgrammingError("Cannot operate on a closed database."), OSError("odd")):
        assert explained(error, WHERE) == f"the ping cannot be stored now: {error} (in /srv/lastbeat/journal)"
