"""A mark: one instant in a tiny file, rewritten in place several times a second by one process and read by others.

Behind it may stand what the clocks read then, for whoever starts next. Not flushed to disk on purpose: after `kill -9` the page cache still
has it, and after a power cut an older mark only makes the outage look longer, which is the harmless direction.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from store.model import Ns

_WIDTH = 20  # digits of a 64-bit number: every write covers the one before, so nobody who reads it meanwhile sees a torn mark


class Reading(NamedTuple):
    """What the clocks read at one moment, so that a successor knows how much time has passed, whatever somebody makes of the wall clock.

    `at`: our own time. `elapsed`: nanoseconds since the machine was started, and `boot` is which start that was. `lead`: by how much our
    time was ahead of the clock on the wall. `slowed`: until when it last went slower than time does; 0: never.
    """

    at: Ns
    elapsed: Ns
    lead: Ns
    slowed: Ns
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
    """What the clocks read at the mark, or shortly before; None where that is not on record, or makes no sense."""
    try:
        mark, *numbers, boot = path.read_bytes().partition(b"\n")[0].decode("ascii").split(" ")
        at, elapsed, lead, slowed = map(int, numbers)
    except (FileNotFoundError, ValueError):
        return None
    return Reading(at, elapsed, lead, slowed, boot) if at <= int(mark) and lead >= 0 else None


def _line(reading: Reading) -> bytes:
    numbers = b" ".join(b"%0*d" % (_WIDTH, number) for number in reading[:4])
    return b"%b %b\n" % (numbers, reading.boot.encode("ascii"))
