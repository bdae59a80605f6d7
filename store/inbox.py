"""All journals of this machine, read as one stream in the order of receipt.

Each worker keeps a mark beside its journal: every ping it stamped before the mark is committed. So once the marks have been read, and
the journals after them, everything received before the lowest mark is at hand, and no later read can bring anything older. That
instant is the horizon. What lies behind it waits for the next read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from store.journal import JournalReader
from store.mark import read_mark
from store.model import Ns, Record


def journal_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.db"


def mark_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.alive"


class Intake(NamedTuple):
    """What one read of the inbox brought.

    `passed`: sequence number of the last record taken, by journal id. `horizon`: everything received before it has now been read;
    None while a worker has not begun. `more`: there may be records before the horizon that did not fit.
    """

    records: list[Record]
    passed: dict[str, int]
    horizon: Ns | None
    more: bool


class Inbox:
    """Reads the journals in `directory`. Slots from 0 to `workers` - 1 are served now; journals of others are only emptied."""

    def __init__(self, directory: Path, workers: int) -> None:
        self._directory = directory
        self._workers = workers
        self._open: dict[Path, JournalReader] = {}

    def journals(self) -> list[JournalReader]:
        """A reader for every journal that exists by now."""
        for path in sorted(self._directory.glob("*.db")):
            if path not in self._open:
                try:
                    self._open[path] = JournalReader(path)
                except FileNotFoundError:
                    continue  # its worker is only just making it
        return list(self._open.values())

    def listened_until(self) -> Ns | None:
        """The lowest mark of the serving workers; None while one has not begun."""
        marks = [read_mark(mark_path(self._directory, slot)) for slot in range(self._workers)]
        known = [mark for mark in marks if mark is not None]
        return min(known) if len(known) == len(marks) else None

    def take(self, offsets: Mapping[str, int], limit: int) -> Intake:
        """The records behind `offsets` in order of receipt, at most `limit` of each journal."""
        horizon = self.listened_until()  # before the journals are read: see above
        if horizon is None:
            return Intake([], {}, None, more=False)
        batches: list[tuple[str, list[tuple[int, Record]]]] = []
        more = False
        for journal in self.journals():
            batch = journal.read(offsets.get(journal.id, 0), limit)
            batches.append((journal.id, batch))
            if len(batch) == limit and batch[-1][1].at < horizon:
                horizon, more = batch[-1][1].at + 1, True
        return _within(horizon, batches, more)

    def close(self) -> None:
        for reader in self._open.values():
            reader.close()


def _within(horizon: Ns, batches: list[tuple[str, list[tuple[int, Record]]]], more: bool) -> Intake:
    records: list[Record] = []
    passed: dict[str, int] = {}
    for journal, batch in batches:
        for seq, record in batch:
            if record.at >= horizon:
                break
            records.append(record)
            passed[journal] = seq
    records.sort(key=lambda record: record.at)
    return Intake(records, passed, horizon, more)
