"""What a test of rules says: who is watched, what happens, and what is expected of it. No behaviour.

Times are nanoseconds since the start of the trial. Monitors are known by their names.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rules.rule_files.complaints import Place
from store.model import Monitor, Ns, Ping, ShownStatus
from store.rule import Health, RuleState

Verb = Literal["restart", "server_down", "clock_step", "ingest_delay", "datasource_down", "pause", "resume"]
Said = Literal["fire", "resolve", "notice"]


class Watched(msgspec.Struct, frozen=True):
    """A monitor of the trial, and the channels that it notifies."""

    monitor: Monitor
    channels: tuple[str, ...]


class Event(msgspec.Struct, frozen=True):
    """Something that is done to Lastbeat, or to a monitor. `length`: how long it lasts; of a step of the clock, how far it goes."""

    place: Place
    at: Ns
    verb: Verb
    length: Ns = 0
    monitor: str = ""


class Expectation(msgspec.Struct, frozen=True):
    """How an alert (`alert`), or a monitor itself (`status`), is at a time. What is None is not looked at."""

    place: Place
    at: Ns
    monitor: str
    alert: str | None = None
    state: RuleState | None = None
    health: Health | None = None
    value: float | str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    status: ShownStatus | None = None


class Notification(msgspec.Struct, frozen=True):
    """Something that people are told, or are expected to be told: there, what is None is not looked at.

    `alert`: empty for what no rule says. `monitors`: of a notice, whom it is about together.
    """

    kind: Said | None = None
    at: Ns | None = None
    event: str | None = None
    alert: str | None = None
    monitor: str | None = None
    channels: tuple[str, ...] | None = None
    reason: str | None = None
    value: float | str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    monitors: tuple[str, ...] | None = None
    place: Place | None = None


class Trial(msgspec.Struct, frozen=True):
    """One test. `start`: the date at which it begins. `told`: all that people are told, in order; None: that is not looked at."""

    name: str
    place: Place
    start: Ns
    end: Ns
    watched: tuple[Watched, ...]
    pings: tuple[Ping, ...]
    events: tuple[Event, ...]
    expected: tuple[Expectation, ...]
    told: tuple[Notification, ...] | None
