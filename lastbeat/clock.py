"""The one place that reads the wall clock."""

from __future__ import annotations

import time

from store.model import Ns


def now() -> Ns:
    return time.time_ns()
