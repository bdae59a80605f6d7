"""What a schedule would have made of the pings that came: the rules of `rules.status`, applied to the past. Pure.

Between two pings nothing matters but the first of them, the schedule, and what happened in between. So each pair is judged by itself, and
only where the bare rhythm would have alarmed it is looked at whether we were there to judge.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy
from itertools import pairwise, takewhile
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from rules import schedule as schedules
from rules import status
from rules.doctor.timetable import Timetable
from store.model import SECOND, Beat, Gap, Ns, Schedule

_MISSING: Final = 1.8  # turns without a ping: it did not come late, it did not come


class Pause(msgspec.Struct, frozen=True):
    """The monitor was paused from `start` to `end`."""

    start: Ns
    end: Ns


Absence = Gap | Pause


class Alarm(NamedTuple):
    """The deadline that was missed, and when the ping came after all; None: not yet. `missing`: a whole turn passed without a ping."""

    due: Ns
    came: Ns | None
    missing: bool


class Outcome(NamedTuple):
    """How often a schedule would have alarmed, and how many of those alarms were about a ping that was missing altogether."""

    alarms: int
    missing: int


class Hindsight:
    """Successful pings, strictly one after the other, up to `now`; and when nobody judged them, in the order of their ends.

    `turn`: how long after one ping the next one usually comes, where that is known.
    """

    turn: Ns | None = None

    def __init__(self, arrivals: Sequence[Ns], absences: Sequence[Absence], now: Ns) -> None:
        self.now = now
        self.arrivals = arrivals
        self._pairs = list(pairwise([*arrivals, now])) if arrivals else []
        self._absences = _by_pair(arrivals, absences)
        self._tables: dict[tuple[str, str], Timetable] = {}
        self._latenesses: dict[tuple[object, ...], list[Ns]] = {}
        self._latest: dict[tuple[object, ...], list[int]] = {}

    def lengths(self) -> list[Ns]:
        """The time between two pings, wherever we were there all the while; in the order in which they came."""
        return [after - before for i, (before, after) in enumerate(self._pairs[:-1]) if i not in self._absences]

    @property
    def left_out(self) -> int:
        """How many times between pings `lengths` leaves out."""
        return sum(1 for i in self._absences if i < len(self._pairs) - 1)

    def latenesses(self, schedule: Schedule) -> list[Ns]:
        """How late each ping came that we were there to expect; those that were early are below zero."""
        return [late for i, late in enumerate(self._late(schedule)[:-1]) if i not in self._absences]

    def outcome(self, schedule: Schedule) -> Outcome:
        alarms = self.alarms(schedule)
        return Outcome(len(alarms), sum(1 for alarm in alarms if alarm.missing))

    def alarms(self, schedule: Schedule) -> list[Alarm]:
        """Every alarm that the schedule would have raised for a ping that was late. Raises ValueError where it cannot be computed."""
        schedule = replace(schedule, max_run=None, min_run=None, start_by=None)
        late, latest = self._late(schedule), self._latest[self._key(schedule)]
        missed = sorted(takewhile(lambda pair: late[pair] > schedule.grace * SECOND, latest))
        return [self._alarm(schedule, pair, late[pair], due) for pair in missed for due in self._missed(schedule, pair, late[pair])]

    def slots(self, schedule: Schedule) -> Timetable:
        """The slots of a cron schedule, from the first ping on."""
        assert schedule.cron is not None
        key = schedule.cron, schedule.timezone
        if key not in self._tables:
            self._tables[key] = Timetable(*key, self.arrivals[0] - 1 if self.arrivals else self.now, self.now)
        return self._tables[key]

    def taking_turns(self, turn: Ns) -> Hindsight:
        """The same past, of which one knows that pings usually come so long after each other."""
        known = copy(self)
        known.turn = turn
        return known

    def turn_of(self, schedule: Schedule) -> Ns:
        """How long after one ping the schedule expects the next: at the slots of cron, how long that is as a rule."""
        if schedule.cron is None:
            return schedule.interval * SECOND
        return self.slots(schedule).usual

    def longest_turn_of(self, schedule: Schedule) -> Ns:
        """How long it may be until the next ping is expected: at the slots of cron, the longest time between two."""
        if schedule.cron is None:
            return schedule.interval * SECOND
        return self.slots(schedule).longest

    def _key(self, schedule: Schedule) -> tuple[object, ...]:
        """What the latenesses depend on. How early a ping may come grows with the grace, up to a limit."""
        if schedule.cron is None:
            return (schedule.interval,)
        longest = min(schedules.EARLY_LIMIT, self.slots(schedule).longest // 10)
        return schedule.cron, schedule.timezone, min(schedule.grace * SECOND, longest)

    def _late(self, schedule: Schedule) -> list[Ns]:
        """How late each ping of a pair came, that is due now being the last; `_latest` has the pairs in that order, the latest first."""
        key = self._key(schedule)
        if key not in self._latenesses:
            late = self._late_anew(schedule)
            self._latenesses[key] = late
            self._latest[key] = sorted(range(len(late)), key=late.__getitem__, reverse=True)
        return self._latenesses[key]

    def _late_anew(self, schedule: Schedule) -> list[Ns]:
        if schedule.cron is None:
            interval = schedule.interval * SECOND
            return [after - before - interval for before, after in self._pairs]
        slot_after = self.slots(schedule).after
        return [after - schedules.expected_of(schedule, before, slot_after) for before, after in self._pairs]

    def _alarm(self, schedule: Schedule, pair: int, lateness: Ns, due: Ns) -> Alarm:
        before, after = self._pairs[pair]
        if schedule.cron is None:
            missing = after - before >= _MISSING * (self.turn or schedule.interval * SECOND)
        else:
            following = self.slots(schedule).after(after - lateness)
            missing = after >= following.at - min(following.distance // 10, schedules.EARLY_LIMIT)
        return Alarm(due, after if pair < len(self._pairs) - 1 else None, missing)

    def _missed(self, schedule: Schedule, pair: int, lateness: Ns) -> list[Ns]:
        """The deadlines that were missed between two pings.

        It is one, unless nobody judged for a while: and two where a monitor was down, was paused, and missed the next one too.
        """
        before, after = self._pairs[pair]
        if pair not in self._absences:
            return [schedules.deadline(schedule, after - lateness)]
        if any(isinstance(one, Pause) and one.start <= before and after <= one.end for one in self._absences[pair]):
            return []
        beat, missed = status.succeeded(Beat(), schedule, before), []
        for absence in self._absences[pair]:
            due = status.due(beat)
            if due is not None and due < absence.start:
                missed.append(due)
                beat = status.missed(beat, schedule)
            if isinstance(absence, Gap):
                beat = status.after_gap(beat, schedule, absence) if before < absence.at < after else beat
            elif absence.end >= after:
                return missed
            else:
                beat = status.resumed(status.paused(beat), schedule, absence.end)
        due = status.due(beat)
        return [*missed, due] if due is not None and due < after else missed


def _by_pair(arrivals: Sequence[Ns], absences: Sequence[Absence]) -> dict[int, list[Absence]]:
    """For each pair of pings that has any: when nobody judged what came in between."""
    found: dict[int, list[Absence]] = {}
    for absence in absences:
        first = bisect_right(arrivals, absence.start) - 1
        last = bisect_left(arrivals, absence.end) - 1
        for pair in range(max(first, 0), last + 1):
            found.setdefault(pair, []).append(absence)
    return found
