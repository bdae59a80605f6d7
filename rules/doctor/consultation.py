"""Asks the schedule doctor about a monitor: fetches what is to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from sqlalchemy import Connection

from rules.doctor import LIMIT, PERIOD, Diagnosis, diagnose
from rules.doctor.hindsight import Absence, Pause
from store.control import gaps, history
from store.model import Monitor, Ns, Transition
from store.points import Points


def absences(connection: Connection, monitor: Monitor, now: Ns) -> list[Absence]:
    """When nobody judged the monitor lately, in the order of the ends: we were away, or it was paused."""
    start = max(monitor.created_at, now - PERIOD)
    away: list[Absence] = [*gaps.within(connection, start, now), *_pauses(history.of_monitor(connection, monitor.id, start, now), now)]
    return sorted(away, key=lambda absence: absence.end)


def consult(points: Points, monitor: Monitor, away: Sequence[Absence], now: Ns) -> Diagnosis:
    """The diagnosis; `away` is what `absences` found. Raises PointsError."""
    arrivals = points.arrivals(monitor.id, max(monitor.created_at, now - PERIOD), now, LIMIT + 1)
    return diagnose(monitor.schedule, arrivals, away, now)


def _pauses(transitions: Sequence[Transition], now: Ns) -> list[Pause]:
    following = zip_longest(transitions, transitions[1:])
    return [Pause(one.at, now if after is None else after.at) for one, after in following if one is not None and one.to_status == "paused"]
