"""What every page is made with: the stores, the clock, and the reader's own choices that cookies remember."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from flask import abort, request
from sqlalchemy import Connection

from rules.plans import plan_of
from store.control import Control, projects, settings
from store.control import monitors as monitor_store
from store.control.monitors import Watched
from store.lag import Lag
from store.model import Monitor, Ns, Plan, Project
from store.points import Points

PROJECT = "project"  # the cookie that remembers which one is shown
RANGES: dict[str, int] = {"6h": 6, "24h": 24, "72h": 72}


@dataclass(frozen=True)
class Site:
    """`base_url` is where people and jobs reach this server; `zone` is used until a browser has told its own.

    `lag`: how far the time-series store is behind. `plans`: what projects may do, by the plan's name.
    `refusals`: how many pings of a monitor its plan refused lately, and when the last of them.
    """

    control: Control
    points: Points
    clock: Callable[[], Ns]
    base_url: str
    zone: str = "UTC"
    lag: Callable[[], Lag] = Lag
    plans: Mapping[str, Plan] = field(default_factory=dict)
    refusals: Callable[[str], tuple[int, Ns] | None] = lambda _: None

    def behind(self) -> str | None:
        """What is to be said about the time-series store; None while all is well."""
        return self.lag().sentence(self.clock())

    def ping_url(self, token: str) -> str:
        return f"{self.base_url}/ping/{token}"

    def push_url(self, token: str) -> str:
        """The same for clients of Uptime Kuma."""
        return f"{self.base_url}/api/push/{token}"

    def slug_url(self, project: Project, slug: str) -> str:
        return f"{self.base_url}/ping/{project.ping_key}/{slug}"

    def reader_zone(self) -> ZoneInfo:
        name = request.cookies.get("tz", "")
        return ZoneInfo(name if name in _zones() else self.zone)

    def project(self, connection: Connection) -> Project:
        """The project whose things are shown: the one that the reader has chosen, else the default. Raises 404 while there is none."""
        chosen = projects.get(connection, request.cookies.get(PROJECT, ""))
        project_id = settings.get(connection, settings.DEFAULT_PROJECT)
        found = chosen or (projects.get(connection, project_id) if project_id else None)
        if found is None:
            abort(404, "There is no project yet.")
        return found

    def owner(self, connection: Connection, monitor: Monitor) -> Project:
        found = projects.get(connection, monitor.project_id)
        assert found is not None  # a foreign key
        return found

    def plan(self, project: Project) -> Plan:
        """What the project may do."""
        return plan_of(self.plans, project)

    def watched(self, connection: Connection, monitor_id: str) -> Watched:
        """The monitor, of whichever project: messages link to it, and who reads the pages may see all. Else 404."""
        found = monitor_store.among(connection, [monitor_id]).get(monitor_id)
        if found is None:
            abort(404, "There is no such monitor; it may have been deleted.")
        return found


@lru_cache(maxsize=1)
def _zones() -> set[str]:
    return available_timezones()


def chosen_range(younger_than_6h: bool) -> str:
    """The charts' range: asked for, else remembered, else one that a new monitor's values do not get lost in."""
    for asked in (request.args.get("range"), request.cookies.get("range")):
        if asked in RANGES:
            return asked
    return "6h" if younger_than_6h else "24h"
