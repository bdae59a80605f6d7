"""The one place that reads the clock of this machine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import Counter, Gauge

from store.mark import Reading
from store.model import CATCHING_UP, SECOND, Ns

log = logging.getLogger(__name__)
_steps = Counter("lastbeat_clock_steps", "Times that the clock of this machine was put forward or back.", ["direction"])

_ahead = Gauge(
    "lastbeat_clock_lead_seconds", "By how much our own time is ahead of the clock of this machine.", multiprocess_mode="mostrecent"
)

_STEP = 2 * SECOND  # less than this is a clock being tuned, which the stamps bear


def now() -> Ns:
    """The wall clock, for whoever asks once."""
    return time.time_ns()


def elapsed() -> Ns:
    """Nanoseconds since the machine was started, those in which it slept included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot() -> str:
    """Which start of this machine it is; empty where Linux does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


class Clock:
    """The wall clock, but one that never goes back: after a step backwards it goes on, a little slower, until the other has caught up.

    Deadlines and stamps are on its time, so that a stepped clock neither delays an alarm by the step nor invents one. Only slots of cron
    are where the clock on the wall is: `lead` is by how much this one is ahead of it, and `slowed` until when it went slower, 0 for never.
    A step forward is followed at once; `stepped` says by how much it was put forward in all, which is time that did not pass.

    Any number of threads may ask.
    """

    def __init__(
        self,
        after: Ns = 0,
        since: Reading | None = None,
        wall: Callable[[], Ns] = time.time_ns,
        elapsed: Callable[[], Ns] = elapsed,
        boot: Callable[[], str] = boot,
    ) -> None:
        """Goes on from `since`, what an earlier process has read last, as if it had been that process; and not before `after`.

        So a clock that is put forward or back while nobody runs is noticed too. Where the machine itself was started anew nobody knows for
        how long it was off but the clock on the wall, and only how far ahead of it we were is known.
        """
        self._wall = wall
        self._elapsed = elapsed
        self._boot = boot()
        self._lock = threading.Lock()
        self._last, self._last_elapsed = wall(), elapsed()
        self.lead: Ns = 0
        self.slowed: Ns = 0
        self.stepped: Ns = 0
        if since is not None:
            if self._boot and since.boot == self._boot and since.elapsed <= self._last_elapsed:
                self._last, self._last_elapsed = since.at, since.elapsed
            else:
                self._last += since.lead
            self.lead, self.slowed = since.lead, since.slowed
        behind = max(0, after - self())
        self._last += behind
        self.lead += behind

    def reading(self) -> Reading:
        """What the clocks read when they were last asked."""
        with self._lock:
            return Reading(self._last, self._last_elapsed, self.lead, self.slowed, self._boot)

    def __call__(self) -> Ns:
        with self._lock:
            return self._read()

    def _read(self) -> Ns:
        wall, passed = self._wall(), self._elapsed()
        gone = passed - self._last_elapsed
        expected = self._last + gone
        if wall > expected + _STEP:
            _steps.labels("forward").inc()
            self.stepped += wall - expected
            log.warning("the clock was put forward by %.0f s; what was expected meanwhile gets another chance", (wall - expected) / SECOND)
        back = expected - self.lead - wall
        if back > _STEP:
            _steps.labels("back").inc()
            log.warning("the clock was put back by %.0f s; our own time goes a little slower until both are level", back / SECOND)
        catching_up = self.lead > 0 or wall < expected - _STEP
        self._last = max(wall, expected - max(0, gone) // CATCHING_UP) if catching_up else wall
        self._last_elapsed, before, self.lead = passed, self.lead, self._last - wall
        if catching_up:
            self.slowed = self._last
        if before or self.lead:
            _ahead.set(self.lead / SECOND)
        return self._last
