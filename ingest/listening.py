"""Since when this worker has been listening, for its successor and for the engine: a mark that moves four times a second."""

from __future__ import annotations

from pathlib import Path

from ingest.commit import Committer, Trouble
from store.inbox import mark_path, marks
from store.mark import Mark
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
    if now - newest > _LIVE or own == newest:
        return Trouble(newest, "restart")
    return None if own is None else Trouble(own, "restart", until=own + _UNANSWERED)


class Listening:
    """A step that moves the worker's mark: every ping stamped before it is durable, every break before it on record."""

    def __init__(self, directory: Path, slot: int, committer: Committer) -> None:
        self._mark = Mark(mark_path(directory, slot))
        self._committer = committer

    def step(self, now: Ns) -> bool:
        self._mark.set(self._committer.mark())
        return False

    def close(self) -> None:
        self._mark.close()
