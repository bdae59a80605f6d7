"""Making a monitor for the ping that asks for one: it waits for whoever writes to the control store, and no other ping waits with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import gevent
from gevent.threadpool import ThreadPool

from ingest.answer import Unstored
from ingest.threads import aside

_PATIENCE: Final = 2.0  # seconds; settle's transactions take some 50 ms each
_WAITING: Final = 8  # requests at once; a monitor is made in some 10 ms

Provide = Callable[[str, str], str | None]


class Making:
    """Makes one monitor after the other in `thread`, which must have one worker and nothing else to do."""

    def __init__(self, thread: ThreadPool, provide: Provide) -> None:
        """`provide(ping_key, slug)` makes a monitor where there is none, and returns None, or a sentence why it does not."""
        self._thread = thread
        self._provide = provide
        self._waiting = 0

    def __call__(self, ping_key: str, slug: str) -> str | None:
        """What `provide` returns, and what it raises. Raises Unstored when there is no time for that; it may be made later all the same."""
        if self._waiting >= _WAITING:
            raise Unstored(f"the monitor cannot be made now: {self._waiting} others are being made")
        self._waiting += 1
        try:
            with gevent.Timeout(_PATIENCE, Unstored("the monitor cannot be made now: others write to the control store")):
                return aside(self._thread, self._provide, ping_key, slug)
        finally:
            self._waiting -= 1
