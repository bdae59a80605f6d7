"""What the API works with, handed in by the composition root and kept with the application: no globals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import current_app

from store.control import Control
from store.lag import Lag
from store.model import Ns, Plan
from store.points import Points

EXTENSION = "lastbeat.api"


@dataclass(frozen=True, slots=True)
class Parts:
    """`base_url` is where people and jobs reach this server, without a slash at its end.

    `trouble`: why pings cannot be stored now. `rules_moved_at`: when the rule loop last moved. `metrics_dir`: where the processes of
    this server leave their counters (`PROMETHEUS_MULTIPROC_DIR`); None where there is one process. `lag`: how far the time-series store
    is behind. `dead_letters`: how many points it refused for good. `plans`: what projects may do, by the plan's name.
    """

    control: Control
    points: Points
    base_url: str
    clock: Callable[[], Ns]
    trouble: Callable[[], str | None]
    rules_moved_at: Callable[[], Ns | None]
    metrics_dir: str | None = None
    lag: Callable[[], Lag] = Lag
    dead_letters: Callable[[], int] = int
    plans: Mapping[str, Plan] = field(default_factory=dict)


def parts() -> Parts:
    """Those of the application that answers the current request."""
    found = current_app.extensions[EXTENSION]
    assert isinstance(found, Parts)
    return found
