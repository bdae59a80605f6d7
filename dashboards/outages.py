"""What a monitor's transitions say about a period: when it was down, and what share of the watched time it was up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from store.model import Ns, Status, Transition


def downs(transitions: Sequence[Transition], now: Ns) -> list[tuple[Ns, Ns]]:
    """The periods spent down, oldest first; one that lasts ends now. `transitions` are oldest first."""
    return [(start, end) for status, start, end in _spells(transitions, now) if status == "down"]


def uptime(transitions: Sequence[Transition], start: Ns, now: Ns) -> float | None:
    """Share of the time since `start` that the monitor was up, of the time it was up or down; None where it was neither.

    Time as new, paused or unverified says nothing about the job, for or against it.
    """
    spent = {"up": 0, "down": 0}
    for status, began, ended in _spells(transitions, now):
        if status in spent:
            spent[status] += max(0, ended - max(began, start))
    watched = sum(spent.values())
    return spent["up"] / watched if watched else None


def _spells(transitions: Sequence[Transition], now: Ns) -> Iterator[tuple[Status, Ns, Ns]]:
    for one, following in pairwise([*transitions, None]):
        assert one is not None
        yield one.to_status, one.at, now if following is None else following.at
