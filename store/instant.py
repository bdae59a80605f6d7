"""Instants as people and JSON write them: ISO 8601, UTC, milliseconds, against nanoseconds since the epoch; and durations in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from store.model import SECOND, Ns

MILLISECOND: Final[Ns] = SECOND // 1_000
_BEYOND = re.compile(r".{8,10}.[\d:]*[.,]\d{6}(\d{1,3})")  # digits behind the microsecond, which `fromisoformat` drops
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def iso(at: Ns) -> str:
    """`1700000000123456789` as `2023-11-14T22:13:20.123Z`; cut to the millisecond, never rounded into the future."""
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{rest // MILLISECOND:03d}Z"


def exact_iso(at: Ns) -> str:
    """As `iso`, but with all nine digits, `2023-11-14T22:13:20.123456789Z`, where the instant is not a whole millisecond."""
    return iso(at) if at % MILLISECOND == 0 else f"{iso(at)[:-4]}{at % SECOND:09d}Z"


def from_iso(text: str) -> Ns:
    """The instant that `text` names, to the nanosecond; without an offset it is UTC. ValueError with a sentence for anything else."""
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it as 2026-11-23T03:04:05Z") from None
    if named.tzinfo is None:
        named = named.replace(tzinfo=UTC)
    whole = named.replace(microsecond=0)
    beyond = _BEYOND.match(text)
    return int(whole.timestamp()) * SECOND + named.microsecond * 1_000 + (int(beyond[1].ljust(3, "0")) if beyond else 0)


def span(seconds: float) -> str:
    """A duration in at most two neighbouring units: `42 s`, `1 min 30 s`, `3 h`, `2 d 4 h`."""
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))} ms"
    left = round(seconds)
    for i, (unit, size) in enumerate(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            finer, finer_size = _UNITS[min(i + 1, 3)]
            tail = f" {rest // finer_size} {finer}" if rest >= finer_size and unit != "s" else ""
            return f"{whole} {unit}{tail}"
    return "0 s"
