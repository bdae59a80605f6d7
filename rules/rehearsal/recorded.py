"""What is on record of a monitor: its pings, and when it was paused. The oldest comes first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from sqlalchemy import Connection

from store.control import history
from store.model import SECOND, Monitor, Ns, Ping
from store.points import Points

_PAGE: Final = 5_000  # pings asked for in one question
_PIECE: Final[Ns] = 86_400 * SECOND  # that is held in memory at once
_VALUES: Final = 10  # that a ping carries, where as many as may be looked at are


class Pausing(NamedTuple):
    """The monitor was paused at `at`, or resumed."""

    at: Ns
    paused: bool


def pausings(connection: Connection, monitor: Monitor, start: Ns, end: Ns) -> list[Pausing]:
    """When it was paused and resumed within [start, end), and before that, where it lasted into it."""
    found = []
    for moved in history.of_monitor(connection, monitor.id, start, end):
        if moved.to_status == "paused":
            found.append(Pausing(moved.at, paused=True))
        elif moved.from_status == "paused" and moved.at >= start:
            found.append(Pausing(moved.at, paused=False))
    return found


def pings(points: Points, monitor: Monitor, start: Ns, end: Ns) -> Iterator[Ping]:
    """All pings within [start, end), however many. Raises PointsError."""
    start = max(start, monitor.created_at)
    for begin in range(start, end, _PIECE):
        yield from reversed(list(_backwards(points, monitor, begin, min(begin + _PIECE, end))))


def newest(points: Points, monitor: Monitor, start: Ns, end: Ns, limit: int) -> tuple[list[Ping], bool]:
    """The newest pings within [start, end), and whether there are older ones too. Raises PointsError.

    They are up to `limit`, and fewer where each carries a great many values.
    """
    found: list[Ping] = []
    values = 0
    for ping in _backwards(points, monitor, max(start, monitor.created_at), end):
        if len(found) == limit or values > limit * _VALUES:
            return found[::-1], True
        found.append(ping)
        values += len(ping.numbers) + len(ping.texts)
    return found[::-1], False


def last_before(points: Points, monitor: Monitor, start: Ns) -> Ping | None:
    """The ping that was waited from at `start`. Raises PointsError."""
    return next(iter(points.pings(monitor.id, limit=1, before=start, since=monitor.created_at)), None)


def _backwards(points: Points, monitor: Monitor, start: Ns, end: Ns) -> Iterator[Ping]:
    while page := points.pings(monitor.id, limit=_PAGE, before=end, since=start):
        yield from page
        if len(page) < _PAGE:
            return
        end = page[-1].at
