"""The facts Lastbeat keeps: plain frozen records with no behaviour, known by every other part.

Instants are whole nanoseconds since the Unix epoch, UTC (`Ns`); durations are seconds unless the name says otherwise.
"""

from __future__ import annotations

import secrets
from typing import Final, Literal, get_args

import msgspec

Ns = int
SECOND: Final[Ns] = 1_000_000_000

Kind = Literal["success", "fail", "start", "log"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# The states a monitor is stored in. "late" is never stored: it is "up" past its expected time (`rules.status.shown`).
Status = Literal["new", "up", "down", "paused", "unverified"]
ShownStatus = Literal["new", "up", "late", "down", "paused", "unverified"]

Operator = Literal[">", "<", ">=", "<=", "=", "!="]
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

AlertState = Literal["ok", "pending", "firing"]


class Ping(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """One ping as it was acknowledged. `at` is its receipt, unique and increasing per worker; it is the ping's identity."""

    at: Ns
    monitor: str
    kind: Kind = "success"
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    log: str | None = None
    problem: str | None = None
    duration: float | None = None
    exit_status: int | None = None
    rid: str | None = None
    remote_addr: str | None = None
    user_agent: str | None = None


class Gap(msgspec.Struct, frozen=True, array_like=True, tag="g", gc=False):
    """We were not listening from `start` to `end`; `at` is the stamp that orders it among the pings."""

    at: Ns
    start: Ns
    end: Ns
    reason: str


Record = Ping | Gap


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """Samples of one metric within [at, at + width): `at` is a whole multiple of the width."""

    at: Ns
    avg: float
    min: float
    max: float
    count: int


def new_id(prefix: str) -> str:
    """A fresh public id, such as `mon_5f0c…`: 64 random bits behind a prefix that names the kind of thing."""
    return f"{prefix}_{secrets.token_hex(8)}"
