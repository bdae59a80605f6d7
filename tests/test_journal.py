from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.journal import Journal, JournalFull, JournalReader, decode, encode
from store.model import Gap, Ping, Record

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
PINGS = st.builds(
    Ping,
    at=st.integers(0, 2**63 - 1),
    monitor=ANY_TEXT,
    numbers=st.dictionaries(ANY_TEXT, st.floats(allow_nan=False, allow_infinity=False), max_size=4),
    texts=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=4),
    log=st.none() | ANY_TEXT,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    one = Journal(tmp_path / "0.db", max_bytes=1 << 30)
    yield one
    one.close()


@pytest.fixture
def reader(journal: Journal, tmp_path: Path) -> Iterator[JournalReader]:
    one = JournalReader(tmp_path / "0.db")
    yield one
    one.close()


def _ping(n: int) -> Ping:
    return Ping(at=n, monitor="mon_1", numbers={"n": float(n)})


def test_what_went_in_comes_out_in_order_with_rising_numbers(journal: Journal, reader: JournalReader) -> None:
    records: list[Record] = [_ping(1), Gap(at=2, start=0, end=2, reason="restart"), _ping(3)]
    journal.append([encode(r) for r in records[:2]])
    journal.append([encode(records[2])])
    assert reader.read(after=0, limit=10) == [(1, records[0]), (2, records[1]), (3, records[2])]
    assert reader.read(after=1, limit=1) == [(2, records[1])]
    assert reader.last() == 3


@settings(max_examples=300)
@given(PINGS)
def test_every_ping_survives_its_encoding_and_sqlites_json(ping: Ping) -> None:
    assert decode(encode(ping)) == ping
    (stored,) = sqlite3.connect(":memory:").execute("SELECT value FROM json_each(?)", (b"[" + encode(ping) + b"]",)).fetchone()
    assert decode(stored) == ping


def test_pruned_numbers_are_never_given_again(journal: Journal, reader: JournalReader) -> None:
    journal.append([encode(_ping(n)) for n in range(5)])
    assert journal.prune(5) is False
    assert reader.read(after=0, limit=10) == []
    journal.append([encode(_ping(9))])
    assert reader.read(after=0, limit=10) == [(6, _ping(9))]


def test_pruning_goes_in_bounded_steps(journal: Journal, reader: JournalReader) -> None:
    journal.append([encode(_ping(n)) for n in range(5_001)])
    assert journal.prune(5_001) is True
    assert journal.prune(5_001) is False
    assert reader.read(after=0, limit=1) == []


def test_at_the_byte_limit_it_refuses_and_takes_again_when_read(tmp_path: Path) -> None:
    small = Journal(tmp_path / "0.db", max_bytes=200_000)
    taken = 0
    with pytest.raises(JournalFull, match="200000 bytes"):
        while True:
            small.append([encode(Ping(at=taken, monitor="m", log="x" * 9_000))])
            taken += 1
    assert 15 <= taken <= 23
    small.prune(taken)
    small.append([encode(_ping(1))])
    small.close()


def test_a_journal_made_anew_has_another_identity(tmp_path: Path) -> None:
    first = Journal(tmp_path / "0.db", 1 << 20)
    again = Journal(tmp_path / "0.db", 1 << 20)
    other = Journal(tmp_path / "1.db", 1 << 20)
    assert first.id == again.id != other.id
    for one in (first, again, other):
        one.close()


def test_a_reader_before_the_writer_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JournalReader(tmp_path / "0.db")
    (tmp_path / "0.db").touch()
    with pytest.raises(FileNotFoundError):
        JournalReader(tmp_path / "0.db")


def test_a_corrupt_journal_is_kept_for_people_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "0.db"
    path.write_bytes(b"this was a journal once " * 500)
    journal = Journal(path, 1 << 20)
    journal.append([encode(_ping(1))])
    journal.close()
    (aside,) = tmp_path.glob("0.db.corrupt-????????")
    assert aside.read_bytes().startswith(b"this was a journal")


def test_a_disk_that_refuses_is_asked_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "missing" / "0.db", 1 << 20)
    with pytest.raises(FileNotFoundError):
        journal.append([encode(_ping(1))])
    (tmp_path / "missing").mkdir()
    journal.append([encode(_ping(1))])
    assert journal.used_bytes() > 0
    journal.close()


def test_a_reader_cannot_write(reader: JournalReader) -> None:
    with pytest.raises(sqlite3.OperationalError):
        reader._db.execute("DELETE FROM records")


def test_kill_9_keeps_whole_batches(tmp_path: Path) -> None:
    """A writer prints each batch after its append and is killed: every printed batch is there, and no half one."""
    program = f"""
import sys
from pathlib import Path
from store.journal import Journal, encode
from store.model import Ping
journal = Journal(Path({str(tmp_path / "0.db")!r}), 1 << 30)
n = 0
while True:
    journal.append([encode(Ping(at=n, monitor="m", log="x" * 500)) for _ in range(100)])
    n += 1
    print(n, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
    assert writer.stdout is not None
    seen = 0
    end = time.monotonic() + 10
    while seen < 20 and time.monotonic() < end:
        seen = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    acknowledged = int(rest[-1]) if rest else seen
    reader = JournalReader(tmp_path / "0.db")
    stored = len(reader.read(after=0, limit=1_000_000))
    reader.close()
    assert stored % 100 == 0
    assert stored >= acknowledged * 100 >= 2_000
