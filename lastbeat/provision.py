"""Makes a monitor for a ping that asks for one, `?create=1`: what ingest may not do itself, since it knows no actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rules import actions
from rules.plans import plan_of
from store.control import Control, projects
from store.model import Ns, Plan


class Provision:
    """Called with a ping key and a slug that has no monitor; returns None, or a sentence why none is made."""

    def __init__(self, control: Control, plans: Mapping[str, Plan], clock: Callable[[], Ns]) -> None:
        self._control = control
        self._plans = plans
        self._clock = clock

    def __call__(self, ping_key: str, slug: str) -> str | None:
        with self._control.read() as connection:  # a key that is wrong must not wait for those who write
            project = projects.by_ping_key(connection, ping_key)
        if project is None:
            return None
        try:
            with self._control.begin() as connection:
                actions.provide_monitor(connection, project, plan_of(self._plans, project), slug, self._clock())
        except actions.Full as full:
            return str(full)
        return None
