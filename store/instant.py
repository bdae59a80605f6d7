"""Instants as people and JSON write them: ISO 8601 in UTC with milliseconds, against nanoseconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from store.model import SECOND, Ns

MILLISECOND: Final[Ns] = SECOND // 1_000
_BEYOND = re.compile(r".{8,10}.[\d:]*[.,]\d{6}(\d{1,3})")  # digits behind the microsecond, which `fromisoformat` drops


def iso(at: Ns) -> str:
    """`1700000000123456789` as `2023-11-14T22:13:20.123Z`; cut to the millisecond, never rounded into the future."""
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // MILLISECOND:03d}Z"


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
