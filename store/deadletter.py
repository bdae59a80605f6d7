"""The dead-letter file: what the time-series store will never take, one JSON object a line, for people to look into."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from prometheus_client import Counter

from store.model import Ping
from store.points import Refusal

log = logging.getLogger(__name__)
_dead = Counter("lastbeat_points_dead", "Points that the time-series store refused for good.")

LIMIT = 64 * 2**20


class DeadLetters:
    """Appends to the file at `path`, made with mode 0600. At `LIMIT` bytes it is full; what comes then is only logged and counted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, refusals: Sequence[Refusal]) -> None:
        """Set the refused points aside, durably. After a crash some may be there twice."""
        if not refusals:
            return
        for refusal in refusals:
            log.error("a point was refused for good (%s), it goes to %s: %.200s", refusal.reason, self._path, refusal.line)
        _dead.inc(len(refusals))
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            if os.fstat(file).st_size < LIMIT:
                os.write(file, b"".join(_encoded(refusal) for refusal in refusals))
                os.fsync(file)
        finally:
            os.close(file)

    def count(self) -> int:
        """How many points are in the file."""
        try:
            return self._path.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0


def _encoded(refusal: Refusal) -> bytes:
    reason, line, record = refusal
    kind = "ping" if isinstance(record, Ping) else "transition"
    return msgspec.json.encode({"reason": reason, "line": line, kind: msgspec.structs.asdict(record)}) + b"\n"
