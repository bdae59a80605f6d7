"""The time-series store: one contract (`Points`), whatever keeps the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from store.model import Bucket, Ns, Ping

# The measurements, named alike in every store.
PING: Final = "hb_ping"
METRIC: Final = "hb_metric"
TEXT: Final = "hb_text"


class PointsError(Exception):
    """The store cannot be used as it is; the message is a sentence that names it and says what to do."""


class Points(Protocol):
    """History of pings and metrics. Writing the same ping twice is the same as once: (monitor, at, metric) is the key.

    A metric may be a number at one instant and a text at another. Instants and widths are nanoseconds; any integer may be asked for.
    """

    def write(self, pings: Sequence[Ping]) -> None:
        """Keep the pings and each of their numbers and texts, durably and all or nothing; numbers are finite.

        A ping written again replaces itself, and keeps the metrics that only its earlier writing had.
        """

    def buckets(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Mapping[str, list[Bucket]]:
        """Numbers within [start, end), per metric in buckets of `width` ns aligned to the epoch, oldest first; empty ones left out.

        Every asked metric is a key of the answer, with an empty list where there is nothing. The first and the last bucket hold only
        what lies within the bounds. `min <= avg <= max` always, and all three are finite. Raises ValueError for a width below 1.
        """

    def pings(self, monitor: str, *, limit: int, offset: int = 0, before: Ns | None = None) -> list[Ping]:
        """The newest pings first, with their numbers and texts joined again; only those with `at < before` where given."""

    def count_pings(self, monitor: str, *, before: Ns | None = None) -> int:
        """How many pings `pings` could return in all."""

    def expire(self, before: Ns, limit: int) -> int:
        """Forget up to `limit` rows older than `before`, the oldest first; returns how many went (0: nothing is left to forget).

        A ping is one row, and so is each of its metrics. The work is proportional to what goes, not to what is kept.
        """

    def forget(self, monitor: str, limit: int) -> int:
        """Forget up to `limit` rows of a deleted monitor; returns how many went (0: nothing is left of it)."""

    def close(self) -> None: ...
