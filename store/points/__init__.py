"""The time-series store: one contract (`Points`), whatever keeps the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from prometheus_client import Counter

from store.model import Bucket, Ns, Ping, Status, Transition
from store.rule import WindowFunction

window_queries: Final = Counter("lastbeat_window_queries", "Questions to the time-series store that rules on windows needed.")

# The measurements, named alike in every store.
PING: Final = "hb_ping"
METRIC: Final = "hb_metric"
TEXT: Final = "hb_text"
STATE: Final = "hb_state"

# What `hb_state` says in its field `status`: a chart needs numbers.
STATUS_NUMBERS: Final[Mapping[Status, int]] = {"new": 0, "up": 1, "down": 2, "paused": 3, "unverified": 4}


class PointsError(Exception):
    """The store cannot be used as it is; the message is a sentence that names it and says what to do."""


class Away(PointsError):
    """The store may be well again without anybody's doing. `what` is the beginning of a sentence that can go on with " since …"."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.what = what
        self.why = why


class Refusal(NamedTuple):
    """One line that the store will never take, and why."""

    reason: str
    line: str
    record: Ping | Transition


class Points(Protocol):
    """History of pings and metrics. Writing the same ping twice is the same as once: (monitor, at, metric) is the key.

    A metric may be a number at one instant and a text at another. Instants and widths are nanoseconds; any integer may be asked for.
    """

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        """Keep the pings and each of their numbers and texts, durably; numbers are finite. Returns what will never be taken, if anything.

        A ping written again replaces itself, and keeps the metrics that only its earlier writing had. Where it raises, any part of the
        batch may have been kept: it is to be written again.
        """

    def buckets(self, monitor: str, metrics: Sequence[str], start: Ns, end: Ns, width: Ns) -> Mapping[str, list[Bucket]]:
        """Numbers within [start, end), per metric in buckets of `width` ns aligned to the epoch, oldest first; empty ones left out.

        Every asked metric is a key of the answer, with an empty list where there is nothing. The first and the last bucket hold only
        what lies within the bounds. `min <= avg <= max` always, and all three are finite. Raises ValueError for a width below 1.
        """

    def window(self, func: WindowFunction, metric: str, start: Ns, end: Ns) -> Mapping[str, tuple[float, int]]:
        """The points of one metric within [start, end) as one finite number for each monitor that has any, and how many points those were.

        One question to the store, whatever the number of monitors; a second one where numbers are so large that their sum is beyond
        every float. `store.points.aggregate` says what each function means; `rate` needs two points. What is beyond every float is held
        at the largest or the smallest.
        """

    def pings(self, monitor: str, *, limit: int, offset: int = 0, before: Ns | None = None, since: Ns = 0) -> list[Ping]:
        """The newest pings first, with their numbers and texts joined again; only those with `since <= at < before`.

        A store may have to look for them as far back as `since`: give the monitor's creation.
        """

    def arrivals(self, monitor: str, start: Ns, end: Ns, limit: int) -> list[Ns]:
        """When successful pings came within [start, end): the newest `limit` of them, the oldest of these first."""

    def count_pings(self, monitor: str, *, before: Ns | None = None, since: Ns = 0) -> int:
        """How many pings `pings` could return in all."""

    def expire(self, before: Ns, limit: int) -> int:
        """Forget up to `limit` rows older than `before`, the oldest first; returns how many went (0: nothing is left to forget).

        A ping is one row, and so is each of its metrics. The work is proportional to what goes, not to what is kept. A store with
        a retention of its own leaves it to that.
        """

    def forget(self, monitor: str, limit: int) -> int:
        """Forget up to `limit` rows of a deleted monitor; returns how many went (0: nothing is left that it could forget)."""

    def close(self) -> None: ...


class StatePoints(Protocol):
    """A store that also keeps the history of states, for those who look at it without Lastbeat."""

    def write_states(self, transitions: Sequence[Transition]) -> list[Refusal]:
        """Keep the transitions, as `Points.write` keeps pings."""
