"""The list of monitors: the worst first, with what is known of each at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from flask import Blueprint, Response, render_template, request
from sqlalchemy import Connection

from dashboards.fresh import fragment
from dashboards.site import Site
from rules import runs, watch
from rules import status as status_rules
from rules.plans import default_interval
from store.control import channels, monitors, projects, rule_set
from store.control.monitors import Watched
from store.model import Monitor, Ns, ShownStatus

PAGE = 50
WORST_FIRST: tuple[ShownStatus, ...] = ("down", "late", "unverified", "new", "up", "paused")
assert set(WORST_FIRST) == set(get_args(ShownStatus))


@dataclass(frozen=True, slots=True)
class Row:
    """One monitor of the list. `tells_nobody`: an outage would notify no channel. `health`: why its schedule cannot be computed."""

    monitor: Monitor
    status: ShownStatus
    last_ping_at: Ns | None
    expected_at: Ns | None
    health: str | None
    running_since: Ns | None
    firing: int
    tells_nobody: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What the reader asked the list for; empty strings ask for nothing."""

    q: str = ""
    tag: str = ""
    status: str = ""
    page: int = 1

    def but(self, **changes: Any) -> dict[str, Any]:
        """The arguments of a link to the same list with some things changed."""
        asked: dict[str, Any] = {"q": self.q, "tag": self.tag, "status": self.status} | changes
        return {name: value for name, value in asked.items() if value}

    @property
    def filtered(self) -> bool:
        return bool(self.q or self.tag or self.status)


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.get("/")
    def monitor_list() -> str:
        return render_template("monitors.html", **_context(site))

    @blueprint.get("/live")
    def monitor_list_live() -> Response:
        context = _context(site)
        facts = (context["rows"], context["counts"], context["query"], str(context["zone"]))
        return fragment(facts, lambda: render_template("monitors_live.html", **context))


def _query() -> Query:
    asked = request.args
    status = asked.get("status", "")
    return Query(
        q=asked.get("q", "").strip()[:200],
        tag=asked.get("tag", "")[:200],
        status=status if status in WORST_FIRST else "",
        page=min(max(1, asked.get("page", 1, type=int)), 10_000),
    )


def _context(site: Site) -> dict[str, Any]:
    now, query = site.clock(), _query()
    with site.control.read() as connection:
        project = site.project(connection)
        several = projects.count(connection) > 1
        counts = monitors.count_by_status(connection, project.id, now)
        found, total = _worst_first(connection, project.id, query, now)
        rows = _rows(connection, found, now)
        refused = rule_set.refused(connection)
        no_default = not channels.default_ids(connection, [project.id])
    return {
        "now": now,
        "zone": site.reader_zone(),
        "query": query,
        "rows": rows,
        "total": total,
        "pages": max(1, -(-total // PAGE)),
        "counts": {name: counts[name] for name in WORST_FIRST if name in counts},
        "all": sum(counts.values()),
        "project": project if several else None,
        "interval": default_interval(site.plan(project)),
        "refused_rules": refused,
        "no_default": no_default and bool(counts),
    }


def _worst_first(connection: Connection, project_id: str, query: Query, now: Ns) -> tuple[list[Watched], int]:
    """A page of the list. Each status is a query of its own, so that no page costs more than it shows."""
    found: list[Watched] = []
    total, skip = 0, (query.page - 1) * PAGE
    for status in WORST_FIRST:
        if query.status and status != query.status:
            continue
        wanted = {"tag": query.tag or None, "search": query.q or None, "status": status}
        rows, number = monitors.find(connection, project_id, now, **wanted, limit=PAGE - len(found), offset=max(0, skip - total))  # type: ignore[arg-type]
        found += rows
        total += number
    return found, total


def _rows(connection: Connection, found: list[Watched], now: Ns) -> list[Row]:
    ids = [one.monitor.id for one in found]
    alerting = watch.firing(connection, ids)
    told = watch.told_of_silence(connection, [one.monitor for one in found])
    return [
        Row(
            monitor=monitor,
            status=status_rules.shown(beat, now),
            last_ping_at=beat.last_ping_at,
            expected_at=status_rules.expected_at(beat),
            health=beat.health,
            running_since=runs.running_since(beat.runs, now),
            firing=alerting.get(monitor.id, 0),
            tells_nobody=not told[monitor.id],
        )
        for monitor, beat in found
    ]
