"""The history of an installation through its rules once more: reads its stores, and sums up for each rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection

from rules.book import Book, rule_of
from rules.rehearsal import recorded
from rules.rehearsal.firings import Firing
from rules.rehearsal.recorded import Pausing
from rules.rehearsal.replay import Replayed, lead, replay
from store.control import alerts
from store.model import SECOND, Gap, Monitor, Ns
from store.points import Points
from store.rule import Rule


class Watching(NamedTuple):
    """A monitor, the rules that watch it, and when it was paused."""

    monitor: Monitor
    rules: Sequence[Rule]
    pausings: Sequence[Pausing]


class Account(NamedTuple):
    """How a rule fired from `start` to `end`. `rule` is None for outages that no rule is about; `watched`: how many monitors it watches."""

    rule: Rule | None
    watched: int
    firings: Sequence[Firing]
    start: Ns
    end: Ns

    @property
    def began(self) -> list[Firing]:
        return [firing for firing in self.firings if firing.start >= self.start]

    @property
    def longest(self) -> int:
        """Seconds, of those that still fire as long as they do so far."""
        return max(((self.end if one.end is None else one.end) - one.start for one in self.firings), default=0) // SECOND


def watching(
    connection: Connection, monitors: Collection[Monitor], rules: Sequence[Rule], start: Ns, end: Ns, *, with_alerts: bool
) -> list[Watching]:
    """The monitors with those of the rules that watch them, and with the alerts of the API and the pages."""
    book = Book(rules)
    made = alerts.of_monitors(connection, [one.id for one in monitors]) if with_alerts else {}
    followed = [(one, [*book.of(one), *map(rule_of, made.get(one.id, ()))]) for one in monitors]
    return [Watching(one, its, recorded.pausings(connection, one, _beginning(its, one, start), end)) for one, its in followed]


def farthest(watched: Iterable[Watching], start: Ns) -> Ns:
    """How far back their rules look."""
    return min((_beginning(one.rules, one.monitor, start) for one in watched), default=start)


def replayed(points: Points, one: Watching, away: Iterable[Gap], start: Ns, end: Ns) -> Replayed:
    """What would have been said of one monitor. `away`: when we were not listening. Raises PointsError."""
    begin = _beginning(one.rules, one.monitor, start)
    before = recorded.last_before(points, one.monitor, begin)
    pings = chain([] if before is None else [before], recorded.pings(points, one.monitor, begin, end))
    return replay(one.monitor, one.rules, pings, start, end, gaps=away, pausings=one.pausings)


def accounts(rules: Iterable[Rule], watched: Iterable[Watching], said: Iterable[Replayed], start: Ns, end: Ns) -> Iterator[Account]:
    """One for each rule, in their order; then one for each alert; then what no rule is about, if there was any."""
    known = {rule.uid: rule for rule in rules}
    watches: dict[str, int] = {}
    for one in watched:
        for rule in one.rules:
            known.setdefault(rule.uid, rule)
            watches[rule.uid] = watches.get(rule.uid, 0) + 1
    fired: dict[str | None, list[Firing]] = {}
    for replayed_one in said:
        for firing in replayed_one.firings:
            fired.setdefault(None if firing.rule is None else firing.rule.uid, []).append(firing)
    for uid, rule in known.items():
        yield Account(rule, watches.get(uid, 0), fired.get(uid, ()), start, end)
    if None in fired:
        yield Account(None, len({one.monitor.id for one in fired[None]}), fired[None], start, end)


def _beginning(rules: Sequence[Rule], monitor: Monitor, start: Ns) -> Ns:
    """Since when the past of a monitor has to be known, to say how it was judged from `start` on."""
    return start - lead(rules, monitor) * SECOND
