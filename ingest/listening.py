"""Since when this worker has been listening, for its successor and for the engine: a mark that moves four times a second.

Where it could not store what it got, its mark stands. That alone does not tell its successor why, since the mark of a worker that is gone
stands too, while others listen: so there is a second mark for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ingest.commit import Committer, Trouble
from store.inbox import mark_path, marks, unstored_path
from store.mark import Mark, Reading, read_mark
from store.model import SECOND, Ns

EVERY = 0.25  # seconds between two marks
_LIVE = 1 * SECOND  # another worker whose mark is older has not been listening either
_UNANSWERED = 1 * SECOND  # what a worker that dies had accepted is lost, whoever listens beside it


def missed(directory: Path, slot: int, now: Ns, judged: Ns | None) -> Trouble | None:
    """What was missed before a worker begins in this slot; None where nobody ever listened.

    `judged`: up to when the rules have judged, which stands in where no worker's mark can be read.
    """
    known = marks(directory)
    if not known:
        return None if judged is None else Trouble(judged, "restart")
    own, newest = known.get(slot), max(known.values())
    unstored = read_mark(unstored_path(directory, slot))
    if unstored:
        return Trouble(min(unstored, newest), "not_stored")
    if now - newest > _LIVE or own == newest:
        return Trouble(newest, "restart")
    return None if own is None else Trouble(own, "restart", until=own + _UNANSWERED)


class Listening:
    """A step that moves the worker's mark: every ping stamped before it is durable, every break before it on record.

    Beside it is what the clocks read then. Where the mark stands that stands too, so that what the clock was put forward by since then is
    found out by a successor, if this worker does not come to record it.
    """

    def __init__(self, directory: Path, slot: int, committer: Committer, read_clocks: Callable[[], Reading]) -> None:
        self._mark = Mark(mark_path(directory, slot))
        self._unstored = Mark(unstored_path(directory, slot))
        self._committer = committer
        self._read_clocks = read_clocks

    def step(self, now: Ns) -> bool:
        reading = self._read_clocks()
        at = self._committer.mark()
        self._mark.set(at, reading if reading.at <= at else None)
        self._unstored.set(self._committer.unstored_since() or 0)
        return False

    def close(self) -> None:
        self._mark.close()
        self._unstored.close()
