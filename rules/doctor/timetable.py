"""All the slots of a cron schedule within a while, for those who look back at many of them.

They are those of `rules.cron.slot_after`, which finds one from any instant and takes a hundred times as long for each. The hours in which,
or beside which, clocks change are left to it; apart from those, the slots of an expression lie at the same times of each of its days.
"""

from __future__ import annotations

import zoneinfo
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Final

from cronsim import CronSim

from rules.cron import Slot, expressions, slot_after
from store.model import SECOND, Ns

_PIECE: Final = 3 * 3_600  # of the time, in seconds: no clock is put back further
_EPOCH: Final = datetime.fromisoformat("1970-01-01")


class Timetable:
    """The slots after `start` up to the first one after `end`; `usual` and `longest` are their distances.

    Raises ValueError with a sentence for what `rules.cron` cannot compute.
    """

    def __init__(self, cron: str, timezone: str, start: Ns, end: Ns) -> None:
        self._cron, self._timezone, self._start = cron, timezone, start
        self.slots = list(self._walk(start, end))
        self._instants = [slot.at for slot in self.slots]
        distances = sorted(slot.distance for slot in self.slots)
        self.usual, self.longest = distances[len(distances) // 2], distances[-1]

    def after(self, instant: Ns) -> Slot:
        """The first slot after `instant`, which may be any."""
        place = bisect_right(self._instants, instant)
        if instant < self._start or place == len(self.slots):
            return slot_after(self._cron, self._timezone, instant)
        return self.slots[place]

    def _walk(self, start: Ns, end: Ns) -> Iterator[Slot]:
        slot = slot_after(self._cron, self._timezone, start)
        zone = zoneinfo.ZoneInfo(self._timezone)
        for until, offset in _spells(slot.at // SECOND, end // SECOND, zone):
            while slot.at // SECOND < until:
                yield slot
                if offset is not None:
                    yield from (steady := list(_steady(expressions(self._cron), slot, until, offset)))
                    slot = steady[-1] if steady else slot
                slot = slot_after(self._cron, self._timezone, slot.at)
        yield slot


def _spells(start: int, end: int, zone: tzinfo) -> Iterator[tuple[int, int | None]]:
    """The time from `start` on as spells, each by its end and its seconds ahead of UTC; None where clocks change in it or beside it."""
    since: int | None = None
    pieces = range(start // _PIECE, end // _PIECE + 1)
    for piece in pieces:
        around = {_offset(second, zone) for second in range((piece - 1) * _PIECE, (piece + 2) * _PIECE + 1, _PIECE)}
        offset = around.pop() if len(around) == 1 else None
        if piece > pieces.start and offset != since:
            yield piece * _PIECE, since
        since = offset
    yield end + 1, since


def _steady(crons: Iterable[str], first: Slot, until: int, offset: int) -> Iterator[Slot]:
    """The slots behind `first` and before `until`, while clocks run at one offset."""
    after, before = first.at // SECOND + offset, until + offset
    walls = {day + time for cron in crons for day in _days(cron, after, before) for time in _times(*cron.split()[:2])}
    for earlier, wall in pairwise([after, *sorted(wall for wall in walls if after < wall < before)]):
        yield Slot((wall - offset) * SECOND, (wall - earlier) * SECOND)


def _days(cron: str, after: int, before: int) -> list[int]:
    """The days of an expression that have times between the two. Both they and their midnights count the seconds of a clock on the wall."""
    midnight = _EPOCH + timedelta(seconds=after - after % 86_400)
    midnights = (_seconds(day) for day in CronSim(f"0 0 {' '.join(cron.split()[2:])}", midnight - timedelta(minutes=1)))
    return list(takewhile(lambda day: day < before, midnights))


@lru_cache(maxsize=100)
def _times(minutes: str, hours: str) -> tuple[int, ...]:
    """At which seconds of a day an expression has its slots."""
    times = (_seconds(time) for time in CronSim(f"{minutes} {hours} * * *", _EPOCH - timedelta(minutes=1)))
    return tuple(takewhile(lambda time: time < 86_400, times))


def _seconds(wall: datetime) -> int:
    return (wall - _EPOCH) // timedelta(seconds=1)


def _offset(at: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
