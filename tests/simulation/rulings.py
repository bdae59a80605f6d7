"""The model of a rule with one monitor: when it fires, and when that is over. Independent of `rules`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from simulation.slots import Span
from simulation.waiting import PATIENCE, distance, expected_after, opens, put_off, wait_in_stall
from store.model import SECOND, Gap, Ns, Ping, Schedule
from store.rule import Rule

if TYPE_CHECKING:
    from simulation.oracle import Life


@dataclass
class Outage:
    """Something that people are told: an outage of the monitor, or the firing of a rule. `tells`: the channels, in any order.

    `unjust`: of a rule that is no stricter than the monitor, unless the job really was silent.
    """

    rule: str | None
    cause: str
    opened: Ns
    tells: frozenset[str]
    opening: str
    closing: str
    unjust: bool = False
    resolved: Ns | None = None
    resolution: str | None = None


class Ruling:
    """How a rule stands. `row`: breaches in a row, since `since`. `well`: samples in a row that say it is over, since `well_since`."""

    def __init__(self, rule: Rule, span: Span, *, of_api: bool = False) -> None:
        self.rule = rule
        self.of_api = of_api
        self._span = span
        self._outage: Outage | None = None
        self._stuck: float | str | None = None
        self.expected: Ns | None = None
        self._reset()

    def _reset(self) -> None:
        self._row = self._well = 0
        self._since: Ns | None = None
        self._well_since: Ns | None = None
        self._recovering = False
        self.due: Ns | None = None
        self._listened: Ns = 0
        self._waited: Ns = 0  # because of stalls
        self._stuck = None
        self._impatient = False  # see `Life.impatient`

    @property
    def is_plain(self) -> bool:
        """Whether it says nothing but how the monitor's own outage is told."""
        rule = self.rule
        own = rule.interval, rule.cron, rule.timezone, rule.grace
        waits = rule.hold or rule.keep_firing or rule.consecutive > 1 or rule.resolve is not None or rule.on_own_outage == "fire"
        return rule.type in ("heartbeat", "status") and not waits and own == (None, None, None, None)

    # What happens.

    def hear(self, ping: Ping, values: dict[str, float | str], life: Life) -> None:
        rule, at = self.rule, ping.at
        ended = ping.kind in ("success", "fail")
        value = values.get(rule.metric) if rule.metric is not None else None
        if rule.type == "threshold" and value is not None and isinstance(value, str) == isinstance(rule.value, str):
            if _meets(rule.operator, value, rule.value):
                self._breach(at, life)
            elif rule.resolve is None or rule.resolve.operator is None or _meets(rule.resolve.operator, value, rule.resolve.value):
                self._clear(at)
            else:
                self._neither()
        elif rule.type == "unchanged" and value is not None:
            self._compare(value, at, life)
        elif rule.type == "absent" and ended:
            self._clear(at) if value is not None else self._breach(at, life)
        elif rule.type == "status" and ended and not self.is_plain:
            self._breach(at, life) if ping.kind == "fail" or life.status == "down" else self._clear(at)
        elif rule.type == "heartbeat" and ended and not self.is_plain:
            self._clear(at)
            self._listened, self._impatient = 0, False
            self._wait_for(life, expected_after(self.schedule(life), at, self._span))

    def pass_time(self, life: Life) -> None:
        """Its time has come."""
        assert self.due is not None
        at = self.due
        if self.rule.type != "heartbeat":
            if self._outage is None:
                self.due = None
                self._fire(at, life)
            else:
                came = self._row, self._since, self._stuck
                self._resolve(at, "recovered")
                if self.rule.type == "unchanged":
                    self._row, self._since, self._stuck = came
            return
        assert self.expected is not None
        if self._missed_at(life, self.expected) > at:  # it was well for long enough
            self._resolve(at, "recovered")
            self._wait_for(life, self.expected)
            return
        self._well, self._well_since, self._recovering, self.due = 0, None, False, None
        if self._outage is None:
            self._fire(at, life)

    def miss_out(self, gap: Gap, life: Life) -> None:
        if not self.waits or self.expected is None or self.due is None:
            return
        if gap.reason == "stall":
            more = wait_in_stall(self.due, gap, self._waited)
            self.due, self._waited = self.due + more, self._waited + more
            return
        schedule, step = self.schedule(life), gap.end - gap.start
        well_at = self._well_at()
        miss = self.due if well_at is None else self._missed_at(life, self.expected)
        if gap.reason == "clock" and self._well_since is not None and (well_at is None or well_at >= gap.start):
            self._well_since += step
            self._wait_for(life, self.expected)
        if gap.reason == "clock" and step < 10 * SECOND:
            if gap.start <= miss and (schedule.cron is None or self.expected <= gap.end):
                miss += step
                self.expected += 0 if schedule.cron is not None else step
            well_at = self._well_at()
            self.due = miss if well_at is None else min(miss, well_at)
            return
        longer = max(0, miss - self._missed_at(life, self.expected))
        for expected, closes in self._turns(life, self.expected) if self.rule.on_own_outage != "fire" else []:
            first = opens(schedule, expected, life.last, gap.slowed, self._span)
            if first <= gap.end and gap.start <= closes + longer:
                turn = distance(schedule, expected, self._span)
                listened = self._listened + min(max(0, gap.start - expected + turn), turn)
                if listened < PATIENCE * turn or (gap.start <= first and closes + longer <= gap.end):
                    self._listened = listened
                    self._wait_for(life, put_off(schedule, expected, life.last, gap, self._span)[1])
                else:
                    self._impatient = True
                return
        if gap.reason == "clock" and schedule.cron is None and gap.start <= miss:
            self._wait_for(life, self.expected + step)

    def wait_for_another(self, gap: Gap, until: Ns | None) -> None:
        """A sample may have gone unheard, so time alone decides nothing before the next one, or before that is late."""
        if self.rule.type != "heartbeat" and self.due is not None and self.due >= gap.start:
            self.due = None if until is None else max(self.due, until)

    def set_forward(self, gap: Gap) -> None:
        """The clock was: what lasts has lasted no longer, unless it was to be decided before."""
        step = gap.end - gap.start
        if self.rule.type != "heartbeat" and (self.due is None or self.due >= gap.start):
            self._since, self._well_since, self.due = (
                None if instant is None else instant + step for instant in (self._since, self._well_since, self.due)
            )

    def arm(self, life: Life, now: Ns) -> None:
        """It begins to wait for the monitor, or something of what it waits by is another: by itself that makes nobody late."""
        if not self.waits or life.last is None or life.status == "paused" or (self._outage is not None and not self._recovering):
            return
        known = self._known(life) if self.expected is None else self.expected
        if known is not None and known > now:
            self._wait_for(life, known)
            return
        if self.expected is not None:
            due, waited, expected = self.due, self._waited, self.expected
            self._wait_for(life, expected)
            if self.due == due:
                self._waited = waited
                return
            instants = [self._missed_at(life, expected) + now - expected, self._well_at()]
            self.due = min(instant for instant in instants if instant is not None)
            return
        self.begin_anew(life, now)

    def begin_anew(self, life: Life, now: Ns) -> None:
        """Whatever came before: a turn from now."""
        if self.waits and life.last is not None:
            self._listened = 0
            self._wait_for(life, expected_after(self.schedule(life), now, self._span))

    def forget_the_rhythm(self) -> None:
        self.expected = self.due = None
        self._listened = self._waited = 0

    def _known(self, life: Life) -> Ns | None:
        """What is known of the next ping by others, where this one has not waited yet."""
        if life.expected is None or life.last is None:
            return None
        mine = rhythm(life.schedule) == rhythm(self.schedule(life))
        return life.expected if mine and life.deadline is not None else None

    @property
    def waits(self) -> bool:
        """Whether it waits for pings in its own way."""
        return self.rule.type == "heartbeat" and not self.is_plain

    def change(self, rule: Rule, now: Ns) -> bool:
        """The rule is now this one; returns whether that is another condition, under which everything is counted anew."""
        old, waited, was_plain, self.rule = self.rule, self.waits, self.is_plain, rule
        if all(getattr(old, name) == getattr(rule, name) for name in _CONDITION) and was_plain == self.is_plain:
            return False
        if self.is_plain and self._outage is not None:
            self._resolve(now, "rule_removed")  # it is the monitor's own from now on
        zones = old.interval is not None or old.timezone == rule.timezone
        same = (old.interval, old.cron) == (rule.interval, rule.cron) and zones
        if not (waited and self.waits and same and self._outage is None):
            self._reset()
            self.expected = None
        return True

    def dismiss(self, now: Ns, why: str) -> None:
        if self._outage is not None:
            self._resolve(now, why)
        self._reset()
        self.expected = None

    # Samples.

    def _breach(self, at: Ns, life: Life) -> None:
        if self._outage is not None:
            self._well, self._well_since, self._recovering, self.due = 0, None, False, None
            return
        self._row += 1
        self._since = at if self._since is None else self._since
        if self._row < self.rule.consecutive:
            return
        if at - self._since >= self.rule.hold * SECOND:
            self.due = None
            self._fire(at, life)
        else:
            self.due = self._since + self.rule.hold * SECOND

    def _clear(self, at: Ns) -> None:
        if self._outage is None:
            self._reset()
            return
        self._recovering = True
        self._well += 1
        self._well_since = at if self._well_since is None else self._well_since
        well_at = self._well_at()
        if well_at is not None and well_at <= at:
            self._resolve(at, "recovered")
        else:
            self.due = well_at

    def _neither(self) -> None:
        if self._outage is None:
            self._reset()
        else:
            self._well, self._well_since, self._recovering, self.due = 0, None, False, None

    def _compare(self, value: float | str, at: Ns, life: Life) -> None:
        """A value that came before it too is a breach; `row` counts how often it came."""
        if self._since is None or self._stuck != value:
            self._clear(at)
            self._row, self._since, self._stuck = 1, at, value
            return
        if self._outage is not None:
            self._breach(at, life)
            return
        self._row += 1
        if self._row >= max(2, self.rule.consecutive) and at - self._since >= self.rule.hold * SECOND:
            self._fire(at, life)

    def _well_at(self) -> Ns | None:
        needed = 1 if self.rule.resolve is None else self.rule.resolve.consecutive
        if not self._recovering or self._well_since is None or self._well < needed:
            return None
        return self._well_since + self.rule.keep_firing * SECOND

    # Heartbeats.

    def schedule(self, life: Life) -> Schedule:
        rule, own = self.rule, life.schedule
        if rule.interval is not None:
            own = replace(own, interval=rule.interval, cron=None)
        elif rule.cron is not None:
            own = replace(own, cron=rule.cron)
        zone, grace = rule.timezone, rule.grace
        return replace(own, timezone=own.timezone if zone is None else zone, grace=own.grace if grace is None else grace)

    def _turns(self, life: Life, expected: Ns) -> list[tuple[Ns, Ns]]:
        """Each ping that it takes to be missed, in a row, and until when it may come."""
        schedule = self.schedule(life)
        found = []
        for _ in range(self.rule.consecutive):
            found.append((expected, expected + schedule.grace * SECOND))
            expected = expected_after(schedule, expected, self._span)
        awaited, closes = found.pop()
        return [*found, (awaited, closes + self.rule.hold * SECOND)]

    def _missed_at(self, life: Life, expected: Ns) -> Ns:
        return self._turns(life, expected)[-1][1]

    def _wait_for(self, life: Life, expected: Ns) -> None:
        self.expected, self._waited = expected, 0
        instants = [self._missed_at(life, expected), self._well_at()]
        self.due = min(instant for instant in instants if instant is not None)

    def _is_mild(self, life: Life) -> bool:
        """Whether it waits for the same pings as the monitor, and no shorter."""
        mine = self.schedule(life)
        return rhythm(mine) == rhythm(life.schedule) and mine.grace >= life.schedule.grace and self.rule.on_own_outage != "fire"

    # What people are told.

    def _fire(self, at: Ns, life: Life) -> None:
        cause, opening, closing = _SAYS[self.rule.type]
        unjust = self.waits and self._is_mild(life) and not self._impatient
        self._outage = Outage(self.rule.uid, cause, at, life.meant(self.rule), opening, closing, unjust)
        life.outages.append(self._outage)

    def _resolve(self, at: Ns, why: str) -> None:
        assert self._outage is not None
        self._outage.resolved, self._outage.resolution = at, why
        self._outage = None
        self._reset()


def rhythm(schedule: Schedule) -> tuple[int | str, ...]:
    return (schedule.interval,) if schedule.cron is None else (schedule.cron, schedule.timezone)


_CONDITION: Final = (
    "type", "metric", "operator", "value", "window", "compare", "consecutive", "hold", "keep_firing", "resolve",
    "interval", "cron", "timezone", "grace",
)  # fmt: skip
_SAYS: Final = {
    "heartbeat": ("missed", "monitor_down", "monitor_up"),
    "status": ("failed", "monitor_failed", "monitor_up"),
    "threshold": ("threshold", "metric_alert", "metric_alert_resolved"),
    "absent": ("threshold", "metric_alert", "metric_alert_resolved"),
    "unchanged": ("threshold", "metric_alert", "metric_alert_resolved"),
}


def _meets(operator: str | None, value: float | str, bound: float | str | None) -> bool:
    if operator in ("=", "!="):
        return (value == bound) == (operator == "=")
    assert not isinstance(value, str) and not isinstance(bound, str) and bound is not None
    difference = value - bound
    return {">": difference > 0, "<": difference < 0, ">=": difference >= 0, "<=": difference <= 0}[operator or ""]
