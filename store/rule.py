"""The facts of rules: what a rule watches for, and how it stands with each monitor. No behaviour; `rules/` judges.

A rule comes from a YAML file, or is a metric alert that somebody made through the API or the pages: the same record for both.
Instants are `Ns`; durations are whole seconds.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from store.model import Ns, Operator

RuleType = Literal["heartbeat", "status", "threshold", "absent", "unchanged"]
RULE_TYPES: Final[tuple[RuleType, ...]] = get_args(RuleType)

WindowFunction = Literal["mean", "min", "max", "sum", "count", "rate", "p95"]
WINDOW_FUNCTIONS: Final[tuple[WindowFunction, ...]] = get_args(WindowFunction)

# What becomes of a rule's state where there is nothing to judge by, and where its store cannot be asked.
Without = Literal["keep", "resolve", "fire"]
# What a heartbeat rule makes of a ping that our own outage may have swallowed.
OnOwnOutage = Literal["unverified", "fire", "ignore"]

RuleState = Literal["ok", "pending", "firing", "recovering"]
Health = Literal["ok", "no_data", "error"]


class Match(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which monitors a rule watches: all, or those named (by id, slug or name) or tagged so; never those that are excepted."""

    all: bool = False
    monitors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    except_monitors: tuple[str, ...] = ()
    except_tags: tuple[str, ...] = ()


class Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """The points of the last `over` seconds as one number. With fewer than `min_points` of them there is no data."""

    func: WindowFunction
    over: int
    min_points: int = 1


class Compare(msgspec.Struct, frozen=True, omit_defaults=True):
    """The window against the same window `to` seconds before: their ratio, or how much more there is now.

    A baseline that is nearer to zero than `min_baseline` is no data.
    """

    to: int
    how: Literal["ratio", "difference"] = "ratio"
    min_baseline: float | None = None


class Resolve(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a firing rule is well again: so many samples in a row that meet `operator value`; without these, that are no breach."""

    operator: Operator | None = None
    value: float | str | None = None
    consecutive: int = 1


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a rule watches for, and whom it tells.

    `name`: the alert's name; empty for a metric alert of the API. `hold`: how long the condition must last (`for`). `keep_firing`: how
    long it must be over. `consecutive`: samples in a row. `metric` to `compare`: threshold, absent and unchanged rules alone.
    `interval` to `grace`: heartbeat rules alone, in place of the monitor's own. `channels`: names or ids; None: whom the monitor
    notifies; empty: nobody. `every`: seconds between two evaluations of a window. `file`, `line`: where it stands, for people.
    `project`: its name or id, where the rule is for one project alone.
    """

    uid: str
    type: RuleType
    name: str = ""
    group: str = ""
    match: Match = Match()
    project: str | None = None
    metric: str | None = None
    operator: Operator | None = None
    value: float | str | None = None
    window: Window | None = None
    compare: Compare | None = None
    consecutive: int = 1
    hold: int = 0
    keep_firing: int = 0
    resolve: Resolve | None = None
    on_no_data: Without = "keep"
    on_error: Without = "keep"
    interval: int | None = None
    cron: str | None = None
    timezone: str | None = None
    grace: int | None = None
    on_own_outage: OnOwnOutage = "unverified"
    channels: tuple[str, ...] | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    every: int = 60
    file: str | None = None
    line: int | None = None


class Standing(msgspec.Struct, frozen=True):
    """How a rule stands with one monitor. There is none where all is well and nothing is counted.

    `breaches`, `clears`: samples in a row. `active_at`: since when the condition is met. `clear_at`: since when it is not any more,
    while recovering. `value`: the sample that moved it last. `sampled_at`: the newest evaluation of a window. `due_at`: when time
    alone moves it. `expected_at`: the next ping that a heartbeat rule waits for. `reopened`: how often it was well for a moment.
    `listened`: for how long we listened for that ping, over all the gaps of ours that put it off. `held`: by how much stalls of ours
    have put `due_at` off.
    """

    rule: str
    monitor_id: str
    state: RuleState = "ok"
    breaches: int = 0
    clears: int = 0
    active_at: Ns | None = None
    clear_at: Ns | None = None
    value: float | str | None = None
    sampled_at: Ns | None = None
    due_at: Ns | None = None
    expected_at: Ns | None = None
    incident_id: str | None = None
    reopened: int = 0
    health: Health = "ok"
    listened: Ns = 0
    held: Ns = 0
