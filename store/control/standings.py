"""How rules stand with monitors. Where all is well and nothing is counted there is no row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import astuple, replace
from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, delete, select
from sqlalchemy.dialects.sqlite import insert

from store.control.rows import Rows, as_json, given, is_given
from store.control.tables import beats, monitors, standings
from store.control.verdicts import left_out
from store.model import SECOND, Gap, Ns
from store.rule import Standing

_FIELDS = Standing.__struct_fields__
_COLUMNS = [standings.c[name] for name in _FIELDS]
_OF_MONITORS = select(*_COLUMNS).where(is_given(standings.c.monitor_id))
_row = insert(standings)
_kept = Rows(
    _row.on_conflict_do_update(
        index_elements=["rule", "monitor_id"], set_={name: _row.excluded[name] for name in _FIELDS if name not in ("rule", "monitor_id")}
    ),
    _FIELDS,
)
_gone = Rows(
    delete(standings).where(standings.c.rule == bindparam("of_rule"), standings.c.monitor_id == bindparam("of_monitor")),
    ("of_rule", "of_monitor"),
)


def of_monitors(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, dict[str, Standing]]:
    """All standings of the monitors, by monitor id and rule; monitors without any are left out."""
    found: dict[str, dict[str, Standing]] = {}
    for standing in _read(connection, _OF_MONITORS, given(monitor_ids)):
        found.setdefault(standing.monitor_id, {})[standing.rule] = standing
    return found


def of_rules(connection: Connection, rules: Sequence[str]) -> list[Standing]:
    """All standings of the rules, with monitors that are not deleted."""
    living = select(*_COLUMNS).join(monitors).where(monitors.c.deleted_at.is_(None))
    return _read(connection, living.where(standings.c.rule.in_(rules)).order_by(standings.c.monitor_id))


def save(connection: Connection, changed: Sequence[Standing]) -> None:
    """Write the standings; one that says nothing any more goes."""
    kept = [replace(one, value=as_json(one.value)) for one in changed if not is_blank(one)]
    _kept.write(connection, [astuple(one) for one in kept])
    _gone.write(connection, [(one.rule, one.monitor_id) for one in changed if is_blank(one)])


def with_incident(connection: Connection, rules: Sequence[str]) -> list[str]:
    """The monitors with which one of the rules has an open incident."""
    mine = (standings.c.rule.in_(rules), standings.c.incident_id.is_not(None))
    return list(connection.execute(select(standings.c.monitor_id).where(*mine).distinct().order_by(standings.c.monitor_id)).scalars())


def drop_calm(connection: Connection, rules: Sequence[str]) -> None:
    """Forget what the rules have counted and wait for, where they have no open incident."""
    connection.execute(delete(standings).where(standings.c.rule.in_(rules), standings.c.incident_id.is_(None)))


def due(connection: Connection, watermark: Ns, limit: int, lead: Ns = 0, slotted: Sequence[str] = ()) -> list[str]:
    """Monitors with a rule that time alone moves before the watermark, the longest due first.

    What concerns cron only by `lead` later: that are the monitors that have such a schedule, and the rules of these uids.
    """
    query = select(standings.c.monitor_id, standings.c.due_at).where(standings.c.due_at < watermark)
    if lead:
        plain = monitors.c.cron.is_(None) & standings.c.rule.not_in(slotted)
        query = query.join(monitors).where(plain | (standings.c.due_at < watermark - lead))
    return list(dict.fromkeys(connection.execute(query.order_by(standings.c.due_at).limit(limit)).scalars()))


def touched_by(connection: Connection, gap: Gap, behind: str = "", intervals: Mapping[str, int] | None = None) -> list[str]:
    """Monitors of which a rule waits for a ping that the gap may have swallowed, and some more; see `verdicts.touched_by`.

    `intervals`: seconds, of the rules that have one of their own, by their uids.
    """
    touched: ColumnElement[bool]
    unknown = standings.c.expected_at.is_(None) & standings.c.due_at.is_not(None)
    if gap.reason == "clock":
        touched = standings.c.active_at.is_not(None) | standings.c.clear_at.is_not(None) | (standings.c.due_at >= gap.start) | unknown
    elif gap.reason == "stall":
        touched = standings.c.due_at.between(gap.start, gap.end + SECOND) & standings.c.expected_at.is_not(None)
    else:
        # An interval that is not counted from a ping began at its last moment or at any before, and so may a ping come.
        own = monitors.c.interval
        interval = case(intervals, value=standings.c.rule, else_=own) if intervals else own
        uncounted = (standings.c.expected_at - beats.c.last_ping_at) % (interval * SECOND) != 0
        anytime = uncounted & (standings.c.expected_at - interval * SECOND <= gap.end)
        soon = standings.c.expected_at - left_out(gap, standings.c.expected_at) <= gap.end + 300 * SECOND
        recovers = standings.c.clear_at.is_not(None)  # it is due when it is well, whenever its ping is missed
        missing = (standings.c.due_at >= gap.start) | recovers
        touched = (missing & (soon | anytime)) | unknown
    watched = standings.join(monitors).join(beats, beats.c.monitor_id == monitors.c.id)
    query = select(standings.c.monitor_id).select_from(watched).where(touched, monitors.c.deleted_at.is_(None))
    return list(connection.execute(query.where(standings.c.monitor_id > behind).distinct().order_by(standings.c.monitor_id)).scalars())


def is_blank(standing: Standing) -> bool:
    return standing == Standing(standing.rule, standing.monitor_id)


def _read(connection: Connection, query: Select[Any], parameters: Mapping[str, Any] | None = None) -> list[Standing]:
    return [Standing(*row) for row in connection.execute(query, parameters).all()]
