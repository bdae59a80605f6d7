"""From what people were told, or would have been: how often each rule fired, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from rules.rehearsal import Said
from store.model import Monitor, Ns
from store.rule import Rule


class Firing(msgspec.Struct, frozen=True):
    """A rule fired from `start` to `end`; None: it still does. `rule` is None for an outage that no rule is about.

    `value`: the sample that made it fire. `reason`: why the monitor was down, where it was.
    """

    monitor: Monitor
    rule: Rule | None
    start: Ns
    end: Ns | None
    value: float | str | None
    reason: str | None


def firings(said: Iterable[Said]) -> list[Firing]:
    """In the order in which they began."""
    found: list[Firing] = []
    open_now: dict[str, list[int]] = {}  # by incident, of which several rules may tell
    for one in said:
        word = one.word
        if word.opens:
            open_now.setdefault(word.incident_id, []).append(len(found))
            found.append(Firing(one.monitor, word.rule, word.at, None, word.value, word.details.get("reason")))
        else:
            for number in open_now.pop(word.incident_id, ()):
                found[number] = replace(found[number], end=word.at)
    return found
