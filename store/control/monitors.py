"""Monitors: what their owners configured. How they are stands beside it in `beats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from store.control.rows import given, is_given
from store.control.tables import beats, counters, monitors, standings
from store.model import Beat, Monitor, Ns, Run, Schedule, ShownStatus

# In the order of the records' fields.
_MONITOR = [monitors.c[name] for name in Monitor.__struct_fields__ if name != "schedule"]
_SCHEDULE = [monitors.c[name] for name in Schedule.__struct_fields__]
_BEAT = [beats.c[name] for name in Beat.__struct_fields__]


class Watched(NamedTuple):
    """A monitor and how it is."""

    monitor: Monitor
    beat: Beat


class Holder(NamedTuple):
    """The project of a monitor that has some token; `deleted`: out of sight, but not yet removed."""

    project_id: str
    deleted: bool


def add(connection: Connection, monitor: Monitor) -> None:
    connection.execute(insert(monitors).values(_row(monitor) | {"id": monitor.id, "version": _next_version(connection)}))
    connection.execute(insert(beats).values(monitor_id=monitor.id, status="new"))


def change(connection: Connection, monitor: Monitor) -> None:
    """Write the configuration of a monitor that exists."""
    row = _row(monitor) | {"version": _next_version(connection)}
    connection.execute(update(monitors).where(monitors.c.id == monitor.id).values(row))


def bury(connection: Connection, monitor_id: str, now: Ns) -> None:
    """Delete a monitor as far as anybody can see; its rows go when its points are forgotten (`buried`, `remove`)."""
    values = {"deleted_at": now, "version": _next_version(connection)}
    connection.execute(update(monitors).where(monitors.c.id == monitor_id).values(values))
    connection.execute(update(beats).where(beats.c.monitor_id == monitor_id).values(deadline=None, run_due=None))


def bury_all(connection: Connection, project_id: str, heir: str, now: Ns) -> None:
    """Delete all monitors of the project as `bury` does one; all that lie buried there belong to the project `heir` from now on."""
    mine = monitors.c.project_id == project_id
    living = select(monitors.c.id).where(mine, monitors.c.deleted_at.is_(None))
    connection.execute(update(beats).where(beats.c.monitor_id.in_(living)).values(deadline=None, run_due=None))
    connection.execute(delete(standings).where(standings.c.monitor_id.in_(living)))
    values = {"deleted_at": func.coalesce(monitors.c.deleted_at, now), "project_id": heir, "version": _next_version(connection)}
    connection.execute(update(monitors).where(mine).values(values))


def buried(connection: Connection, before: Ns) -> list[str]:
    return list(connection.execute(select(monitors.c.id).where(monitors.c.deleted_at < before)).scalars())


def remove(connection: Connection, monitor_id: str) -> None:
    connection.execute(delete(monitors).where(monitors.c.id == monitor_id))


def get(connection: Connection, project_id: str, monitor_id: str) -> Watched | None:
    return _first(connection, _watched().where(monitors.c.id == monitor_id, monitors.c.project_id == project_id))


def by_token(connection: Connection, token: str) -> Watched | None:
    return _first(connection, _watched().where(monitors.c.token == token))


def holders(connection: Connection, tokens: Sequence[str]) -> dict[str, Holder]:
    """Whose each token is, as far as it is anybody's. That of a deleted monitor is taken until it is removed."""
    columns = (monitors.c.token, monitors.c.project_id, monitors.c.deleted_at)
    rows = connection.execute(select(*columns).where(monitors.c.token.in_(tokens)))
    return {row.token: Holder(row.project_id, row.deleted_at is not None) for row in rows}


def by_slug(connection: Connection, project_id: str, slug: str) -> list[Watched]:
    """The project's monitors with this slug: more than one, where nobody took care."""
    rows = connection.execute(_watched().where(monitors.c.project_id == project_id, monitors.c.slug == slug))
    return [_of(row) for row in rows]


def count(connection: Connection, project_id: str) -> int:
    mine = (monitors.c.project_id == project_id, monitors.c.deleted_at.is_(None))
    return connection.execute(select(func.count()).select_from(monitors).where(*mine)).scalar_one()


def touch(connection: Connection, project_id: str) -> None:
    """Let the workers read anew what concerns all monitors of the project: its plan, or its ping key."""
    connection.execute(update(monitors).where(monitors.c.project_id == project_id).values(version=_next_version(connection)))


def among(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, Watched]:
    """Those of the monitors that exist, by id."""
    return {row[0]: _of(row) for row in connection.execute(_AMONG, given(monitor_ids)).all()}


def find(
    connection: Connection,
    project_id: str,
    now: Ns,
    *,
    tag: str | None = None,
    status: ShownStatus | None = None,
    search: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[list[Watched], int]:
    """A page of a project's monitors by name, and how many there are in all; `search` looks in name and slug."""
    wanted: list[ColumnElement[bool]] = [monitors.c.project_id == project_id]
    if tag is not None:
        each = func.json_each(monitors.c.tags).table_valued("value")
        wanted.append(select(1).select_from(each).where(each.c.value == tag).exists())
    if status is not None:
        wanted.append(_shows(status, now))
    if search:
        wanted.append(monitors.c.name.icontains(search, autoescape=True) | monitors.c.slug.icontains(search, autoescape=True))
    page = _watched().where(*wanted)
    total = connection.execute(select(func.count()).select_from(page.subquery())).scalar_one()
    rows = connection.execute(page.order_by(monitors.c.name, monitors.c.id).limit(limit).offset(offset))
    return [_of(row) for row in rows], total


def ids_behind(connection: Connection, behind: str, limit: int) -> list[str]:
    """The next ids of monitors of any project, in the order of the ids."""
    query = select(monitors.c.id).where(monitors.c.id > behind, monitors.c.deleted_at.is_(None)).order_by(monitors.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def names(connection: Connection) -> dict[str, str]:
    """What every monitor of every project is called, by id."""
    rows = connection.execute(select(monitors.c.id, monitors.c.name).where(monitors.c.deleted_at.is_(None)))
    return {row.id: row.name for row in rows}


def count_by_status(connection: Connection, project_id: str | None, now: Ns) -> dict[str, int]:
    """How many monitors of the project (None: of all projects) show each status."""
    late = _shows("late", now)
    query = select(beats.c.status, late.label("late"), func.count()).join(monitors).where(monitors.c.deleted_at.is_(None))
    if project_id is not None:
        query = query.where(monitors.c.project_id == project_id)
    counts: dict[str, int] = {}
    for status, is_late, number in connection.execute(query.group_by(beats.c.status, late)):
        counts["late" if is_late else status] = counts.get("late" if is_late else status, 0) + number
    return counts


def changed_since(connection: Connection, version: int) -> tuple[list[str], int]:
    """Ids of monitors changed or deleted after `version`, and the version that is now seen."""
    slugs, seen = slugs_changed_since(connection, version)
    return list(slugs), seen


def slugs_changed_since(connection: Connection, version: int) -> tuple[dict[str, str | None], int]:
    """As `changed_since`, each id with the slug that the monitor has now."""
    rows = connection.execute(select(monitors.c.id, monitors.c.slug, monitors.c.version).where(monitors.c.version > version)).all()
    return {row.id: row.slug for row in rows}, max((row.version for row in rows), default=version)


def newest_version(connection: Connection) -> int:
    return connection.execute(select(func.max(monitors.c.version))).scalar() or 0


def _row(monitor: Monitor) -> dict[str, Any]:
    return {
        "project_id": monitor.project_id,
        "name": monitor.name,
        "slug": monitor.slug,
        "tags": list(monitor.tags),
        "interval": monitor.schedule.interval,
        "grace": monitor.schedule.grace,
        "cron": monitor.schedule.cron,
        "timezone": monitor.schedule.timezone,
        "max_run": monitor.schedule.max_run,
        "min_run": monitor.schedule.min_run,
        "start_by": monitor.schedule.start_by,
        "methods": monitor.methods,
        "token": monitor.token,
        "created_at": monitor.created_at,
        "updated_at": monitor.updated_at,
    }


def _next_version(connection: Connection) -> int:
    # The counter's row is locked until the commit, so versions are committed in the order they were given.
    row = upsert(counters).values(name="monitors", value=1)
    row = row.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
    version: int = connection.execute(row.returning(counters.c.value)).scalar_one()
    return version


def _watched() -> Select[Any]:
    return select(*_MONITOR, *_SCHEDULE, *_BEAT).join(beats).where(monitors.c.deleted_at.is_(None))


_AMONG = _watched().where(is_given(monitors.c.id))


def _first(connection: Connection, query: Select[Any]) -> Watched | None:
    row = connection.execute(query).first()
    return _of(row) if row else None


def _of(row: Sequence[Any]) -> Watched:
    # By position: settle reads some thousands of these a second, and names cost as much as all the rest.
    id_, project_id, name, slug, tags, token, created_at, updated_at, methods, *others = row
    schedule = Schedule(*others[: len(_SCHEDULE)])
    monitor = Monitor(id_, project_id, name, slug, tuple(tags), schedule, token, created_at, updated_at, methods)
    beat = others[len(_SCHEDULE) :]
    beat[-1] = tuple([Run(*run) for run in beat[-1]]) if beat[-1] else ()
    return Watched(monitor, Beat(*beat))


def _shows(status: ShownStatus, now: Ns) -> ColumnElement[bool]:
    """The same judgement as `rules.status.shown`, in SQL; a test holds both together."""
    late = (beats.c.status == "up") & beats.c.health.is_(None) & (beats.c.expected_at < now)
    if status == "late":
        return late
    return (beats.c.status == status) & (~func.coalesce(late, False) if status == "up" else True)
