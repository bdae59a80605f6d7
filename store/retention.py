"""Forgets what is old or deleted, a bounded piece at a time."""

from __future__ import annotations

from store.control import Control, durations, gaps, history, monitors, outbox
from store.model import SECOND, Ns
from store.points import Points

_DAY = 86_400 * SECOND
_HOUR = 3_600 * SECOND
_ROWS = 5_000
_CONTROL_ROWS = 1_000  # in one transaction, so that others who write never wait long
_OUTBOX_DAYS = 30
_BURIAL = 60 * SECOND  # by then every worker has seen the monitor go, and its last pings are shipped


class Retention:
    """A step over the points store and the finished rows of the control store."""

    def __init__(self, control: Control, points: Points, days: int) -> None:
        self._control = control
        self._points = points
        self._days = days
        self._history_at: Ns = 0

    def step(self, now: Ns) -> bool:
        """Forget one piece of each kind; True when there is more."""
        before = now - self._days * _DAY
        outlived = self._outlived(before, now)
        with self._control.begin() as connection:
            history.drop(connection, outlived)
            resolved = history.forget_incidents(connection, before, _CONTROL_ROWS)
            delivered = outbox.forget(connection, now - _OUTBOX_DAYS * _DAY, _CONTROL_ROWS)
            durations.forget(connection, before)
            gaps.forget(connection, before)
            buried = monitors.buried(connection, now - _BURIAL)
        # Last, since the points may be away for long: what is in the control store goes all the same.
        expired = self._points.expire(before, _ROWS)
        more = _CONTROL_ROWS in (len(outlived), resolved, delivered)
        return bool(expired or more or [m for m in buried if self._forget(m)])

    def _outlived(self, before: Ns, now: Ns) -> list[int]:
        # Every monitor keeps one old transition, so this looks at all of them: now and then is enough.
        if now < self._history_at:
            return []
        with self._control.read() as connection:
            found = history.outlived(connection, before, _CONTROL_ROWS)
        if len(found) < _CONTROL_ROWS:
            self._history_at = now + _HOUR
        return found

    def _forget(self, monitor_id: str) -> bool:
        if self._points.forget(monitor_id, _ROWS):
            return True
        with self._control.begin() as connection:
            monitors.remove(connection, monitor_id)
        return False
