"""Forgets what is old or deleted, a bounded piece at a time."""

from __future__ import annotations

from store.control import Control, monitors, outbox
from store.model import SECOND, Ns
from store.points import Points

_DAY = 86_400 * SECOND
_ROWS = 5_000
_OUTBOX_DAYS = 30
_BURIAL = 60 * SECOND  # by then every worker has seen the monitor go, and its last pings are shipped


class Retention:
    """A step over the points store and the finished rows of the control store."""

    def __init__(self, control: Control, points: Points, days: int) -> None:
        self._control = control
        self._points = points
        self._days = days

    def step(self, now: Ns) -> bool:
        """Forget one piece of each kind; True when there is more."""
        expired = self._points.expire(now - self._days * _DAY, _ROWS)
        with self._control.begin() as connection:
            dropped = outbox.forget(connection, now - _OUTBOX_DAYS * _DAY, _ROWS)
            buried = monitors.buried(connection, now - _BURIAL)
        return bool(expired or dropped == _ROWS or [m for m in buried if self._forget(m)])

    def _forget(self, monitor_id: str) -> bool:
        if self._points.forget(monitor_id, _ROWS):
            return True
        with self._control.begin() as connection:
            monitors.remove(connection, monitor_id)
        return False
