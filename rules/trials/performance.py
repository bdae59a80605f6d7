"""A trial as it goes: the rehearsal of its monitors and rules, and all that came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from rules import annotation, book, ledger, status
from rules.book import Book
from rules.case import Case, Turn, Word
from rules.hearers import Hearers, KnownAs
from rules.rehearsal import Announced, Rehearsal, Said
from rules.rule_files.timespan import written
from rules.samples import sample
from rules.trials.cast import DEFAULT
from rules.trials.course import Course, Delay, Down, Step
from rules.trials.trial import Event, Expectation, Notification, Trial
from store.control.monitors import Watched
from store.model import SECOND, Beat, Gap, Monitor, Ns, Ping, ShownStatus, Transition
from store.rule import Health, Rule, RuleState

# What happens at one moment: first what was missed becomes known, then pings, then what people do, and then it is looked at.
_GAP, _PING, _DEED, _LOOK, _END = range(5)


class Alerted(msgspec.Struct, frozen=True):
    """How a rule stands with a monitor. `annotations`: as people were told them; None where they were not."""

    state: RuleState
    health: Health
    value: float | str | None
    labels: dict[str, str]
    annotations: dict[str, str] | None


class Seen(msgspec.Struct, frozen=True):
    """What an expectation met: the rules of that name that watch the monitor, or the monitor's own status."""

    expectation: Expectation
    alerts: tuple[Alerted, ...]
    status: ShownStatus


class Line(NamedTuple):
    """Something that happened, for people who look for the reason of a failure."""

    at: Ns
    text: str


class Performance:
    """Goes through the trial when it is made.

    `told`: what people are told, in order; at one moment in the order of the monitors. `seen`: one for each expectation.
    """

    def __init__(self, trial: Trial, rules: Sequence[Rule]) -> None:
        self._trial = trial
        self._course = _course(trial.start, trial.events)
        self._monitors = {one.monitor.name: one.monitor for one in trial.watched}
        named = {name for rule in rules for name in rule.channels or ()}
        self._hearers = Hearers(
            {one.monitor.id: one.channels for one in trial.watched},
            {one.monitor.project_id: {name: name for name in named} for one in trial.watched},
        )
        self._stage = Rehearsal([Watched(one.monitor, Beat()) for one in trial.watched], Book(rules), trial.start)
        self._open: dict[tuple[str, str], Word] = {}
        self.told: list[Notification] = []
        self.seen: list[Seen] = []
        self.lines: list[Line] = []
        for at, _, happen in sorted(self._happenings(), key=itemgetter(0, 1)):
            happen()
            self._take(at)
        order = {name: number for number, name in enumerate(self._monitors)}
        self.told.sort(key=lambda one: (one.at or 0, order.get(one.monitor or "", len(order))))

    def _happenings(self) -> Iterator[tuple[Ns, int, Callable[[], None]]]:
        """When each thing is known to the rules, its turn among those of the same moment, and what it does."""
        for gap in self._course.gaps():
            yield self._course.known(gap.at), _GAP, partial(self._miss, gap)
        for ping in self._stamped():
            yield self._course.known(ping.at), _PING, partial(self._stage.ping, ping)
        for event in self._trial.events:
            self.lines.append(Line(event.at, _described(event, self._trial.pings)))
            if event.verb in ("pause", "resume"):
                yield event.at, _DEED, partial(self._do, event)
            elif event.verb == "datasource_down":
                yield event.at, _DEED, partial(self._take_store_away, event.at, away=True)
                yield event.at + event.length, _DEED, partial(self._take_store_away, event.at + event.length, away=False)
        for expectation in self._trial.expected:
            yield expectation.at, _LOOK, partial(self._look, expectation)
        yield self._trial.end, _END, partial(self._pass, self._trial.end)

    def _stamped(self) -> Iterator[Ping]:
        """The pings that arrive, with the stamps of their receipt, which no two of a monitor share."""
        newest: dict[str, Ns] = {}
        for ping in self._trial.pings:
            if not self._course.is_down(ping.at):
                at = newest[ping.monitor] = max(self._course.stamp(ping.at), newest.get(ping.monitor, 0) + 1)
                yield replace(ping, at=at)

    def _miss(self, gap: Gap) -> None:
        if gap.reason == "restart":
            self._stage.restart(gap)
        else:
            self._stage.gap(gap)

    def _do(self, event: Event) -> None:
        now = self._course.stamp(event.at)
        deed: Callable[[Case], None] = (lambda case: case.pause(now)) if event.verb == "pause" else (lambda case: case.resume(now))
        self._stage.do(self._monitors[event.monitor].id, deed, self._course.judged(event.at))

    def _take_store_away(self, at: Ns, *, away: bool) -> None:
        self._stage.until(self._course.judged(at))
        self._stage.store_is_away = away

    def _pass(self, at: Ns) -> None:
        # What is due at the moment itself is due.
        self._stage.until(self._course.judged(at) + 1)

    def _look(self, expectation: Expectation) -> None:
        self._pass(expectation.at)
        self._take(expectation.at)
        case = self._stage.cases[self._monitors[expectation.monitor].id]
        named = [rule for rule in case.rules if rule.name == expectation.alert]
        shown = status.shown(case.beat, self._course.stamp(expectation.at))
        self.seen.append(Seen(expectation, tuple(self._alerted(case, rule) for rule in named), shown))

    def _alerted(self, case: Case, rule: Rule) -> Alerted:
        word, standing = self._open.get((case.monitor.id, rule.uid)), case.standings.get(rule.uid)
        given = ledger.annotated(word, case.monitor) if word else {}
        labels = _labels(rule, case.monitor)
        if book.is_plain(rule):
            return Alerted("firing" if word else "ok", "ok", word.value if word else None, labels, given.get("annotations"))
        if standing is None:
            return Alerted("ok", "ok", None, labels, None)
        return Alerted(standing.state, standing.health, standing.value, labels, given.get("annotations"))

    def _take(self, at: Ns) -> None:
        """Note what has come of it. `at`: when it was found out, at the latest."""
        stage = self._stage
        for moved in stage.transitions:
            self._say(self._when(moved.at, at), _moved(moved, self._name(moved.monitor_id)))
        for monitor, turn in stage.turns:
            self._say(self._when(turn.at, at), _turned(turn, monitor))
        for said in stage.said:
            self._hear(said, self._when(said.at, at))
        for announced in stage.announced:
            self._announce(announced, self._when(announced.at, at))
        for taken in (stage.transitions, stage.turns, stage.said, stage.announced):
            taken.clear()

    def _when(self, stamp: Ns, at: Ns) -> Ns:
        return min(self._course.known(stamp), at) // SECOND * SECOND  # without what tells pings of one moment apart

    def _hear(self, said: Said, at: Ns) -> None:
        word, monitor = said.word, said.monitor
        if word.opens and word.rule is not None:
            self._open[monitor.id, word.rule.uid] = word
        elif not word.opens:
            self._open = {key: one for key, one in self._open.items() if one.incident_id != word.incident_id}
        by_alert: dict[str, tuple[KnownAs, list[str]]] = {}
        for channel, known_as in self._hearers.of(word, monitor).items():
            by_alert.setdefault(known_as.get("alert", ""), (known_as, []))[1].append(channel)
        for known_as, channels in by_alert.values():
            self._tell(_notification(said, word.details | ledger.annotated(word, monitor) | known_as, channels, at))

    def _announce(self, announced: Announced, at: Ns) -> None:
        monitors = tuple(monitor.name for monitor in announced.monitors)
        self._tell(Notification("notice", at, announced.event, "", channels=(DEFAULT,), monitors=monitors))

    def _tell(self, notification: Notification) -> None:
        self.told.append(notification)
        self._say(notification.at or 0, f"told {', '.join(notification.channels or ())}: {described(notification)}")

    def _say(self, at: Ns, text: str) -> None:
        self.lines.append(Line(at, text))

    def _name(self, monitor_id: str) -> str:
        return self._stage.cases[monitor_id].monitor.name

    def timeline(self) -> list[Line]:
        """All that happened, in order."""
        return sorted(self.lines, key=lambda line: line.at)


def described(told: Notification) -> str:
    """What is told, in a few words: `fire QueueTooDeep of w1`."""
    about = f" {told.alert}" if told.alert else f" {told.event}" if told.event else ""
    whose = f" of {told.monitor}" if told.monitor else f" of {', '.join(told.monitors)}" if told.monitors else ""
    return f"{told.kind}{about}{whose}"


def _course(start: Ns, events: Sequence[Event]) -> Course:
    return Course(
        start,
        [Down(event.at, event.at + event.length) for event in events if event.verb in ("server_down", "restart")],
        [Step(event.at, event.length) for event in events if event.verb == "clock_step"],
        [Delay(event.at, event.length) for event in events if event.verb == "ingest_delay"],
    )


def _notification(said: Said, details: dict[str, Any], channels: Sequence[str], at: Ns) -> Notification:
    word = said.word
    return Notification(
        kind="fire" if word.opens else "resolve",
        at=at,
        event=word.event,
        alert=details.get("alert", ""),
        monitor=said.monitor.name,
        channels=tuple(channels),
        reason=details.get("reason"),
        value=word.value,
        labels=details.get("labels", {}),
        annotations=details.get("annotations", {}),
    )


def _labels(rule: Rule, monitor: Monitor) -> dict[str, str]:
    given = dict(zip(annotation.GIVEN, (rule.name, monitor.name, monitor.id, rule.type, rule.metric or ""), strict=False))
    return given | rule.labels


def _moved(moved: Transition, name: str) -> str:
    return f"{name}: {moved.from_status} → {moved.to_status} ({moved.reason})"


def _turned(turn: Turn, monitor: Monitor) -> str:
    value = "" if turn.value is None else f" ({sample(turn.value)})"
    return f"{monitor.name}: {turn.rule.name} {turn.before} → {turn.after}{value}"


def _described(event: Event, pings: Sequence[Ping]) -> str:
    length, end = written(abs(event.length) // SECOND), event.at + event.length
    match event.verb:
        case "restart" | "server_down":
            lost = sum(1 for ping in pings if event.at <= ping.at < end)
            said = "the server is restarted" if event.verb == "restart" else f"the server is down for {length}"
            return f"{said}, and {lost} ping{'s are' if lost > 1 else ' is'} lost" if lost else said
        case "clock_step":
            return f"the clock is put {'forward' if event.length > 0 else 'back'} by {length}"
        case "ingest_delay":
            return f"what comes in is known {length} later" if event.length else "what comes in is known at once"
        case "datasource_down":
            return f"the time-series store is away for {length}"
        case _:
            return f"{event.monitor} is {event.verb}d"
