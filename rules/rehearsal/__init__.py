"""The rules on a virtual clock, in memory and without stores: for tests of rules, and for asking what they would have said in the past.

Every judgement is that of `rules.case`, and of `rules.windows`; here is only the order of things. Time jumps from event to event, to what
is due in between, and to the intervals of windows while there are rules on windows: a quiet week costs as much as a quiet minute.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

import msgspec
from msgspec.structs import replace

from rules.book import Book
from rules.case import Case, Turn, Word
from rules.rehearsal import silence
from rules.rehearsal.window_functions import Point, aggregated
from rules.windows import PATIENCE, Shape, judge_case, reach, shapes, values_of, was_blind
from store.control.monitors import Watched
from store.model import SECOND, Gap, Monitor, Ns, Ping, Transition
from store.rule import Rule

_FORGETS: Final = 10_000  # points of a metric after which those that no window reaches any more are forgotten


class Said(msgspec.Struct, frozen=True):
    """What people would have been told at `at`, about a monitor."""

    at: Ns
    monitor: Monitor
    word: Word


class Announced(msgspec.Struct, frozen=True):
    """What each project would have been told once at `at`, about no single monitor; `monitors`: whom it is about together."""

    at: Ns
    event: str
    monitors: tuple[Monitor, ...] = ()


class Rehearsal:
    """Monitors and rules, and what becomes of them. Events must come in the order of their times.

    `extra`: rules of single monitors besides those of the book, such as metric alerts, by monitor id.
    """

    def __init__(self, watched: Iterable[Watched], book: Book, start: Ns, extra: Mapping[str, Sequence[Rule]] | None = None) -> None:
        self.cases = {
            one.monitor.id: Case(one.monitor, one.beat, [*book.of(one.monitor), *(extra or {}).get(one.monitor.id, ())]) for one in watched
        }
        self.transitions: list[Transition] = []
        self.turns: list[tuple[Monitor, Turn]] = []
        self.said: list[Said] = []
        self.announced: list[Announced] = []
        self.now = start
        self.store_is_away = False
        self.steps = 0  # how often time stopped between events
        rules = {rule.uid: rule for case in self.cases.values() for rule in case.rules if rule.window is not None}
        self._windows = list(rules.values())
        self._evaluated = {every: start // every * every for every in sorted({rule.every * SECOND for rule in self._windows})}
        self._points: dict[str, dict[str, list[Point]]] = {rule.metric: {} for rule in self._windows if rule.metric is not None}
        self._reach = max((reach(rule) + rule.every for rule in self._windows), default=0) * SECOND
        self._gaps: list[Gap] = []
        self._quiet: dict[Ns, Ns] = {}  # until when evaluations at an interval change nothing, unless a number comes
        self._failed: dict[Ns, int] = {}  # evaluations in a row, by interval
        self._told_of_failing = False
        self._due: list[tuple[Ns, str]] = []

    def ping(self, ping: Ping) -> None:
        """A ping came. One of a monitor that is not here is left out."""
        case = self.cases.get(ping.monitor)
        if case is None:
            return
        self.until(ping.at)
        for metric in ping.numbers.keys() & self._points.keys():
            self._remember(metric, ping)
        case.ping(ping)
        self._note(case)

    def _remember(self, metric: str, ping: Ping) -> None:
        self._quiet.clear()
        points = self._points[metric].setdefault(ping.monitor, [])
        points.append((ping.at, ping.numbers[metric]))
        if len(points) % _FORGETS == 0:
            del points[: bisect_left(points, ping.at - self._reach, key=itemgetter(0))]

    def gap(self, gap: Gap) -> None:
        """We were not listening."""
        self.until(gap.start)  # what was due within it is judged by the gap, which is only known at its end
        self._miss(gap)
        for every in self._evaluated:  # the intervals within are not made up for
            self._evaluate(every, gap.at // every * every)

    def _miss(self, gap: Gap) -> None:
        # Each worker has seen the clock being put forward, and it was put forward once.
        stepped = any(one.reason == "clock" and one.end > gap.start and one.start < gap.end for one in self._gaps)
        again = gap.reason == "clock" and stepped
        self._gaps.append(gap)
        left = []
        for case in () if again else self.cases.values():
            case.gap(replace(gap, moved=stepped))
            unverified = any(moved.to_status == "unverified" for moved in case.transitions)
            if unverified and all(rule.on_own_outage != "ignore" for rule in case.rules):
                left.append(case.monitor)
            self._note(case)
        if left:
            self.announced.append(Announced(gap.end, "monitors_unverified", tuple(sorted(left, key=lambda one: (one.name, one.id)))))
        self.now = max(self.now, gap.at)

    def restart(self, gap: Gap | None = None) -> None:
        """We are started anew, where there is a gap after that: all that is not kept with a monitor or a rule is forgotten."""
        self.until(self.now if gap is None else gap.start)
        self.cases = {one: Case(case.monitor, case.beat, case.rules, case.standings) for one, case in self.cases.items()}
        self._failed.clear()
        if gap is not None:
            self._miss(gap)
        for every in self._evaluated:  # nobody remembers that the newest interval was evaluated already
            self._evaluated[every] = 0
            self._evaluate(every, self.now // every * every)
        self._quiet.clear()  # there may be numbers since then

    def do(self, monitor_id: str, deed: Callable[[Case], None], at: Ns) -> None:
        """Somebody does something to the monitor, such as pausing it."""
        self.until(at)
        deed(self.cases[monitor_id])
        self._quiet.clear()  # who is resumed is looked at again
        self._note(self.cases[monitor_id])

    def until(self, instant: Ns) -> None:
        """All that time alone decides before the instant, in the order of its times."""
        while True:
            due = self._due[0][0] if self._due else instant
            every, slot = self._next_slot(instant)
            if min(due, slot) >= instant:
                break
            self.now = max(self.now, min(due, slot))
            self.steps += 1
            if slot <= due:
                self._evaluate(every, slot)
                continue
            case = self.cases[heapq.heappop(self._due)[1]]
            if case.next_due() == due:  # else it was put off since
                case.until(due + 1)
                self._note(case)
        self.now = max(self.now, instant)
        for every, rests in self._quiet.items():
            self._evaluated[every] = max(self._evaluated[every], (min(instant, rests) - 1) // every * every)

    def _next_slot(self, instant: Ns) -> tuple[Ns, Ns]:
        """The interval of windows that ends next, and when; at the instant where none ends before."""
        slots = ((every, max(before + every, self._rests(every))) for every, before in self._evaluated.items())
        return min(slots, key=itemgetter(1), default=(0, instant))

    def _rests(self, every: Ns) -> Ns:
        """The first end of the interval at which something may change."""
        rests = 0 if self.store_is_away else self._quiet.get(every, 0)
        return -(-rests // every) * every

    def _evaluate(self, every: Ns, at: Ns) -> None:
        if at <= self._evaluated[every]:
            return
        self._evaluated[every] = at
        rules = [rule for rule in self._windows if rule.every * SECOND == every]
        sighted = [rule for rule in rules if not was_blind(rule, self._gaps, at)]
        if self.store_is_away:
            self._quiet.clear()
            self._failed[every] = self._failed.get(every, 0) + 1
            if self._failed[every] >= PATIENCE:
                self._judge([rule for rule in sighted if rule.on_error != "keep"], {}, at, failing=True)
                self._tell_of_failing(at, failing=True)
            return
        self._failed.pop(every, None)
        answers = {shape: self._ask(shape, at) for rule in sighted for shape in shapes(rule)}
        self._judge(sighted, {rule.uid: values_of(rule, answers) for rule in sighted}, at, failing=False)
        self._tell_of_failing(at, failing=False)
        silent = not any(found for shape, found in answers.items() if shape.ago == 0)
        if silent and len(sighted) == len(rules):
            self._quiet[every] = silence.lasts(self.cases.values(), rules)
        else:
            self._quiet.pop(every, None)

    def _tell_of_failing(self, at: Ns, *, failing: bool) -> None:
        if failing != self._told_of_failing:
            self.announced.append(Announced(max(at, self.now), "rules_datasource_failing" if failing else "rules_datasource_recovered"))
        self._told_of_failing = failing

    def _judge(self, rules: Sequence[Rule], values: Mapping[str, Mapping[str, float]], at: Ns, *, failing: bool) -> None:
        for case in self.cases.values():
            judge_case(case, rules, values, at, failing=failing)
            self._note(case)

    def _ask(self, shape: Shape, at: Ns) -> dict[str, tuple[float, int]]:
        end = at - shape.ago * SECOND
        found = {}
        for monitor, points in self._points[shape.metric].items():
            within = points[bisect_left(points, end - shape.over * SECOND, key=itemgetter(0)) : bisect_left(points, end, key=itemgetter(0))]
            value = aggregated(shape.func, within)
            if value is not None:
                found[monitor] = (value, len(within))
        return found

    def _note(self, case: Case) -> None:
        """Take what the case has caused, and when it wants to be looked at again."""
        self.transitions += case.transitions
        self.turns += [(case.monitor, turn) for turn in case.turns]
        self.said += [Said(word.at, case.monitor, word) for word in case.words]
        for caused in (case.transitions, case.turns, case.words, case.opened, case.closed):
            caused.clear()
        for kept in (case.moved, case.durations, case.keys):
            kept.clear()
        due = case.next_due()
        if due is not None:
            heapq.heappush(self._due, (due, case.monitor.id))


def reaches(rules: Iterable[Rule]) -> int:
    """How many seconds of points before the beginning the rules need to see."""
    return max((reach(rule) for rule in rules if rule.window is not None), default=0)
