"""How far each reader has come in each journal."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from store.control.tables import offsets

READERS = ("settle", "ship")


def load(connection: Connection, reader: str) -> dict[str, int]:
    """Sequence number of the last record that `reader` is done with, by journal id; journals it never read are left out."""
    rows = connection.execute(select(offsets.c.journal, offsets.c.seq).where(offsets.c.reader == reader))
    return {row.journal: row.seq for row in rows}


def save(connection: Connection, reader: str, passed: Mapping[str, int]) -> None:
    if not passed:
        return
    row = insert(offsets)
    row = row.on_conflict_do_update(index_elements=["journal", "reader"], set_={"seq": row.excluded.seq})
    connection.execute(row, [{"journal": journal, "reader": reader, "seq": seq} for journal, seq in passed.items()])


def passed_by_all(connection: Connection, journal: str) -> int:
    """What every reader of the journal is done with, and so may be dropped from it."""
    seqs = select(func.count(), func.min(offsets.c.seq)).where(offsets.c.journal == journal, offsets.c.reader.in_(READERS))
    readers, lowest = connection.execute(seqs).one()
    return int(lowest) if readers == len(READERS) else 0
