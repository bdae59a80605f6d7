"""All journals of this machine, read as one stream in the order of receipt.

Each worker keeps a mark beside its journal: every ping it stamped before the mark is committed. So once the marks have been read, and
the journals after them, everything received before the lowest mark is at hand, and no later read can bring anything older. That
instant is the horizon. What lies behind it waits for the next read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from store.journal import JournalReader
from store.mark import read_mark
from store.model import Gap, Ns, Record


def journal_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.db"


def mark_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.alive"


class Intake(NamedTuple):
    """What one read of the inbox brought: pings, or one gap alone, because a gap may concern any number of monitors.

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
        """The next records behind `offsets` in order of receipt, about `limit` of them."""
        horizon = self.listened_until()  # before the journals are read: see above
        if horizon is None:
            return Intake([], {}, None, more=False)
        batches: list[tuple[str, list[tuple[int, Record]]]] = []
        more = False
        journals = self.journals()
        share = max(1, limit // max(1, len(journals)))
        for journal in journals:
            batch = journal.read(offsets.get(journal.id, 0), share)
            batches.append((journal.id, batch))
            if len(batch) == share and batch[-1][1].at < horizon:
                horizon, more = batch[-1][1].at + 1, True
        return _within(horizon, batches, more)

    def close(self) -> None:
        for reader in self._open.values():
            reader.close()


def _within(horizon: Ns, batches: list[tuple[str, list[tuple[int, Record]]]], more: bool) -> Intake:
    rows = [(record, journal, seq) for journal, batch in batches for seq, record in batch if record.at < horizon]
    rows.sort(key=lambda row: row[0].at)
    taken = rows[: _length(rows)]
    if len(taken) < len(rows):
        horizon, more = rows[len(taken)][0].at, True
    # Within a journal stamps and sequence numbers rise together, so the last one of each is what stays here.
    return Intake([record for record, _, _ in taken], {journal: seq for _, journal, seq in taken}, horizon, more)


def _length(rows: Sequence[tuple[Record, str, int]]) -> int:
    """How many rows make one intake: up to the next gap, or a gap alone."""
    first = next((n for n, (record, _, _) in enumerate(rows) if isinstance(record, Gap)), len(rows))
    return first or 1
