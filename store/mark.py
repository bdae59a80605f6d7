"""A mark: one instant in a tiny file, rewritten in place several times a second by one process and read by others.

Not flushed to disk on purpose: after `kill -9` the page cache still has it, and after a power cut an older mark only makes the
outage look longer, which is the harmless direction.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from store.model import Ns

_WIDTH = 20  # digits of a 64-bit number: every write covers the one before, so a reader never sees a torn mark


class Reading(NamedTuple):
    """What the clocks read at one moment, so that a successor knows how much time has passed, whatever somebody makes of the wall clock.

    `at`: our own time. `elapsed`: nanoseconds since the machine was started, and `boot` is which start that was. `lead`: by how much our
    time was ahead of the clock on the wall.
    """

    at: Ns
    elapsed: Ns
    lead: Ns
    boot: str


class Mark:
    """The writing side; the file is made with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)

    def set(self, at: Ns, reading: Reading | None = None) -> None:
        """`reading`: of what the clocks read at the mark, or shortly before; None leaves the one that is there."""
        mark = b"%0*d" % (_WIDTH, at)
        os.pwrite(self._fd, mark if reading is None else b"%b %b" % (mark, _line(reading)), 0)

    def close(self) -> None:
        os.close(self._fd)


def read_mark(path: Path) -> Ns | None:
    """The last instant set there; None where there is no mark or no readable one."""
    try:
        return int(path.read_bytes()[:_WIDTH])
    except (FileNotFoundError, ValueError):
        return None


def read_reading(path: Path) -> Reading | None:
    """What the clocks read at the mark, or shortly before; None where that is not on record."""
    try:
        _, at, elapsed, lead, boot = path.read_text("ascii").partition("\n")[0].split(" ")
        return Reading(int(at), int(elapsed), int(lead), boot)
    except (FileNotFoundError, ValueError):
        return None


def _line(reading: Reading) -> bytes:
    numbers = b" ".join(b"%0*d" % (_WIDTH, number) for number in reading[:3])
    return b"%b %b\n" % (numbers, reading.boot.encode("ascii"))
