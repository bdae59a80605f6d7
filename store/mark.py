"""A mark: one instant in a tiny file, rewritten in place several times a second by one process and read by others.

Not flushed to disk on purpose: after `kill -9` the page cache still has it, and after a power cut an older mark only makes the
outage look longer, which is the harmless direction.
"""

from __future__ import annotations

import os
from pathlib import Path

from store.model import Ns

_WIDTH = 20  # digits of a 64-bit number: every write covers the one before, so a reader never sees a torn mark


class Mark:
    """The writing side; the file is made with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        if os.fstat(self._fd).st_size > _WIDTH:  # what somebody else left there would stand behind every mark
            os.ftruncate(self._fd, _WIDTH)

    def set(self, at: Ns) -> None:
        os.pwrite(self._fd, b"%0*d" % (_WIDTH, at), 0)

    def close(self) -> None:
        os.close(self._fd)


def lead_of(path: Path) -> Ns:
    """By how much the mark was ahead of the clock on the wall when it was set, which the file system remembers; 0 where it was not."""
    mark = read_mark(path)
    try:
        return 0 if mark is None else max(0, mark - path.stat().st_mtime_ns)
    except OSError:
        return 0


def read_mark(path: Path) -> Ns | None:
    """The last instant set there; None where there is no mark or no readable one."""
    try:
        return int(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
