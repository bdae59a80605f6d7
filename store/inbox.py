"""All journals of this machine, read as one stream in the order of receipt.

Each worker keeps a mark beside its journal: every ping it stamped before the mark is committed. So once the marks have been read, and
the journals after them, everything received before the lowest mark is at hand, and no later read can bring anything older. That
instant is the horizon. What lies behind it waits for the next read.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from store.journal import JournalReader
from store.lock import held
from store.mark import Reading, read_mark, read_reading
from store.model import Gap, Ns, Record

log = logging.getLogger(__name__)

# What was said of journals that cannot be read, by any inbox of this process: once is enough.
_unreadable: dict[Path, str] = {}


def journal_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.db"


def mark_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.alive"


def unstored_path(directory: Path, slot: int) -> Path:
    """Where a worker marks since when it could not store what it got; zero while it can."""
    return directory / f"{slot}.unstored"


def lock_path(directory: Path, slot: int) -> Path:
    return directory / f"{slot}.lock"


def marks(directory: Path) -> dict[int, Ns]:
    """The mark of every worker that ever listened, by slot."""
    found = {int(path.stem): read_mark(path) for path in directory.glob("*.alive") if path.stem.isdecimal()}
    return {slot: mark for slot, mark in found.items() if mark is not None}


def last_reading(directory: Path) -> Reading | None:
    """What the clocks of this machine read at the newest mark of all."""
    known = marks(directory)
    return read_reading(mark_path(directory, max(known, key=lambda slot: known[slot]))) if known else None


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
    """Reads the journals in `directory`. A slot whose lock somebody holds is served; journals of others are only emptied."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[Path, JournalReader] = {}

    def journals(self) -> list[JournalReader]:
        """A reader for every journal that exists by now and can be read."""
        for path in sorted(self._directory.glob("*.db")):
            reader = self._open.get(path)
            if reader is not None and not reader.reads(path):  # another file has taken its place
                reader.close()
                del self._open[path]
            if path not in self._open:
                self._try(path)
        return list(self._open.values())

    def _try(self, path: Path) -> None:
        try:
            self._open[path] = JournalReader(path)
        except FileNotFoundError:
            return  # its worker is only just making it
        except sqlite3.Error as error:
            if _unreadable.get(path) != str(error):
                log.error("the journal %s cannot be read and is passed over: %s", path, error)
            _unreadable[path] = str(error)
        else:
            _unreadable.pop(path, None)

    def listened_until(self) -> Ns | None:
        """The lowest mark of the workers that serve; None where none does, or one has never set a mark.

        A dead worker has nothing left to commit, and its successor begins behind the newest mark of all.
        """
        known = marks(self._directory)
        serving = [int(path.stem) for path in self._directory.glob("*.lock") if path.stem.isdecimal() and held(path)]
        lowest = [known.get(slot) for slot in serving]
        return min((mark for mark in lowest if mark is not None), default=None) if None not in lowest else None

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
