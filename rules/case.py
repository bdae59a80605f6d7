"""One monitor under judgement: its state in memory while a batch of events is applied, and everything those events caused.

Nothing here reads or writes: `rules.ledger` loads cases, and saves them in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec.structs import replace

from rules import runs, status, threshold
from store.instant import iso
from store.model import SECOND, Alert, Beat, Closure, Gap, Incident, MetricKey, Monitor, Ns, Ping, Transition, new_id, timed

# Why a monitor goes from one status to another.
Reason = Literal["ping", "started", "missed", "failed", "overran", "not_listening", "paused", "resumed"]

_TOLD: Final = 1_000  # characters at the end of a failed job's log that people are told at once


@dataclass(slots=True)
class Word:
    """Something people are to be told: `opens` or closes `incident_id`; `channel_id` where one channel alone is to hear it."""

    event: str
    incident_id: str
    opens: bool
    at: Ns
    details: dict[str, Any]
    channel_id: str | None = None


@dataclass(slots=True)
class Case:
    """Apply events in the order of their time, then read what they caused from the lists."""

    monitor: Monitor
    beat: Beat
    alerts: list[Alert]
    keys: dict[str, MetricKey] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    opened: list[Incident] = field(default_factory=list)
    closed: list[Closure] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    changed_alerts: dict[str, Alert] = field(default_factory=dict)
    durations: dict[Ns, float] = field(default_factory=dict)
    given_up: int = 0  # runs that are timed no more, since too many go on at once
    loaded: Beat = field(init=False)

    def __post_init__(self) -> None:
        self.loaded = self.beat

    def ping(self, ping: Ping) -> None:
        """The job sent a signal, perhaps with numbers and texts."""
        due = status.due(self.beat)
        if due is not None and due < ping.at:
            self.miss()  # down in between, whether or not anybody looked at that moment
        ping = self._signal(ping)
        values: dict[str, float | str] = {**ping.numbers, **ping.texts}
        self.keys |= {key: MetricKey(key, value, ping.at) for key, value in values.items()}
        if self.beat.status != "paused" and ping.kind != "log":
            self.alerts = [self._sample(alert, ping) for alert in self.alerts]

    def miss(self) -> None:
        """Its deadline, or that of a run, has passed."""
        due = status.due(self.beat)
        assert due is not None
        self._move(status.missed(self.beat), due, "overran" if due == self.beat.run_due else "missed")

    def gap(self, gap: Gap) -> None:
        """We were not listening."""
        self._move(status.after_gap(self.beat, self.monitor.schedule, gap), gap.at, "not_listening")

    def pause(self, now: Ns) -> None:
        self._move(status.paused(self.beat), now, "paused")
        self.dismiss(self.alerts, now, "paused")

    def resume(self, now: Ns) -> None:
        self._move(status.resumed(self.beat, self.monitor.schedule, now), now, "resumed")

    def reschedule(self, monitor: Monitor, now: Ns) -> None:
        """Its configuration is now `monitor`."""
        if monitor.schedule != self.monitor.schedule:
            self.beat = status.rescheduled(self.beat, self.monitor.schedule, monitor.schedule, now)
        self.monitor = monitor

    def end(self, now: Ns) -> None:
        """The monitor is deleted: nothing stays open."""
        if self.beat.incident_id is not None:
            self._recover(self.beat, now, "deleted")
        self.dismiss(self.alerts, now, "deleted")

    def dismiss(self, alerts: list[Alert], now: Ns, reason: str) -> None:
        """Stop judging these alerts: they start from zero, and what fires is resolved."""
        ids = {alert.id for alert in alerts}
        self.alerts = [self._calmed(alert, now, reason) if alert.id in ids else alert for alert in self.alerts]

    def _signal(self, ping: Ping) -> Ping:
        """What the signal makes of the monitor; returns the ping with the duration of the run that it ended, if it ended one."""
        schedule = self.monitor.schedule
        match ping.kind:
            case "success" | "fail":
                duration = runs.took(self.beat.runs, ping.rid, ping.at) if self.beat.runs else None
                judged = status.succeeded if ping.kind == "success" else status.failed
                self._move(judged(self.beat, schedule, ping.at, ping.rid), ping.at, "ping" if ping.kind == "success" else "failed", ping)
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
            assert reason in ("missed", "failed", "overran")
            incident_id = new_id("inc")
            after = replace(after, incident_id=incident_id)
            self._fail(after, at, reason, ping)
        elif before.status == "down" != after.status:
            after = replace(after, incident_id=None)
            self._recover(before, at, reason)
        if after.status != before.status:
            self.transitions.append(Transition(self.monitor.id, at, before.status, after.status, reason, incident_id))
        self.beat = after

    def _fail(self, beat: Beat, at: Ns, cause: Literal["missed", "failed", "overran"], ping: Ping | None) -> None:
        assert beat.incident_id is not None
        self.opened.append(Incident(beat.incident_id, self.monitor.project_id, self.monitor.id, None, cause, at))
        details: dict[str, Any] = {"reason": cause, "lastPingAt": _iso(beat.last_ping_at), "expectedAt": _iso(beat.expected_at)}
        details["downSince"] = iso(at)
        if ping is not None:
            details |= {"exitStatus": ping.exit_status, "log": None if ping.log is None else ping.log[-_TOLD:]}
        if cause == "overran":
            run = runs.next_due(self.beat.runs)
            assert run is not None
            details |= {"runStartedAt": iso(run.started_at), "rid": run.rid, "maxRunTime": self.monitor.schedule.max_run}
        self.words.append(Word("monitor_down", beat.incident_id, opens=True, at=at, details=details))

    def _recover(self, before: Beat, at: Ns, reason: str) -> None:
        assert before.incident_id is not None
        self.closed.append(Closure(before.incident_id, at, reason))
        details: dict[str, Any] = {"reason": reason, "downSince": _iso(before.down_since)}
        if before.down_since is not None:
            details["downSeconds"] = (at - before.down_since) // SECOND
        self.words.append(Word("monitor_up", before.incident_id, opens=False, at=at, details=details))

    def _sample(self, alert: Alert, ping: Ping) -> Alert:
        key = alert.metric_key
        value: float | str | None = ping.numbers.get(key, ping.texts.get(key))
        late = alert.last_sample_at is not None and ping.at <= alert.last_sample_at
        if value is None or late or not threshold.comparable(alert, value):
            return alert
        after = threshold.sampled(alert, value, ping.at)
        if after.state == "firing" != alert.state:
            after = replace(after, incident_id=new_id("inc"))
            self._fire(after, value, ping.at)
        elif alert.state == "firing" != after.state:
            self._resolve(alert, ping.at, "recovered", value)
            after = replace(after, incident_id=None)
        self.changed_alerts[alert.id] = after
        return after

    def _calmed(self, alert: Alert, now: Ns, reason: str) -> Alert:
        if alert.incident_id is not None:
            self._resolve(alert, now, reason, None)
        after = replace(alert, state="ok", breaches=0, incident_id=None)
        if after != alert:
            self.changed_alerts[alert.id] = after
        return after

    def _fire(self, alert: Alert, value: float | str, at: Ns) -> None:
        assert alert.incident_id is not None
        self.opened.append(Incident(alert.incident_id, self.monitor.project_id, self.monitor.id, alert.id, "threshold", at))
        details = _condition(alert) | {"value": value, "consecutive": alert.consecutive}
        self.words.append(Word("metric_alert", alert.incident_id, True, at, details, alert.channel_id))

    def _resolve(self, alert: Alert, at: Ns, reason: str, value: float | str | None) -> None:
        assert alert.incident_id is not None
        self.closed.append(Closure(alert.incident_id, at, reason))
        details = _condition(alert) | {"value": value, "reason": reason}
        self.words.append(Word("metric_alert_resolved", alert.incident_id, False, at, details, alert.channel_id))


def _condition(alert: Alert) -> dict[str, Any]:
    return {"alertId": alert.id, "metricKey": alert.metric_key, "operator": alert.operator, "threshold": alert.threshold}


def _iso(at: Ns | None) -> str | None:
    return None if at is None else iso(at)
