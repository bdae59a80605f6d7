"""What rules would have made of a monitor's past: its pings once more, through a rehearsal."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import msgspec

from rules import schedule as schedules
from rules.book import Book
from rules.case import Case, Turn
from rules.rehearsal import Rehearsal, reaches
from rules.rehearsal.firings import Firing, firings
from rules.rehearsal.recorded import Pausing
from store.control.monitors import Watched
from store.model import SECOND, Beat, Gap, Monitor, Ns, Ping, Transition
from store.rule import Rule

Event = Gap | Ping | Pausing

_SLOTS: Final = 50


class Replayed(msgspec.Struct, frozen=True):
    """What happened within the time that was asked for; `firings` are also those that had begun before and went on into it.

    `pings`: how many there were in that time.
    """

    transitions: tuple[Transition, ...]
    turns: tuple[Turn, ...]
    firings: tuple[Firing, ...]
    pings: int


def replay(
    monitor: Monitor,
    rules: Sequence[Rule],
    pings: Iterable[Ping],
    start: Ns,
    end: Ns,
    *,
    gaps: Iterable[Gap] = (),
    pausings: Iterable[Pausing] = (),
) -> Replayed:
    """What the rules would have said from `start` to `end`. Everything is in the order of its time.

    What is given is to begin `lead` seconds before `start`: how the rules stand then is what they made of that. Nobody is judged before
    the monitor was made.
    """
    begin = max(start - _counting(rules, monitor) * SECOND, monitor.created_at)
    stage = Rehearsal([Watched(monitor, Beat())], Book(), begin, {monitor.id: rules})
    count = 0
    records: tuple[Iterable[Event], ...] = (gaps, pings, pausings)
    for event in heapq.merge(*records, key=_order):
        match event:
            case Gap():
                stage.gap(event)
            case Ping():
                stage.ping(event)
                count += event.at >= start
            case Pausing():
                stage.do(monitor.id, partial(_pause if event.paused else _resume, event.at), event.at)
    stage.until(end)
    return Replayed(
        tuple(moved for moved in stage.transitions if moved.at >= start),
        tuple(turn for _, turn in stage.turns if turn.at >= start),
        tuple(firing for firing in firings(stage.said) if firing.end is None or firing.end >= start),
        count,
    )


def lead(rules: Sequence[Rule], monitor: Monitor) -> int:
    """How many seconds before the beginning the rules look back, and count."""
    return reaches(rules) + _counting(rules, monitor)


def _counting(rules: Iterable[Rule], monitor: Monitor) -> int:
    """How many seconds it takes until no rule counts any more what came before them."""
    turn = _turn(monitor)
    return max((_lasting(rule, rule.every if rule.window else turn) for rule in rules), default=0)


def _turn(monitor: Monitor) -> int:
    """How many seconds pings are apart where that is longest; of a cron job, in some turns after it was made."""
    try:
        return max(schedules.turns(monitor.schedule, monitor.created_at, _SLOTS))
    except ValueError:
        return 0  # nothing is expected then, and nobody can tell when pings come


def _lasting(rule: Rule, turn: int) -> int:
    """How long the rule takes to fire, and to be well again. `turn`: seconds between two samples, to which all that lasts is rounded up."""
    clears = 1 if rule.resolve is None else rule.resolve.consecutive
    return rule.hold + rule.keep_firing + (rule.consecutive + clears + 2) * turn


def _order(event: Event) -> Ns:
    return event.at


def _pause(at: Ns, case: Case) -> None:
    case.pause(at)


def _resume(at: Ns, case: Case) -> None:
    case.resume(at)
