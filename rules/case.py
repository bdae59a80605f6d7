"""One monitor under judgement: its state in memory while a batch of events is applied, and everything those events caused.

Nothing here reads or writes: `rules.ledger` loads cases, and saves them in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from msgspec.structs import replace

from rules import book, expectation, judge, runs, status, threshold
from rules import schedule as schedules
from store.instant import iso
from store.model import (
    SECOND,
    Beat,
    Cause,
    Closure,
    Gap,
    Incident,
    MetricKey,
    Monitor,
    Ns,
    Ping,
    Transition,
    new_id,
    timed,
)
from store.rule import Health, Rule, RuleState, RuleType, Standing

# Why a monitor goes from one status to another.
Reason = Literal["ping", "started", "missed", "not_started", "failed", "overran", "underran", "not_listening", "paused", "resumed"]

# Which rules say how an outage of this cause is told.
_RESPONSIBLE: Final[dict[Cause, RuleType]] = {
    "missed": "heartbeat",
    "overran": "heartbeat",
    "not_started": "heartbeat",
    "failed": "status",
    "underran": "status",
}
# What a rule's firing is called, and what it is caused by.
_FIRES: Final[dict[RuleType, tuple[Cause, str]]] = {
    "heartbeat": ("missed", "monitor_down"),
    "status": ("failed", "monitor_failed"),
    "threshold": ("threshold", "metric_alert"),
    "absent": ("threshold", "metric_alert"),
    "unchanged": ("threshold", "metric_alert"),
}
_ENDS: Final[dict[RuleType, str]] = {
    rule_type: "monitor_up" if rule_type in ("heartbeat", "status") else "metric_alert_resolved" for rule_type in _FIRES
}

_TOLD: Final = 1_000  # characters at the end of a failed job's log that people are told at once


@dataclass(slots=True)
class Word:
    """Something people are to be told: `opens` or closes `incident_id`. `rule`: the one that says so and knows whom; None: built in."""

    event: str
    incident_id: str
    opens: bool
    at: Ns
    details: dict[str, Any]
    rule: Rule | None = None
    value: float | str | None = None


class Turn(NamedTuple):
    """A rule went from one state to another at `at` (event time)."""

    at: Ns
    rule: Rule
    before: RuleState
    after: RuleState
    value: float | str | None


@dataclass(slots=True)
class Case:
    """Apply events in the order of their time, then read what they caused from the lists."""

    monitor: Monitor
    beat: Beat
    rules: list[Rule] = field(default_factory=list)
    standings: dict[str, Standing] = field(default_factory=dict)
    cause: Cause | None = None  # of the monitor's own outage, where one is open
    keys: dict[str, MetricKey] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)
    closed: list[Closure] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    moved: dict[str, Standing] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    durations: dict[Ns, float] = field(default_factory=dict)
    given_up: int = 0  # runs that are timed no more, since too many go on at once
    loaded: Beat = field(init=False)

    def __post_init__(self) -> None:
        self.loaded = self.beat
        rules = {rule.uid for rule in self.rules}
        for uid in [uid for uid in self.standings if uid not in rules]:  # of a rule that is gone: nothing may wait for it
            self.moved[uid] = Standing(uid, self.monitor.id)
            del self.standings[uid]

    def ping(self, ping: Ping) -> None:
        """The job sent a signal, perhaps with numbers and texts."""
        self.until(ping.at, ping.lead)  # down in between, whether or not anybody looked at that moment
        ping = self._signal(ping)
        values: dict[str, float | str] = {**ping.numbers, **ping.texts}
        self.keys |= {key: MetricKey(key, value, ping.at) for key, value in values.items()}
        if self.beat.status != "paused" and ping.kind != "log":
            for rule in self.rules:
                self._sample(rule, ping, values)

    def until(self, instant: Ns, lead: Ns = 0) -> None:
        """All that time alone decides before the instant: deadlines, and rules that have lasted for long enough.

        `lead`: by how much our clock is ahead of the one on the wall. Slots of cron are by that one, so what concerns them comes as much
        later by ours.
        """
        while (due := self.next_due(lead)) is not None and due < instant:
            if due == _later(status.due(self.beat), self._lead(None, lead)):
                self.miss()
            for rule in self.rules:
                at = self._standing(rule).due_at
                if at is not None and at + self._lead(rule, lead) == due:
                    self._pass(rule, at)

    def next_due(self, lead: Ns = 0) -> Ns | None:
        """When time alone decides something next."""
        if lead:
            rules = ((rule, self._standing(rule).due_at) for rule in self.rules)
            instants = [_later(at, self._lead(rule, lead)) for rule, at in [(None, status.due(self.beat)), *rules]]
            return min((instant for instant in instants if instant is not None), default=None)
        due = status.due(self.beat)
        for standing in self.standings.values():
            if standing.due_at is not None and (due is None or standing.due_at < due):
                due = standing.due_at
        return due

    def miss(self) -> None:
        """Its deadline, or that of a run, has passed."""
        due, schedule = status.due(self.beat), self.monitor.schedule
        assert due is not None
        self._move(status.missed(self.beat, schedule), due, status.cause(self.beat, schedule))

    def gap(self, gap: Gap) -> None:
        """We were not listening."""
        own = self.monitor.schedule
        led = self._led(None, gap)
        lasting = any(standing.due_at is not None for standing in self.standings.values())
        unheard = lasting and status.may_have_pinged(self.beat, own, led)
        until = status.next_chance(self.beat, own, led) if lasting else None
        self._move(status.after_gap(self.beat, own, led), gap.at, "not_listening")
        for rule in self._waiting():
            when = expectation.schedule_of(rule, own)
            after = expectation.after_gap(rule, when, self._standing(rule), self._led(rule, gap), self.beat.last_ping_at)
            self._stand(rule, after, gap.at)
        for rule in self.rules:
            if rule.type != "heartbeat":
                standing = self._standing(rule)
                standing = judge.set_forward(rule, standing, gap) if gap.reason == "clock" else standing
                self._stand(rule, judge.unheard(standing, gap, until) if unheard or until is not None else standing, gap.at)

    def window(self, rule: Rule, verdict: threshold.Verdict, at: Ns, value: float) -> None:
        """A rule on a window was evaluated."""
        self._evaluated(rule, at, judge.sampled(rule, replace(self._standing(rule), health="ok"), verdict, at, value), value)

    def blind(self, rule: Rule, choice: str, health: Health, at: Ns) -> None:
        """A rule on a window has no data, or its store cannot be asked."""
        after = judge.without(rule, self._standing(rule), choice, at)
        self._evaluated(rule, at, after if after.state == "ok" else replace(after, health=health), None, reason=health)

    def pause(self, now: Ns) -> None:
        self._move(status.paused(self.beat), now, "paused")
        self.dismiss(self.rules, now, "paused")

    def resume(self, now: Ns) -> None:
        if self.beat.status != "paused":
            return
        own = self.monitor.schedule
        self._move(status.resumed(self.beat, own, now), now, "resumed")
        for rule in self._waiting():
            self._stand(rule, expectation.resumed(rule, own, self._standing(rule), self.beat, now), now)
        for rule in self.rules:
            if rule.window is not None and judge.misses_silence(rule):
                self._stand(rule, replace(self._standing(rule), sampled_at=now + rule.window.over * SECOND), now)

    def reschedule(self, monitor: Monitor, rules: list[Rule], now: Ns) -> None:
        """Its configuration is now `monitor`, and these rules watch it."""
        old, new = self.monitor.schedule, monitor.schedule
        self.monitor = monitor
        if new != old:
            self.beat = status.rescheduled(self.beat, old, new, now)
        changed = [rule for rule in self._waiting() if not expectation.same_times(rule, old, new)]
        for rule in changed:
            if not schedules.same_rhythm(expectation.schedule_of(rule, old), expectation.schedule_of(rule, new)):
                self._stand(rule, expectation.astray(self._standing(rule)), now)
        self.follow(rules, now, changed)

    def follow(self, rules: list[Rule], now: Ns, rescheduled: Sequence[Rule] = ()) -> None:
        """These rules watch the monitor from now on. What a rule has open that does so no more is resolved.

        `rescheduled`: those that wait for it at other times.
        """
        known, kept = ({rule.uid: rule for rule in those} for those in (self.rules, rules))
        self.dismiss([rule for rule in self.rules if _has_ended(rule, kept.get(rule.uid))], now, "rule_removed")
        cause = self.cause
        told = set() if cause is None else {_addressees(rule) for rule in self._tellers(cause)}
        self.rules = rules
        if cause is not None:
            self._tell_of(cause, [rule for rule in self._tellers(cause) if _addressees(rule) not in told])
        anew = [rule for rule in rules if rule.uid not in known or not judge.same_condition(known[rule.uid], rule)]
        for rule in anew:
            if rule.uid in known and not (self._standing(rule).state == "ok" and expectation.same_rhythm(known[rule.uid], rule)):
                self._stand(rule, judge.recounted(self._standing(rule)), now)
        self._arm([*anew, *rescheduled], now)

    def arm(self, rules: Collection[str], now: Ns) -> None:
        """These heartbeat rules, by uid, begin to wait for the monitor."""
        self._arm([rule for rule in self.rules if rule.uid in rules], now)

    def end(self, now: Ns) -> None:
        """The monitor is deleted: nothing stays open."""
        if self.beat.incident_id is not None:
            self._recover(self.beat, now, "deleted")
        self.dismiss(self.rules, now, "deleted")

    def dismiss(self, rules: Iterable[Rule], now: Ns, reason: str) -> None:
        """Stop judging by these rules: they start from zero, and what fires is resolved."""
        for rule in rules:
            self._stand(rule, judge.calm(self._standing(rule)), now, reason=reason)

    def _signal(self, ping: Ping) -> Ping:
        """What the signal makes of the monitor; returns the ping with the duration of the run that it ended, if it ended one."""
        schedule = self.monitor.schedule
        match ping.kind:
            case "success" | "fail":
                duration = runs.took(self.beat.runs, ping.rid, ping.at) if self.beat.runs else None
                judged = status.succeeded if ping.kind == "success" else status.failed
                beat = judged(self.beat, schedule, ping.at, ping.rid)
                fell: Reason = "failed" if ping.kind == "fail" else "underran"
                self._move(beat, ping.at, fell if beat.status == "down" else "ping", ping)
                if duration is not None:
                    self.durations[ping.at] = duration
                    return timed(ping, duration)
            case "start":
                before = runs.running(self.beat.runs, ping.at)
                self._move(status.started(self.beat, schedule, ping.at, ping.rid), ping.at, "started")
                after = runs.running(self.beat.runs, ping.at)
                self.given_up += len(before) == len(after) == runs.LIMIT and before != after
            case "log":
                pass
        return ping

    def _move(self, after: Beat, at: Ns, reason: Reason, ping: Ping | None = None) -> None:
        before = self.beat
        incident_id = before.incident_id
        if after.status == "down" != before.status:
            assert reason in ("missed", "not_started", "failed", "overran", "underran")
            incident_id = new_id("inc")
            after = replace(after, incident_id=incident_id)
            self._fail(after, at, reason, ping)
        elif before.status == "down" != after.status:
            after = replace(after, incident_id=None)
            self._recover(before, at, reason)
        if after.status != before.status:
            self.transitions.append(Transition(self.monitor.id, at, before.status, after.status, reason, incident_id))
        self.beat = after

    def _fail(self, beat: Beat, at: Ns, cause: Cause, ping: Ping | None) -> None:
        assert beat.incident_id is not None
        self.cause = cause
        self.opened.append(Incident(beat.incident_id, self.monitor.project_id, self.monitor.id, None, cause, at))
        details = _outage(beat, cause, at)
        if ping is not None:
            details |= {"exitStatus": ping.exit_status, "log": None if ping.log is None else ping.log[-_TOLD:]}
        details |= self._limit(cause, ping)
        for rule in self._tellers(cause):
            self.words.append(Word("monitor_down", beat.incident_id, opens=True, at=at, details=details, rule=rule))

    def _tellers(self, cause: Cause) -> list[Rule | None]:
        """The rules that say whom to tell of such an outage; None: it is told as it always was, since no rule is about it."""
        concerned = [rule for rule in self.rules if rule.type == _RESPONSIBLE[cause]]
        return [rule for rule in concerned if book.is_plain(rule)] if concerned else [None]

    def _tell_of(self, cause: Cause, tellers: Iterable[Rule | None]) -> None:
        """The monitor is down already, and these say from now on whom to tell; who knows of it is not told again."""
        beat = self.beat
        assert beat.incident_id is not None
        assert beat.down_since is not None
        details = _outage(beat, cause, beat.down_since)
        for rule in tellers:
            self.words.append(Word("monitor_down", beat.incident_id, opens=True, at=beat.down_since, details=details, rule=rule))

    def _limit(self, cause: Cause, ping: Ping | None) -> dict[str, Any]:
        """The limit that a run did not keep, and how far it got."""
        schedule = self.monitor.schedule
        match cause:
            case "overran":
                run = runs.next_due(self.beat.runs)
                assert run is not None
                return {"runStartedAt": iso(run.started_at), "rid": run.rid, "maxRunTime": schedule.max_run}
            case "underran":
                assert ping is not None
                return {"duration": runs.took(self.beat.runs, ping.rid, ping.at), "rid": ping.rid, "minRunTime": schedule.min_run}
            case "not_started":
                return {"startBy": schedule.start_by}
            case _:
                return {}

    def _recover(self, before: Beat, at: Ns, reason: str) -> None:
        assert before.incident_id is not None
        self.cause = None
        self.closed.append(Closure(before.incident_id, at, reason))
        details: dict[str, Any] = {"reason": reason, "downSince": _iso(before.down_since)}
        if before.down_since is not None:
            details["downSeconds"] = (at - before.down_since) // SECOND
        self.words.append(Word("monitor_up", before.incident_id, opens=False, at=at, details=details))

    def _sample(self, rule: Rule, ping: Ping, values: dict[str, float | str]) -> None:
        before, value = self._standing(rule), values.get(rule.metric or "")
        ended = ping.kind in ("success", "fail")
        match rule.type:
            case "threshold" if value is not None and rule.window is None and threshold.comparable(rule, value):
                self._stand(rule, judge.sampled(rule, before, threshold.judged(rule, value), ping.at, value), ping.at, value)
            case "unchanged" if value is not None:
                self._stand(rule, judge.repeated(rule, before, value, ping.at), ping.at, value)
            case "absent" if ended:
                self._stand(rule, judge.sampled(rule, before, "breach" if value is None else "clear", ping.at), ping.at, value)
            case "status" if ended and not book.is_plain(rule):
                # A success that leaves its monitor down was none.
                failed = ping.kind == "fail" or self.beat.status == "down"
                self._stand(rule, judge.sampled(rule, before, "breach" if failed else "clear", ping.at), ping.at)
            case "heartbeat" if ended and not book.is_plain(rule):
                when = expectation.schedule_of(rule, self.monitor.schedule)
                self._stand(rule, expectation.beaten(rule, when, before, ping.at), ping.at)

    def _evaluated(self, rule: Rule, at: Ns, after: Standing, value: float | None, reason: str = "recovered") -> None:
        before = self._standing(rule)
        if before.sampled_at is not None and at <= before.sampled_at:
            return  # counted before the process that counted it went down
        if after == judge.calm(after):
            self._stand(rule, after, at, value, reason)
        elif replace(after, sampled_at=before.sampled_at) != before:
            self._stand(rule, replace(after, sampled_at=at), at, value, reason)

    def _pass(self, rule: Rule, at: Ns) -> None:
        standing = self._standing(rule)
        if rule.type == "heartbeat":
            self._stand(rule, expectation.passed(rule, expectation.schedule_of(rule, self.monitor.schedule), standing), at)
        else:
            self._stand(rule, judge.passed(rule, standing), at, standing.value)

    def _arm(self, rules: Collection[Rule], now: Ns) -> None:
        for rule in self._waiting():
            if rule in rules:
                self._stand(rule, expectation.armed(rule, self.monitor.schedule, self._standing(rule), self.beat, now), now)

    def _stand(self, rule: Rule, after: Standing, at: Ns, value: float | str | None = None, reason: str = "recovered") -> None:
        before = self._standing(rule)
        if after == before:
            return
        if after.state == "firing" and before.incident_id is None:
            after = replace(after, incident_id=new_id("inc"))
            self._fire(rule, after, at, reason, value)
        elif before.incident_id is not None and after.state == "ok":
            after = replace(after, incident_id=None)
            self._resolve(rule, before, at, reason, value)
        if after.state != before.state:
            self.turns.append(Turn(at, rule, before.state, after.state, value))
        self.standings[rule.uid] = self.moved[rule.uid] = after

    def _fire(self, rule: Rule, standing: Standing, at: Ns, reason: str, value: float | str | None) -> None:
        assert standing.incident_id is not None
        cause, event = _FIRES[rule.type]
        self.opened.append(Incident(standing.incident_id, self.monitor.project_id, self.monitor.id, rule.uid, cause, at))
        details = self._details(rule, standing, value, at) | {"consecutive": rule.consecutive}
        if rule.window is not None and value is None:
            details["reason"] = reason
        self.words.append(Word(event, standing.incident_id, True, at, details, rule, value))

    def _resolve(self, rule: Rule, standing: Standing, at: Ns, reason: str, value: float | str | None) -> None:
        assert standing.incident_id is not None
        self.closed.append(Closure(standing.incident_id, at, reason))
        value = standing.value if value is None else value  # nobody sent one: what fires is dismissed, or time alone ended it
        details = self._details(rule, standing, value, at) | {"reason": reason}
        self.words.append(Word(_ENDS[rule.type], standing.incident_id, False, at, details, rule, value))

    def _details(self, rule: Rule, standing: Standing, value: float | str | None, at: Ns) -> dict[str, Any]:
        if rule.metric is None:
            since = at if standing.active_at is None else standing.active_at
            expected = _iso(standing.expected_at) if rule.type == "heartbeat" else _iso(self.beat.expected_at)
            details: dict[str, Any] = {"reason": _FIRES[rule.type][0], "lastPingAt": _iso(self.beat.last_ping_at), "expectedAt": expected}
            return details | {"alertId": rule.uid, "downSince": iso(since)}
        watched = {"alertId": rule.uid, "metricKey": rule.metric, "operator": rule.operator, "threshold": rule.value, "value": value}
        return watched if rule.window is None else watched | {"function": rule.window.func, "over": rule.window.over}

    def _lead(self, rule: Rule | None, lead: Ns) -> Ns:
        """By how much later than by the clock on the wall the rule, or the monitor itself, is judged by ours."""
        return lead if self.monitor.schedule.cron is not None or (rule is not None and rule.cron is not None) else 0

    def _led(self, rule: Rule | None, gap: Gap) -> Gap:
        """The gap as slots of cron meet it: by the clock on the wall it began sooner."""
        return gap if gap.reason == "clock" else replace(gap, start=gap.start - self._lead(rule, gap.lead))

    def _standing(self, rule: Rule) -> Standing:
        return self.standings.get(rule.uid) or Standing(rule.uid, self.monitor.id)

    def _waiting(self) -> list[Rule]:
        """The heartbeat rules that have an expectation of their own."""
        return [rule for rule in self.rules if rule.type == "heartbeat" and not book.is_plain(rule)]


def _has_ended(rule: Rule, now: Rule | None) -> bool:
    """Whether an edit ends what the rule has open: its end would never come, or be called otherwise than its beginning."""
    return now is None or now.type != rule.type or (book.is_plain(now) and not book.is_plain(rule))


def _addressees(teller: Rule | None) -> tuple[str, tuple[str, ...] | None]:
    """What whoever tells of an outage is known by: another is one that has not told of it."""
    return ("", None) if teller is None else (teller.uid, teller.channels)


def _outage(beat: Beat, cause: Cause, since: Ns) -> dict[str, Any]:
    """What is told of the monitor's own outage."""
    expected = _iso(status.expected_at(beat))
    return {"reason": cause, "lastPingAt": _iso(beat.last_ping_at), "expectedAt": expected, "downSince": iso(since)}


def _later(at: Ns | None, by: Ns) -> Ns | None:
    return None if at is None else at + by


def _iso(at: Ns | None) -> str | None:
    return None if at is None else iso(at)
