"""The registry: whose ping URL a request names, from memory. True within a second of a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gevent.threadpool import ThreadPool
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ingest.answer import Ambiguous, Unknown
from ingest.making import Making
from ingest.payload import KEYS_LIMIT
from ingest.threads import aside
from rules.status import expected_at, shown
from store.control import Control, metric_keys, monitors, projects
from store.control.monitors import Watched
from store.model import SECOND, Beat, Methods, Monitor, Ns, Plan, Schedule

# Half the time after which a deleted monitor leaves no trace to be told by: a store that cannot be read for a moment stops no ping.
_TRUST = 30 * SECOND


@dataclass(slots=True)
class Known:
    """What the worker remembers of a monitor. `keys`: the metric keys it has ever sent, as far as this worker knows.

    `pause`: what its plan wants between two pings of a kind.
    """

    id: str
    name: str
    schedule: Schedule
    paused: bool
    keys: set[str] = field(default_factory=set)
    methods: Methods = ""
    pause: Ns = 0

    def has_room(self, keys: set[str]) -> bool:
        """Whether it may send metrics of these keys too."""
        return len(self.keys | keys) <= max(KEYS_LIMIT, len(self.keys))


class Registry:
    """Looks an address up once in the control store and then in memory, until that monitor changes.

    An address is the token of a ping URL, or its ping key and slug.
    """

    def __init__(
        self,
        control: Control,
        threads: ThreadPool,
        clock: Callable[[], Ns],
        plans: Mapping[str, Plan],
        making: Making,
    ) -> None:
        self._control = control
        self._threads = threads
        self._clock = clock
        self._plans = plans
        self._making = making
        self._known: dict[str, Known] = {}
        self._addresses: dict[str, set[str]] = {}  # by monitor
        self._alike: dict[str, set[str]] = {}  # by slug, of all projects
        self._fresh_at: Ns | None = None
        with control.read() as connection:
            self._seen = monitors.newest_version(connection)

    def lookup(self, token: str) -> Known | None:
        """The monitor of this token; None where there is none."""
        return self._known.get(token) or self._load(token, lambda connection: _all(monitors.by_token(connection, token)))

    def remembers(self, ping_key: str, slug: str) -> bool:
        """Whether `lookup_slug` would find this one in memory."""
        return f"{ping_key}/{slug}" in self._known

    def lookup_slug(self, ping_key: str, slug: str) -> Known | None:
        """The monitor of this slug in the project of this ping key; None where there is none.

        Raises Unknown where the ping key is nobody's, and Ambiguous where there are more.
        """
        address = f"{ping_key}/{slug}"
        return self._known.get(address) or self._load(address, lambda connection: _by_slug(connection, ping_key, slug))

    def provide(self, ping_key: str, slug: str) -> str | None:
        """Make the monitor that `lookup_slug` did not find; None, or a sentence why it cannot be."""
        return self._making(ping_key, slug)

    def standing(self, monitor_id: str) -> tuple[str, Ns | None] | None:
        """The status that the monitor shows now, and when it is expected; None where that cannot be read."""
        return aside(self._threads, self._standing, monitor_id)

    def step(self, now: Ns) -> bool:
        """Forget every monitor that was changed or deleted since the last call; after too long without one, forget all."""
        if self._fresh_at is not None and now - self._fresh_at > _TRUST:
            self._known.clear()
            self._addresses.clear()
            self._alike.clear()
        changed, self._seen = aside(self._threads, self._changed_since, self._seen)
        self._fresh_at = now
        for monitor_id, slug in changed.items():
            self._forget(monitor_id, slug)
        return False

    def _forget(self, monitor_id: str, slug: str | None) -> None:
        """Drop the addresses of a monitor, and those of its slug, which another may have had alone until now."""
        own = self._addresses.pop(monitor_id, set())
        slugs = {_slug_of(address) for address in own} | {slug or ""}
        for address in own.union(*(self._alike.pop(slug, ()) for slug in slugs)):
            self._known.pop(address, None)

    def _load(self, address: str, find: Callable[[Connection], list[Watched]]) -> Known | None:
        seen = self._seen
        found = aside(self._threads, self._read, find)
        if len(found) > 1:
            raise Ambiguous
        known = found[0] if found else None
        # A refresh that ran meanwhile may have been about this very monitor: what was read is good for once only.
        if known is not None and seen == self._seen:
            known = self._known.setdefault(address, known)
            self._addresses.setdefault(known.id, set()).add(address)
            if slug := _slug_of(address):
                self._alike.setdefault(slug, set()).add(address)
        return known

    def _read(self, find: Callable[[Connection], list[Watched]]) -> list[Known]:
        with self._control.read() as connection:
            return [self._of(connection, monitor, beat) for monitor, beat in find(connection)]

    def _of(self, connection: Connection, monitor: Monitor, beat: Beat) -> Known:
        keys = metric_keys.names(connection, monitor.id)
        project = projects.get(connection, monitor.project_id)
        assert project is not None  # a foreign key
        pause = round(self._plans.get(project.plan, Plan(project.plan)).ping_seconds * SECOND)
        return Known(monitor.id, monitor.name, monitor.schedule, beat.status == "paused", keys, monitor.methods, pause)

    def _standing(self, monitor_id: str) -> tuple[str, Ns | None] | None:
        try:
            with self._control.read() as connection:
                found = monitors.among(connection, [monitor_id]).get(monitor_id)
        except SQLAlchemyError:
            return None
        return None if found is None else (shown(found.beat, self._clock()), expected_at(found.beat))

    def _changed_since(self, version: int) -> tuple[dict[str, str | None], int]:
        with self._control.read() as connection:
            return monitors.slugs_changed_since(connection, version)


def _all(found: Watched | None) -> list[Watched]:
    return [] if found is None else [found]


def _by_slug(connection: Connection, ping_key: str, slug: str) -> list[Watched]:
    project = projects.by_ping_key(connection, ping_key)
    if project is None:
        raise Unknown
    return monitors.by_slug(connection, project.id, slug)


def _slug_of(address: str) -> str:
    """Empty where it is a token."""
    return address.partition("/")[2]
