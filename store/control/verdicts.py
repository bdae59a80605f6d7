"""Writes what the rules have decided about many monitors, in a few statements whatever their number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Column, ColumnElement, Connection, Table, bindparam, case, func, insert, or_, select, update

from store.control.rows import Rows, as_json, given, is_given
from store.control.tables import beats, incidents, monitors, transitions
from store.model import CATCHING_UP, SECOND, Beat, Cause, Closure, Gap, Incident, Ns, Transition

_BEAT = Beat.__struct_fields__


def _change(table: Table, key: Column[str], names: Sequence[str]) -> Rows:
    """Sets the named columns, for the row whose `key` is the last value."""
    # Named otherwise than the columns, as SQLAlchemy wants it.
    news: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    return Rows(update(table).where(key == bindparam("of")).values(news), [*(f"new_{name}" for name in names), "of"])


_beats = _change(beats, beats.c.monitor_id, _BEAT)
_transitions = Rows(insert(transitions), Transition.__struct_fields__)
_incidents = Rows(insert(incidents), Incident.__struct_fields__)
_closures = _change(incidents, incidents.c.id, ("resolved_at", "resolution"))


def save_beats(connection: Connection, changed: Mapping[str, Beat]) -> None:
    rows = [(*astuple(beat)[:-1], as_json(beat.runs or None), monitor_id) for monitor_id, beat in changed.items()]
    _beats.write(connection, rows)


def add_transitions(connection: Connection, new: Sequence[Transition]) -> None:
    _transitions.write(connection, [astuple(one) for one in new])


def save_incidents(connection: Connection, opened: Sequence[Incident], closed: Sequence[Closure]) -> None:
    _incidents.write(connection, [astuple(one) for one in opened])
    _closures.write(connection, [(one.at, one.resolution, one.incident_id) for one in closed])


def causes(connection: Connection, incident_ids: Sequence[str]) -> dict[str, Cause]:
    """What each incident is about."""
    query = select(incidents.c.id, incidents.c.cause).where(is_given(incidents.c.id))
    return {row[0]: row[1] for row in connection.execute(query, given(incident_ids))}


def down(connection: Connection) -> list[str]:
    """The monitors that have an outage of their own."""
    return list(connection.execute(select(beats.c.monitor_id).where(beats.c.incident_id.is_not(None))).scalars())


def overdue(connection: Connection, watermark: Ns, limit: int, lead: Ns = 0) -> list[str]:
    """Monitors whose deadline, or that of a run of theirs, has passed, the longest overdue first; those of cron only by `lead` later."""
    due: dict[str, Ns] = {}
    for instant in (beats.c.deadline, beats.c.run_due):  # an index each, which one query with OR would not use in order
        query = select(beats.c.monitor_id, instant).where(instant < watermark).order_by(instant).limit(limit)
        if lead:
            query = query.join(monitors).where(monitors.c.cron.is_(None) | (instant < watermark - lead))
        for monitor_id, at in connection.execute(query).all():
            due[monitor_id] = min(at, due.get(monitor_id, at))
    return sorted(due, key=lambda monitor_id: due[monitor_id])[:limit]


def count_overdue(connection: Connection, watermark: Ns) -> int:
    """How many monitors have missed a deadline that is not declared yet."""
    return connection.execute(select(func.count()).where(beats.c.deadline < watermark)).scalar_one()


def count_waiting(connection: Connection, at_most: int) -> int:
    """From how many monitors a ping is expected, counted no further than `at_most`."""
    waiting = select(beats.c.monitor_id).where(beats.c.deadline.is_not(None)).limit(at_most)
    return connection.execute(select(func.count()).select_from(waiting.subquery())).scalar_one()


def waiting_by_project(connection: Connection) -> dict[str, int]:
    """From how many monitors of each project a ping is expected."""
    query = select(monitors.c.project_id, func.count()).join(beats).where(beats.c.deadline.is_not(None)).group_by(monitors.c.project_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def silent_by_project(connection: Connection, since: Ns) -> dict[str, tuple[int, int, int]]:
    """How many monitors of each project fell silent since then, by their own settings or by a rule; how many of them still are, and from
    how many no ping is expected.
    """
    silent = incidents.c.monitor_id
    still = func.count(case((incidents.c.resolved_at.is_(None), silent)).distinct())
    missed = (incidents.c.opened_at >= since, incidents.c.cause.in_(("missed", "not_started")))
    unawaited = func.count(case((beats.c.deadline.is_(None), silent)).distinct())
    counted = select(incidents.c.project_id, func.count(silent.distinct()), still, unawaited)
    query = counted.join(beats, beats.c.monitor_id == silent).where(*missed).group_by(incidents.c.project_id)
    return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query)}


def touched_by(connection: Connection, gap: Gap, behind: str = "") -> list[str]:
    """Monitors whose expected window, or a run of theirs, the gap may have met, and some more: the rules judge each exactly.

    In the order of their ids; only those behind the id `behind`.

    A ping may come before `expected_at` by a tenth of the interval, and by five minutes at the most; and by as much of an interval as our
    clock left out. Where the start of a run is waited for, and an interval is counted from the last ping, it may have come at any time
    since; and so may a ping that is expected an interval after a gap or a pause.
    """
    besides = beats.c.runs.is_not(None) | beats.c.health.is_not(None)  # what a gap is about wherever their deadlines lie
    if gap.reason == "stall":
        span = (gap.start, gap.end + SECOND)
        touched = or_(beats.c.deadline.between(*span), beats.c.run_due.between(*span))
    elif gap.reason == "clock":
        touched = (beats.c.deadline >= gap.start) | besides  # all that is measured in time that has passed
    else:
        sooner = beats.c.expected_at - left_out(gap, beats.c.expected_at)
        early = monitors.c.cron.is_not(None) | (sooner - monitors.c.interval * (SECOND // 10) <= gap.end)
        window = (beats.c.deadline >= gap.start) & (sooner <= gap.end + 300 * SECOND) & early
        starts = (beats.c.deadline >= gap.start) & monitors.c.start_by.is_not(None) & monitors.c.cron.is_(None)
        anytime = (beats.c.deadline >= gap.start) & ((beats.c.expected_at - beats.c.last_ping_at) % (monitors.c.interval * SECOND) != 0)
        touched = or_(window, starts, anytime & monitors.c.cron.is_(None), besides)
    query = select(beats.c.monitor_id).join(monitors).where(touched, monitors.c.deleted_at.is_(None), beats.c.monitor_id > behind)
    return list(connection.execute(query.order_by(beats.c.monitor_id)).scalars())


def left_out(gap: Gap, expected: Column[Ns]) -> ColumnElement[Ns] | Ns:
    """As much as our clock may have left out of the time from a monitor's last ping to the next, while it went slower than time does."""
    return (expected - func.coalesce(beats.c.last_ping_at, 0)) // CATCHING_UP if gap.slowed else 0


def unverified_by(connection: Connection, gap: Gap) -> dict[str, list[tuple[str, str]]]:
    """Name and id of the monitors that the gap left unverified, by project, in the order of their names."""
    left = (transitions.c.at == gap.at) & (transitions.c.to_status == "unverified") & monitors.c.deleted_at.is_(None)
    query = (
        select(monitors.c.project_id, monitors.c.name, monitors.c.id).join(transitions).where(left).order_by(monitors.c.name, monitors.c.id)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.project_id, []).append((row.name, row.id))
    return found
