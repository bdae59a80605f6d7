"""The one driver: calls steps, sleeps, logs and catches. Everything that goes on in the background is a step it drives."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from prometheus_client import Counter, Gauge

from store.model import Ns

log = logging.getLogger(__name__)
_failures = Counter("lastbeat_step_failures", "Steps that raised an error and will be tried again.", ["step"])
_seconds = Gauge("lastbeat_step_seconds", "How long the newest round of a step took.", ["step"], multiprocess_mode="mostrecent")

_LONGEST_PAUSE = 30.0


class Step(NamedTuple):
    """`run(now)` does one bounded piece of work and returns whether it should be called again at once; else it is called `every` s."""

    name: str
    run: Callable[[Ns], bool]
    every: float


class Stop(Protocol):
    """What says when to stop: an Event of threading or of gevent."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> object: ...


def drive(steps: Sequence[Step], clock: Callable[[], Ns], stop: Stop) -> None:
    """Run the steps, in their order, until `stop` is set. A step that raises is tried again, ever more slowly."""
    due = [0.0] * len(steps)
    failed = [0] * len(steps)
    while not stop.is_set():
        for n, step in enumerate(steps):
            began = time.monotonic()
            if began < due[n]:
                continue
            pause = step.every
            try:
                if step.run(clock()):
                    pause = 0.0
                failed[n] = 0
            except Exception as error:
                failed[n] += 1
                # Uneven, so that many who wait for the same server do not all come back to it at once.
                pause = min(step.every * 2 ** min(failed[n], 20), _LONGEST_PAUSE) * random.uniform(0.7, 1.0)  # noqa: S311
                _failures.labels(step.name).inc()
                log.error(
                    "%s failed (%d in a row), trying again in %.1f s: %s", step.name, failed[n], pause, error, exc_info=failed[n] == 1
                )
            ended = time.monotonic()
            _seconds.labels(step.name).set(ended - began)
            due[n] = ended + pause
        stop.wait(max(0.0, min(due) - time.monotonic()))
