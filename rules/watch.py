"""What watches a monitor, as people look at it: the alerts they made on its metrics, the rules of the files, and whom they tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection

from rules.book import Book, current, rule_of
from rules.hearers import meant
from store.control import alerts, channels, standings
from store.model import AlertState, Monitor, Ns
from store.rule import Health, Rule, RuleState

# What fires goes on firing while it recovers, as far as anybody is told.
_SHOWN: dict[RuleState, AlertState] = {"ok": "ok", "pending": "pending", "firing": "firing", "recovering": "firing"}


class Watch(msgspec.Struct, frozen=True):
    """A rule on a metric, and how it stands with one monitor. `channel_id`, `created_at` and `updated_at`: of alerts alone."""

    rule: Rule
    state: AlertState = "ok"
    breaches: int = 0
    health: Health = "ok"
    channel_id: str | None = None
    created_at: Ns | None = None
    updated_at: Ns | None = None

    @property
    def source(self) -> Literal["api", "file"]:
        """Where it can be changed."""
        return "api" if self.rule.file is None else "file"

    @property
    def of_file(self) -> Rule | None:
        """The rule, where it can be changed in its file alone."""
        return None if self.rule.file is None else self.rule

    @property
    def place(self) -> str | None:
        """Where it stands, for those who want to change it."""
        return None if self.rule.file is None else f"{self.rule.file}:{self.rule.line}"


def of_monitor(connection: Connection, monitor: Monitor) -> list[Watch]:
    """All that watches the monitor's metrics: alerts first, the oldest at the top, then rules in the order of their files."""
    made = alerts.of_monitors(connection, [monitor.id]).get(monitor.id, [])
    stood = standings.of_monitors(connection, [monitor.id]).get(monitor.id, {})
    watches = [Watch(rule_of(one), one.state, one.breaches, "ok", one.channel_id, one.created_at, one.updated_at) for one in made]
    for rule in current(connection).of(monitor):
        if rule.metric is None:
            continue
        standing = stood.get(rule.uid)
        if standing is None:
            watches.append(Watch(rule))
        else:
            watches.append(Watch(rule, _SHOWN[standing.state], standing.breaches, standing.health))
    return watches


def firing(connection: Connection, monitor_ids: Sequence[str]) -> dict[str, int]:
    """How many rules on anything fire for each of the monitors; those without any are left out."""
    found: dict[str, int] = {}
    for monitor_id, stood in standings.of_monitors(connection, monitor_ids).items():
        number = sum(one.state in ("firing", "recovering") for one in stood.values())
        if number:
            found[monitor_id] = number
    return found


def told_of_silence(connection: Connection, those: Sequence[Monitor]) -> dict[str, list[str]]:
    """The channels that are told when a monitor falls silent, by monitor id: as its heartbeat rules say, else those it notifies."""
    notified = channels.notified(connection, {monitor.id: monitor.project_id for monitor in those})
    book = Book([rule for rule in current(connection).rules if rule.type == "heartbeat"])
    if all(rule.channels is None for rule in book.rules):
        return notified
    named = channels.named(connection, sorted({monitor.project_id for monitor in those}))
    told = {}
    for monitor in those:
        usual = notified[monitor.id]
        by_rule = [meant(rule, usual, named.get(monitor.project_id, {})) for rule in book.of(monitor)]
        told[monitor.id] = list(dict.fromkeys(i for ids in by_rule for i in (usual if ids is None else ids))) if by_rule else usual
    return told
