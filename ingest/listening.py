"""Whether this worker was listening: its mark, and the gap records that say when it was not.

The mark tells the engine how far every ping is durable. It stands still while pings cannot be stored, so that nobody is declared down
for pings that we refused; when they can be stored again, the gap goes into the journal ahead of them.
"""

from __future__ import annotations

from pathlib import Path

from ingest.commit import Committer
from ingest.endpoint import PingEndpoint
from ingest.stamp import Stamps
from store.journal import encode
from store.mark import Mark, read_mark
from store.model import SECOND, Gap, Ns

EVERY = 0.25  # seconds between two marks
_RESTART = 1 * SECOND  # a worker that starts has missed pings unless another one listened until just now
_STALL = 10 * SECOND  # one that merely stalled has not: its connections wait in the kernel for this long


def listened_until(directory: Path) -> Ns | None:
    """The newest mark of any worker; None where none has ever listened."""
    marks = [mark for path in directory.glob("*.alive") if (mark := read_mark(path)) is not None]
    return max(marks, default=None)


class Listening:
    """A step that moves the worker's mark, and writes a gap first where one is due."""

    def __init__(self, path: Path, stamps: Stamps, committer: Committer, pings: PingEndpoint) -> None:
        self._path = path
        self._stamps = stamps
        self._committer = committer
        self._pings = pings
        self._before = listened_until(path.parent)  # before this worker's own mark is touched
        self._mark = Mark(path)

    def begin(self, now: Ns) -> None:
        """Before the first connection is accepted: put on record since when nobody listened. Raises where the disk refuses."""
        if self._before is not None and now - self._before > _RESTART:
            self._put_gap(self._before, now, "restart")
        self.step(now)

    def step(self, now: Ns) -> bool:
        """Move the mark up to the oldest ping that is not durable yet."""
        trouble = self._pings.trouble
        if trouble is not None:
            self._mark.set(trouble.since)
            self._put_gap(trouble.since, now, "not_stored")  # raises as long as the disk refuses, and the mark stays
            self._pings.trouble = None
        elif self._before is not None and now - self._before > _STALL:
            self._put_gap(self._others_until(self._before), now, "stall")
        self._before = self._committer.oldest() or self._stamps.mark()
        self._mark.set(self._before)
        return False

    def _others_until(self, own: Ns) -> Ns:
        return max(own, listened_until(self._path.parent) or 0)

    def _put_gap(self, start: Ns, end: Ns, reason: str) -> None:
        if end > start:
            at = self._stamps.next()
            self._committer.commit(at, encode(Gap(at, start, end, reason)))

    def close(self) -> None:
        self._mark.close()
