"""The token registry: whose ping URL a request names, from memory. True within a second of a change."""

from __future__ import annotations

from dataclasses import dataclass, field

from gevent.threadpool import ThreadPool

from store.control import Control, metric_keys, monitors
from store.model import SECOND, Ns, Schedule

# Half the time after which a deleted monitor leaves no trace to be told by: a store that cannot be read for a moment stops no ping.
_TRUST = 30 * SECOND


@dataclass(slots=True)
class Known:
    """What the worker remembers of a monitor. `keys`: the metric keys it has ever sent, as far as this worker knows."""

    id: str
    name: str
    schedule: Schedule
    paused: bool
    keys: set[str] = field(default_factory=set)


class Registry:
    """Looks a token up once in the control store and then in memory, until that monitor changes."""

    def __init__(self, control: Control, threads: ThreadPool) -> None:
        self._control = control
        self._threads = threads
        self._by_token: dict[str, Known] = {}
        self._token_of: dict[str, str] = {}
        self._fresh_at: Ns | None = None
        with control.read() as connection:
            self._seen = monitors.newest_version(connection)

    def lookup(self, token: str) -> Known | None:
        """The monitor of this ping URL; None where there is none."""
        return self._by_token.get(token) or self._load(token)

    def step(self, now: Ns) -> bool:
        """Forget every monitor that was changed or deleted since the last call; after too long without one, forget all."""
        if self._fresh_at is not None and now - self._fresh_at > _TRUST:
            self._by_token.clear()
            self._token_of.clear()
        changed, self._seen = self._threads.apply(self._changed_since, (self._seen,))
        self._fresh_at = now
        for monitor_id in changed:
            token = self._token_of.pop(monitor_id, None)
            if token is not None:
                self._by_token.pop(token, None)
        return False

    def _load(self, token: str) -> Known | None:
        seen = self._seen
        known = self._threads.apply(self._read, (token,))
        # A refresh that ran meanwhile may have been about this very monitor: what was read is good for once only.
        if known is not None and seen == self._seen:
            known = self._by_token.setdefault(token, known)
            outdated = self._token_of.get(known.id, token)
            if outdated != token:  # it was rotated: only one token of a monitor is remembered, the one that `refresh` will find
                del self._by_token[outdated]
            self._token_of[known.id] = token
        return known

    def _read(self, token: str) -> Known | None:
        with self._control.read() as connection:
            watched = monitors.by_token(connection, token)
            if watched is None:
                return None
            monitor, beat = watched
            keys = metric_keys.names(connection, monitor.id)
        return Known(monitor.id, monitor.name, monitor.schedule, beat.status == "paused", keys)

    def _changed_since(self, version: int) -> tuple[list[str], int]:
        with self._control.read() as connection:
            return monitors.changed_since(connection, version)
