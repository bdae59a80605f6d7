"""Moves the history of pings from one time-series store to another. What is copied twice is there once, so it may be stopped anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

import click

from config.settings import Settings
from lastbeat.installation import found_control, open_embedded, open_influx
from lastbeat.places import Places
from store.control import Control, history, monitors, settings
from store.deadletter import DeadLetters
from store.model import Monitor, Ns, Transition
from store.points import Points, Refusal

_PAGE: Final = 1_000


class Transfer:
    """One copying of `source` to `target`. `name` says which stores they are: an unfinished transfer of that name is gone on with."""

    def __init__(self, control: Control, source: Points, target: Points, dead: DeadLetters, name: str) -> None:
        self._control = control
        self._source = source
        self._target = target
        self._dead = dead
        self._name = f"transfer {name}"
        self.refused = 0
        with control.read() as connection:
            self._monitor, _, before = (settings.get(connection, self._name) or "").partition(" ")
            ids, _ = monitors.changed_since(connection, 0)
        self._before = int(before) if before else None
        self._ids = sorted(monitor_id for monitor_id in ids if monitor_id >= self._monitor)

    def total(self) -> int:
        """How many pings there are to be copied."""
        return sum(self._source.count_pings(m.id, before=self._start(m.id), since=m.created_at) for m in self._monitors())

    def run(self, progress: Callable[[int], object]) -> None:
        """Copy, newest pings of a monitor first; calls `progress` with the number of pings of each batch."""
        for monitor in self._monitors():
            before = self._start(monitor.id)
            while page := self._source.pings(monitor.id, limit=_PAGE, before=before, since=monitor.created_at):
                self._set_aside(self._target.write(page))
                before = page[-1].at
                with self._control.begin() as connection:
                    settings.put(connection, self._name, f"{monitor.id} {before}")
                progress(len(page))

    def run_states(self, write: Callable[[Sequence[Transition]], Sequence[Refusal]]) -> None:
        """Hand all transitions to a store that keeps them too."""
        number = 0
        while batch := self._transitions(number):
            self._set_aside(write([transition for _, transition in batch]))
            number = batch[-1][0]

    def finish(self) -> None:
        """The next transfer of this name begins anew."""
        with self._control.begin() as connection:
            settings.drop(connection, self._name)

    def _monitors(self) -> list[Monitor]:
        found: list[Monitor] = []
        for start in range(0, len(self._ids), _PAGE):
            with self._control.read() as connection:
                known = monitors.among(connection, self._ids[start : start + _PAGE])
            found += [watched.monitor for watched in known.values()]
        return sorted(found, key=lambda monitor: monitor.id)

    def _start(self, monitor_id: str) -> Ns | None:
        return self._before if monitor_id == self._monitor else None

    def _transitions(self, number: int) -> list[tuple[int, Transition]]:
        with self._control.read() as connection:
            return history.after(connection, number, _PAGE)

    def _set_aside(self, refusals: Sequence[Refusal]) -> None:
        self._dead.add(refusals)
        self.refused += len(refusals)


def copy_points(settings: Settings, source: str, target: str) -> int:
    """Copy between the stores called `embedded` and `influxdb`, showing how far it is; returns how many points were refused for good."""
    with found_control(settings) as control, closing(open_embedded(settings)) as embedded, closing(open_influx(settings)) as influx:
        stores: dict[str, Points] = {"embedded": embedded, "influxdb": influx}
        dead = DeadLetters(Places(settings.data_dir).dead_letters)
        transfer = Transfer(control, stores[source], stores[target], dead, f"{source} {target}")
        with click.progressbar(length=transfer.total(), label=f"Pings to {target}", show_pos=True) as bar:
            transfer.run(bar.update)
        if target == "influxdb":
            transfer.run_states(influx.write_states)
        transfer.finish()
    return transfer.refused
