"""How far from the slots of a cron schedule its pings come, and whose clocks would explain it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec

from rules.doctor import clocks
from rules.doctor.hindsight import Hindsight
from rules.doctor.rhythm import quantile
from store.model import SECOND, Ns, Schedule

_FAR_APART: Final[Ns] = 2 * 3_600 * SECOND  # slots closer together have a ping near them whatever the clock says
_A_SLOT: Final = 5  # pings: more are not about the slots
_ASTRAY: Final = 600  # seconds
_MOST: Final = 0.8  # of the pings
_EARLY, _RUN, _SHORT_RUN = 300, 1_800, 600  # seconds before and after its slot in which a job may ping that keeps to it
_LIKELY_RUN: Final = 2 * 3_600
_NAMED: Final = 3


class Offset(NamedTuple):
    """A ping, and how many seconds it came after the slot that is nearest to it: below zero, before it."""

    at: Ns
    seconds: float


class Shift(msgspec.Struct, frozen=True):
    """`count` of `pings` come `least` to `most` seconds `before` a slot, or after it; by the clocks of `zones` they keep to the slots.

    Those clocks were `ahead` of UTC by so many seconds at the last ping.
    """

    count: int
    pings: int
    least: float
    most: float
    before: bool
    zones: tuple[str, ...]
    ahead: int

    @property
    def may_be_runs(self) -> bool:
        """Whether jobs that run for as long would look the same."""
        return not self.before and self.most <= _LIKELY_RUN


def offsets(past: Hindsight, schedule: Schedule) -> list[Offset]:
    """How far from the nearest slot each ping came; nothing where the schedule has no slots, or its slots are close together."""
    if schedule.cron is None or not past.arrivals:
        return []
    if past.turn_of(schedule) < _FAR_APART or len(past.arrivals) > _A_SLOT * len(past.slots(schedule).slots):
        return []
    first, *others = past.slots(schedule).slots
    slots = [first.at - first.distance, first.at, *(slot.at for slot in others)]
    return [Offset(at, _nearest(slots, at) / SECOND) for at in past.arrivals]


def shift(found: Sequence[Offset], schedule: Schedule, turn: Ns) -> Shift | None:
    """Whether nearly all pings come far from the slots, and near to them by the clocks of another zone; `turn`: how far apart slots are."""
    astray = [offset for offset in found if abs(offset.seconds) > _ASTRAY]
    ordered = sorted(offset.seconds for offset in astray)
    if len(astray) < max(5, _MOST * len(found)):
        return None
    before = ordered[len(ordered) // 2] < 0
    zones = _zones(found, schedule.timezone, _RUN if before else _SHORT_RUN, turn / SECOND)
    if not zones:
        return None
    usual = sorted(abs(seconds) for seconds in ordered if (seconds < 0) == before)
    least, most = quantile(usual, 0.05) // 60 * 60, -(-quantile(usual, 0.95) // 60) * 60
    count = sum(1 for seconds in usual if least <= seconds <= most)
    return Shift(count, len(found), least, most, before, zones, clocks.ahead(zones[0], found[-1].at))


def _nearest(slots: Sequence[Ns], at: Ns) -> Ns:
    place = bisect_right(slots, at)
    return min((at - slot for slot in slots[max(place - 1, 0) : place + 1]), key=abs)


def _zones(found: Sequence[Offset], timezone: str, longest_run: int, turn: float) -> tuple[str, ...]:
    """The zones by whose clocks most pings come at a slot or shortly after: the likeliest, with those as likely whose clocks show the same.

    Others are left out: where slots are half a day apart, one that is half a day further off does as well, and would have to be explained.
    """
    fitting = []
    for name in clocks.zones():
        by_its_clock = (offset.seconds + clocks.ahead(name, offset.at) - clocks.ahead(timezone, offset.at) for offset in found)
        moved = sorted((seconds + turn / 2) % turn - turn / 2 for seconds in by_its_clock)
        near = sum(1 for seconds in moved if -_EARLY <= seconds <= longest_run)
        if near >= _MOST * len(moved):
            fitting.append((-near, round(abs(quantile(moved, 0.5))), name))
    fitting.sort(key=lambda one: one[:2])
    best = [name for *_, name in takewhile(lambda one: one[:2] == fitting[0][:2], fitting)]
    last = found[-1].at
    return tuple(name for name in best if clocks.ahead(name, last) == clocks.ahead(best[0], last))[:_NAMED]
