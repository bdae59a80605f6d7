"""Instants as people and JSON write them: ISO 8601 in UTC with milliseconds, against nanoseconds since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

from store.model import SECOND, Ns


def iso(at: Ns) -> str:
    """`1700000000123456789` as `2023-11-14T22:13:20.123Z`; cut to the millisecond, never rounded into the future."""
    seconds, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}Z"


def from_iso(text: str) -> Ns:
    """The instant that `text` names; without an offset it is UTC. Raises ValueError with a sentence for anything else."""
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write it as 2026-11-23T03:04:05Z") from None
    if named.tzinfo is None:
        named = named.replace(tzinfo=UTC)
    whole = named.replace(microsecond=0)
    return int(whole.timestamp()) * SECOND + named.microsecond * 1_000
