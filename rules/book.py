"""The rules that are in force, and which of them watch a monitor. Pure, but for reading the set where it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from store.control import rule_set
from store.model import Alert, Monitor
from store.rule import Match, Rule


class Book:
    """A set of rules, found by what selects a monitor: the cost is that of the rules that may concern it, not of all there are."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._everybody: list[int] = []
        self._by_tag: dict[str, list[int]] = {}
        self._by_name: dict[str, list[int]] = {}
        for n, rule in enumerate(rules):
            if rule.match.all:
                self._everybody.append(n)
                continue
            for tag in rule.match.tags:
                self._by_tag.setdefault(tag, []).append(n)
            for name in rule.match.monitors:
                self._by_name.setdefault(name, []).append(n)

    def of(self, monitor: Monitor) -> list[Rule]:
        """The rules that watch the monitor, in the order of their files."""
        found = set(self._everybody)
        for tag in monitor.tags:
            found.update(self._by_tag.get(tag, ()))
        for name in _names(monitor) if self._by_name else ():
            found.update(self._by_name.get(name, ()))
        if not found:
            return []
        candidates = (self.rules[n] for n in sorted(found))
        return [rule for rule in candidates if rule.project in (None, monitor.project_id) and not _excepted(rule.match, monitor)]


def current(connection: Connection) -> Book:
    """The rules in force."""
    global _newest
    edition = rule_set.edition(connection)
    known, book = _newest
    if known != edition:
        book = Book(rule_set.load(connection) if edition else ())
        _newest = edition, book
    return book


# By the name of its content, so that it does not matter of how many stores this process reads.
_newest: tuple[str, Book] = ("", Book())


def rule_of(alert: Alert) -> Rule:
    """A metric alert as the rule that it is."""
    return Rule(
        alert.id,
        "threshold",
        match=Match(monitors=(alert.monitor_id,)),
        metric=alert.metric_key,
        operator=alert.operator,
        value=alert.threshold,
        consecutive=alert.consecutive,
        channels=None if alert.channel_id is None else (alert.channel_id,),
    )


def is_plain(rule: Rule) -> bool:
    """Whether a heartbeat or status rule waits for nothing but the monitor's own outage: then that is its state and its incident."""
    return rule.type in ("heartbeat", "status") and _condition(rule) == _PLAIN


def _condition(rule: Rule) -> tuple[object, ...]:
    own = (rule.interval, rule.cron, rule.timezone, rule.grace, rule.on_own_outage == "fire")
    return (rule.hold, rule.keep_firing, rule.consecutive, rule.resolve, *own)


_PLAIN: Final = _condition(Rule("", "heartbeat"))


def _names(monitor: Monitor) -> Iterable[str]:
    return {monitor.id, monitor.name, monitor.slug or monitor.id}


def _excepted(match: Match, monitor: Monitor) -> bool:
    if not match.except_monitors and not match.except_tags:
        return False
    return any(name in match.except_monitors for name in _names(monitor)) or any(tag in match.except_tags for tag in monitor.tags)
