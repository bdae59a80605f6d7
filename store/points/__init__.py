"""The time-series store: one contract (`Points`), whatever keeps the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from store.model import Bucket, Ns, Ping


class Points(Protocol):
    """History of pings and metrics. Writing the same ping twice is the same as once: (monitor, at, metric) is the key."""

    def write(self, pings: Sequence[Ping]) -> None:
        """Keep the pings and each of their numbers and texts, durably and all or nothing."""

    def buckets(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Mapping[str, list[Bucket]]:
        """Numbers within [start, end), per metric in buckets of `width` ns aligned to the epoch, oldest first; empty ones left out.

        Every asked metric is a key of the answer, with an empty list where there is nothing.
        """

    def pings(self, monitor: str, *, limit: int, offset: int = 0, before: Ns | None = None) -> list[Ping]:
        """The newest pings first, with their numbers and texts joined again; only those with `at < before` where given."""

    def count_pings(self, monitor: str, *, before: Ns | None = None) -> int:
        """How many pings `pings` could return in all."""

    def expire(self, before: Ns, limit: int) -> int:
        """Forget up to `limit` rows older than `before`; returns how many went (0: nothing is left to forget)."""

    def forget(self, monitor: str, limit: int) -> int:
        """Forget up to `limit` rows of a deleted monitor; returns how many went."""

    def close(self) -> None: ...
