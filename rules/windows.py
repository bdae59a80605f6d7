"""Rules on windows: on their group's interval the time-series store is asked for each shape of window once, for all monitors together.

A shape is what can be asked in one query: a function over so many seconds of one metric. A thousand rules of ten shapes make ten
queries. Evaluations are at whole multiples of the interval, and never ahead of the store: while it is behind, or away, nothing is
judged by what it lacks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from rules import judge, ledger, threshold
from rules.book import current
from rules.case import Case
from store.control import Control, gaps, monitors, projects, settings, standings
from store.instant import iso
from store.model import SECOND, Gap, Ns
from store.points import Points, PointsError
from store.rule import Rule, WindowFunction

log = logging.getLogger(__name__)
_evaluations = Counter("lastbeat_rule_evaluations", "Evaluations of rules on windows, one for each rule and interval.")
_failures = Counter("lastbeat_rule_evaluation_failures", "Evaluations that failed, because the time-series store could not be asked.")
_missed = Counter("lastbeat_rule_evaluations_missed", "Intervals that were left out, because evaluations or the store were behind.")
_seconds = Gauge("lastbeat_rule_evaluation_seconds", "How long the newest evaluation of all windows took.", multiprocess_mode="mostrecent")

_CHUNK: Final = 500
PATIENCE: Final = 3  # evaluations in a row that fail before people are told
_BLIND: Final[Ns] = 10 * SECOND  # a gap of ours that is shorter leaves a window as good as whole
LATE: Final[Ns] = 60 * SECOND  # how far the store may be behind before anybody speaks of it
_FAILING: Final = "rules_datasource_failing"  # the setting that says since when
_BEGUN: Final = "Rules on windows are not evaluated: {why}. Staleness and thresholds on single values are, as ever."
_OVER: Final = "Rules on windows are evaluated again; they were not since {since}."


class Shape(NamedTuple):
    """What one query asks for; `ago`: how many seconds before the evaluation the window ends."""

    func: WindowFunction
    over: int
    metric: str
    ago: int = 0


Measured = Mapping[str, tuple[float, int]]  # by monitor: the number, and of how many points


class Windows:
    """A step over the intervals that have passed. `horizon`: every ping received before it is in the points; None while nobody knows."""

    def __init__(self, control: Control, points: Points, horizon: Callable[[], Ns | None], base_url: str) -> None:
        self._control = control
        self._points = points
        self._horizon = horizon
        self._base_url = base_url
        # By interval: the newest evaluation, how many failed in a row, and the newest that was given up because the store is behind.
        self._done: dict[Ns, Ns] = {}
        self._failed: dict[Ns, int] = {}
        self._given_up: dict[Ns, Ns] = {}
        with control.read() as connection:
            self._told = settings.get(connection, _FAILING) is not None

    def step(self, now: Ns) -> bool:
        """Evaluate the intervals that have passed, each once, at its newest multiple."""
        horizon = self._horizon()
        with self._control.read() as connection:
            rules = [rule for rule in current(connection).rules if rule.window is not None]
        if not rules or horizon is None:
            return False
        intervals = {rule.every * SECOND for rule in rules}
        self._failed = {every: failed for every, failed in self._failed.items() if every in intervals}
        began = time.monotonic()
        evaluated, errors = False, []
        for every, group in groupby(sorted(rules, key=_interval), key=_interval):
            try:
                evaluated |= self._group(list(group), every * SECOND, horizon, now)
            except Exception as error:  # noqa: BLE001  # the others have their turn all the same
                errors.append(error)
        if evaluated:
            _seconds.set(time.monotonic() - began)
        if errors:
            raise errors[0]
        return False

    def _group(self, rules: Sequence[Rule], every: Ns, horizon: Ns, now: Ns) -> bool:
        """Evaluate the rules of one interval, if it has passed; whether it had."""
        slot, before = horizon // every * every, self._done.get(every)
        if now - horizon > PATIENCE * every + LATE:
            self._fall_behind(rules, every, now)
        if before is not None and slot <= before:
            return False
        self._evaluate(rules, every, slot, now, in_time=now - horizon <= every + LATE)
        # Only now: what could not be judged is tried again, and whom it concerned before that failed is not judged twice.
        if before is not None:
            _missed.inc((slot - before) // every - 1)
        self._done[every] = slot
        _evaluations.inc(len(rules))
        return True

    def _evaluate(self, rules: Sequence[Rule], every: Ns, slot: Ns, now: Ns, *, in_time: bool) -> None:
        try:
            wanted = dict.fromkeys(shape for rule in rules for shape in shapes(rule))
            answers = {shape: self._ask(shape, slot) for shape in wanted}
        except PointsError as error:
            _failures.inc(len(rules))
            failed = self._failed.get(every, 0) + 1
            log.warning("the rules on windows cannot be evaluated: %s", error)
            if failed >= PATIENCE:
                self._despair(rules, slot, str(error), now)
            self._failed[every] = failed
            return
        self._judge(rules, answers, slot, now, failing=False)
        self._failed.pop(every, None)
        if self._told and in_time and max(self._failed.values(), default=0) < PATIENCE:
            self._tell("rules_datasource_recovered", None, now)

    def _fall_behind(self, rules: Sequence[Rule], every: Ns, now: Ns) -> None:
        slot = now // every * every
        if self._given_up.get(every) != slot:
            self._despair(rules, slot, "the time-series store is behind", now)
            self._given_up[every] = slot

    def _despair(self, rules: Sequence[Rule], at: Ns, why: str, now: Ns) -> None:
        """Do with the rules what they want done without a store, and say once that they are not evaluated."""
        if any(rule.on_error != "keep" for rule in rules):
            self._judge([rule for rule in rules if rule.on_error != "keep"], {}, at, now, failing=True)
        if not self._told:
            self._tell("rules_datasource_failing", why, now)

    def _tell(self, event: str, why: str | None, now: Ns) -> None:
        with self._control.begin() as connection:
            since = settings.get(connection, _FAILING) or iso(now)
            details = {"since": since, "text": _BEGUN.format(why=why) if why else _OVER.format(since=since)}
            about = {project.id: details for project in projects.find(connection)}
            ledger.tell_projects(connection, event, about, now, self._base_url, now)
            if why:
                settings.put(connection, _FAILING, since)
            else:
                settings.drop(connection, _FAILING)
        self._told = why is not None

    def _ask(self, shape: Shape, at: Ns) -> Measured:
        end = at - shape.ago * SECOND
        return self._points.window(shape.func, shape.metric, end - shape.over * SECOND, end)

    def _judge(self, rules: Sequence[Rule], answers: Mapping[Shape, Measured], at: Ns, now: Ns, *, failing: bool) -> None:
        with self._control.read() as connection:
            known = gaps.within(connection, at - max(map(reach, rules)) * SECOND, at)
            sighted = [rule for rule in rules if not was_blind(rule, known, at)]
            values = {rule.uid: values_of(rule, answers) for rule in sighted} if not failing else {}
            concerned = _concerned(connection, sighted, values, failing=failing)
        for start in range(0, len(concerned), _CHUNK):
            with self._control.begin() as connection:
                cases = ledger.load(connection, concerned[start : start + _CHUNK])
                for case in cases.values():
                    judge_case(case, sighted, values, at, failing=failing)
                ledger.save(connection, cases.values(), self._base_url, now)


def _interval(rule: Rule) -> int:
    return rule.every


def shapes(rule: Rule) -> list[Shape]:
    """What a rule on a window needs to know: its window, and the one that it is compared with."""
    assert rule.window is not None
    assert rule.metric is not None
    now = Shape(rule.window.func, rule.window.over, rule.metric)
    return [now] if rule.compare is None else [now, now._replace(ago=rule.compare.to)]


def reach(rule: Rule) -> int:
    """How many seconds back the rule looks."""
    assert rule.window is not None
    return rule.window.over + (0 if rule.compare is None else rule.compare.to)


def values_of(rule: Rule, answers: Mapping[Shape, Measured]) -> dict[str, float]:
    """The number that the rule judges each monitor by, of those that have enough points for one."""
    assert rule.window is not None
    present, *baseline = (answers[shape] for shape in shapes(rule))
    enough = {m: value for m, (value, count) in present.items() if count >= rule.window.min_points}
    if rule.compare is None:
        return enough
    found = {}
    for monitor, value in enough.items():
        before, count = baseline[0].get(monitor, (0.0, 0))
        if count < rule.window.min_points or abs(before) < (rule.compare.min_baseline or 0.0):
            continue
        if rule.compare.how == "difference":
            found[monitor] = value - before
        elif before != 0.0:
            found[monitor] = value / before
    return found


def was_blind(rule: Rule, gaps: Iterable[Gap], at: Ns) -> bool:
    """Whether we were not listening for a part of what the rule would judge by: then fewer points came than were sent."""
    assert rule.window is not None
    if not judge.misses_silence(rule):
        return False
    over = rule.window.over * SECOND
    ends = [at] if rule.compare is None else [at, at - rule.compare.to * SECOND]
    return any(gap.end - gap.start >= _BLIND and gap.end > end - over and gap.start < end for gap in gaps for end in ends)


def _concerned(connection: Connection, rules: Sequence[Rule], values: Mapping[str, Mapping[str, float]], *, failing: bool) -> list[str]:
    """The monitors that a rule may move: those beyond it, those with which it does not stand well, and all, where silence fires."""
    found = {standing.monitor_id for standing in standings.of_rules(connection, [rule.uid for rule in rules])}
    for rule in rules:
        if (rule.on_error if failing else rule.on_no_data) == "fire":
            return sorted(monitors.names(connection))
        found |= {monitor for monitor, value in values.get(rule.uid, {}).items() if threshold.judged(rule, value) == "breach"}
    return sorted(found)


def judge_case(case: Case, rules: Iterable[Rule], values: Mapping[str, Mapping[str, float]], at: Ns, *, failing: bool) -> None:
    """Judge one monitor by those of the rules that watch it; `values`: of each rule, by monitor."""
    if case.beat.status == "paused":
        return
    watching = {rule.uid for rule in case.rules}
    for rule in rules:
        if rule.uid not in watching:
            continue
        value = values.get(rule.uid, {}).get(case.monitor.id)
        if failing:
            case.blind(rule, rule.on_error, "error", at)
        elif value is None:
            case.blind(rule, rule.on_no_data, "no_data", at)
        else:
            case.window(rule, threshold.judged(rule, value), at, value)
