"""The facts Lastbeat keeps: plain frozen records with no behaviour, known by every other part.

Instants are whole nanoseconds since the Unix epoch, UTC (`Ns`); durations are seconds unless the name says otherwise.
"""

from __future__ import annotations

import secrets
from typing import Any, Final, Literal, get_args

import msgspec

from store.measured import DURATION as DURATION  # known here to all but the commands that jobs wait for

Ns = int
SECOND: Final[Ns] = 1_000_000_000

Kind = Literal["success", "fail", "start", "log"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# The states a monitor is stored in. "late" is never stored: it is "up" past its expected time (`rules.status.shown`).
Status = Literal["new", "up", "down", "paused", "unverified"]
ShownStatus = Literal["new", "up", "late", "down", "paused", "unverified"]

# How a monitor may be pinged: by any method, or by POST alone.
Methods = Literal["", "POST"]

Operator = Literal[">", "<", ">=", "<=", "=", "!="]
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

AlertState = Literal["ok", "pending", "firing"]


class Ping(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """One ping as it was acknowledged. `at` is its receipt, unique and increasing per worker; it is the ping's identity.

    `lead`: by how much our clock was ahead of the one on the wall then.
    """

    at: Ns
    monitor: str
    kind: Kind = "success"
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    log: str | None = None
    problem: str | None = None
    duration: float | None = None
    exit_status: int | None = None
    rid: str | None = None
    remote_addr: str | None = None
    user_agent: str | None = None
    lead: Ns = 0


def timed(ping: Ping, seconds: float) -> Ping:
    """The ping that ended a run, knowing how long it took; a job that sends a number of that name has measured for itself."""
    measured = {} if DURATION in ping.texts else {DURATION: seconds}
    return msgspec.structs.replace(ping, duration=seconds, numbers=measured | ping.numbers)


CATCHING_UP: Final = 100  # while our clock is ahead of the one on the wall, it leaves out one second in so many

# A restart, pings that could not be stored, a machine that slept, a worker that was held up for a moment, a clock that was put forward: of
# the time from `start` to `end` of such a gap nothing has passed.
GapReason = Literal["restart", "not_stored", "suspend", "stall", "clock"]


class Gap(msgspec.Struct, frozen=True, array_like=True, tag="g", gc=False):
    """We were not listening from `start` to `end`; `at` is the stamp that orders it among the pings.

    `lead`: by how much our clock was ahead of the one on the wall then. `slowed`: until when it last went slower than time does; 0: never.
    `moved`: whether the clock was put forward within it; known to those who judge by it, and not on record.
    """

    at: Ns
    start: Ns
    end: Ns
    reason: GapReason
    lead: Ns = 0
    slowed: Ns = 0
    moved: bool = False


Record = Ping | Gap


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """Samples of one metric within [at, at + width): `at` is a whole multiple of the width."""

    at: Ns
    avg: float
    min: float
    max: float
    count: int


def new_id(prefix: str) -> str:
    """A fresh public id, such as `mon_5f0c…`: 64 random bits behind a prefix that names the kind of thing."""
    return f"{prefix}_{secrets.token_hex(8)}"


class Project(msgspec.Struct, frozen=True):
    """Owns monitors, channels and API keys; sees nothing of other projects. `ping_key`: the secret in ping URLs that name a slug."""

    id: str
    name: str
    plan: str
    created_at: Ns
    ping_key: str


class Plan(msgspec.Struct, frozen=True):
    """What a project may do: a ping of each kind every `ping_seconds` for each monitor, and `monitors` monitors (None: no cap)."""

    name: str
    ping_seconds: float = 0
    monitors: int | None = None


class ApiKey(msgspec.Struct, frozen=True):
    """What is kept of an API key: never the key itself."""

    id: str
    project_id: str
    name: str
    read_only: bool
    created_at: Ns


class Schedule(msgspec.Struct, frozen=True):
    """When pings are expected: every `interval` seconds, or at the slots of `cron` in `timezone`; `grace` seconds late is in time.

    `cron` may be several expressions, separated by `;`: their slots together. `max_run`, `min_run`: how many seconds a run may and must
    take from its start signal; None: as long as it likes. `start_by`: how late its start signal may be; None: the start is not waited for.
    """

    interval: int = 60
    grace: int = 30
    cron: str | None = None
    timezone: str = "UTC"
    max_run: int | None = None
    min_run: int | None = None
    start_by: int | None = None


class Monitor(msgspec.Struct, frozen=True):
    """A monitor as its owner configured it. `token` is the secret in its ping URL.

    `methods`: "POST" where requests with other methods are kept and change nothing, so that no link preview reports success.
    """

    id: str
    project_id: str
    name: str
    slug: str | None
    tags: tuple[str, ...]
    schedule: Schedule
    token: str
    created_at: Ns
    updated_at: Ns
    methods: Methods = ""


class Run(msgspec.Struct, frozen=True, array_like=True):
    """One run of a job, from its start signal on; `rid` is its name, where the job gave it one.

    `due_at`: when it becomes over-long; None where it may take any time. `let_go`: its end is not waited for any more, since people know
    that it is over-long, or since it may have ended while we were not listening. A run that has ended is remembered for a moment by
    `ended_at` and `ended_as`, so that a signal that is repeated or comes late is known for what it is. `held`: by how much stalls of ours
    have put `due_at` off. `skipped`: by how much `started_at` is later than it was heard of, since the clock was put forward.
    """

    rid: str | None
    started_at: Ns
    due_at: Ns | None = None
    ended_at: Ns | None = None
    ended_as: Literal["success", "fail"] | None = None
    let_go: bool = False
    held: Ns = 0
    skipped: Ns = 0


class Beat(msgspec.Struct, frozen=True):
    """How a monitor is.

    `expected_at`: when the next ping should come. `deadline`: when it is declared down; None while nothing is waited for.
    `run_due`: when it is declared down because a run takes too long. `incident_id`: the open outage. `runs`: in the order of their start.
    `listened`: for how long we listened for what is expected, over all the gaps of ours that put it off. `held`: by how much stalls of ours
    have put the deadline off.
    `health`: why its schedule cannot be computed, as a sentence.
    """

    status: Status = "new"
    last_ping_at: Ns | None = None
    expected_at: Ns | None = None
    deadline: Ns | None = None
    down_since: Ns | None = None
    incident_id: str | None = None
    run_due: Ns | None = None
    listened: Ns = 0
    held: Ns = 0
    health: str | None = None
    runs: tuple[Run, ...] = ()


class Alert(msgspec.Struct, frozen=True):
    """A threshold on one metric of one monitor, as it was made through the API or the pages; and how it stands (`store.rule.Standing`).

    `breaches`: samples in a row beyond the threshold.
    """

    id: str
    monitor_id: str
    metric_key: str
    operator: Operator
    threshold: float | str
    channel_id: str | None
    consecutive: int
    created_at: Ns
    updated_at: Ns
    state: AlertState = "ok"
    breaches: int = 0


class Channel(msgspec.Struct, frozen=True):
    """A way to tell people. `last_error` is why the newest delivery failed, None after a success."""

    id: str
    project_id: str
    name: str
    type: str
    config: dict[str, Any]
    is_default: bool
    created_at: Ns
    updated_at: Ns
    last_error: str | None = None
    last_error_at: Ns | None = None


class MetricKey(msgspec.Struct, frozen=True):
    """A key seen in a monitor's payloads, with its newest value: a number or a text."""

    key: str
    value: float | str
    last_at: Ns


Cause = Literal["missed", "failed", "overran", "not_started", "underran", "threshold"]


class Incident(msgspec.Struct, frozen=True):
    """One outage of a monitor, or one firing of a metric alert (`alert_id`)."""

    id: str
    project_id: str
    monitor_id: str
    alert_id: str | None
    cause: Cause
    opened_at: Ns
    resolved_at: Ns | None = None
    resolution: str | None = None


class Closure(msgspec.Struct, frozen=True):
    """The end of an incident, and why: `recovered`, `ping`, `paused`, `deleted`, …"""

    incident_id: str
    at: Ns
    resolution: str


class Transition(msgspec.Struct, frozen=True):
    """A monitor went from one status to another at `at` (event time)."""

    monitor_id: str
    at: Ns
    from_status: Status
    to_status: Status
    reason: str
    incident_id: str | None = None


class Notice(msgspec.Struct, frozen=True):
    """One message for one channel, as it stands in the outbox; `id` is the `webhook-id` of every attempt."""

    id: str
    channel_id: str
    incident_id: str | None
    sequence: int
    event: str
    payload: dict[str, Any]
    created_at: Ns
    attempts: int = 0
