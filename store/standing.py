"""States that last, written again: who looks at InfluxDB a limited time back would else not find a monitor that is up for ever."""

from __future__ import annotations

from typing import Final

from store.control import Control, history, settings
from store.model import SECOND, Ns, Transition
from store.points import StatePoints

DAY: Final[Ns] = 86_400 * SECOND
EVERY: Final[Ns] = 30 * DAY
OLD: Final[Ns] = 60 * DAY
LOOK_BACK: Final[Ns] = OLD + EVERY  # so far back every state is found

_WRITTEN = "states_standing"
_BATCH = 5_000


class Standing:
    """A step that at fixed instants, `EVERY` apart, writes the states that had lasted for longer than `OLD`.

    What it writes follows from the transitions and the instant alone, so that writing it twice is the same as once.
    """

    def __init__(self, control: Control, points: StatePoints) -> None:
        self._control = control
        self._points = points

    def step(self, now: Ns) -> bool:
        at = now - now % EVERY
        with self._control.read() as connection:
            if settings.get(connection, _WRITTEN) == str(at):
                return False
            standing = history.standing(connection, at, at - OLD)
        again = [Transition(monitor_id, at, status, status, "standing") for monitor_id, status in standing]
        for start in range(0, len(again), _BATCH):
            self._points.write_states(again[start : start + _BATCH])
        with self._control.begin() as connection:
            settings.put(connection, _WRITTEN, str(at))
        return False
