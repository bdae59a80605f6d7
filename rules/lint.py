"""What is doubtful about rules that are right: those that will say nothing, or say it at another time than is meant. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache, partial
from typing import Final

import msgspec
from msgspec.structs import replace

from rules.book import Book
from rules.expectation import schedule_of
from rules.rule_files.scalars import meant
from rules.rule_files.timespan import written
from rules.schedule import turns
from store.model import Monitor, Ns, Schedule
from store.rule import Rule

_SLOTS: Final = 20  # of a cron schedule that are looked at: enough to meet the shortest distance of most that people write


class Doubt(msgspec.Struct, frozen=True):
    """What is doubtful about a rule, and where that stands."""

    file: str | None
    line: int | None
    alert: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.alert}: {self.sentence}"


class Facts(msgspec.Struct, frozen=True):
    """What there is that rules may name, in all projects.

    `projects`: names by id. `channels`: ids and names by the project's id. `keys`: the metrics that a monitor ever sent, by its id.
    """

    now: Ns
    projects: Mapping[str, str]
    monitors: Sequence[Monitor]
    channels: Mapping[str, AbstractSet[str]]
    keys: Mapping[str, AbstractSet[str]]


def lint(rules: Sequence[Rule], facts: Facts | None = None) -> list[Doubt]:
    """What is doubtful about the rules, in their order. Without facts only what can be seen from the rules alone."""
    check = _alone if facts is None else partial(_among, facts=facts, watched=_watched(rules, facts))
    return [Doubt(rule.file, rule.line, rule.name, sentence) for rule in rules for sentence in check(rule)]


def _alone(rule: Rule) -> Iterator[str]:
    if rule.grace == 0:
        yield "with a grace of 0 a ping that is a second late is missed; give it some time"
    if rule.window is None:
        return
    if rule.window.over < rule.every:
        yield f"its window of {written(rule.window.over)} is looked at every {written(rule.every)}: what comes in between is never seen"
    if 0 < rule.hold < rule.every:
        yield f"`for: {written(rule.hold)}` is less than the {written(rule.every)} between two looks at its window, and waits for the next"


def _watched(rules: Sequence[Rule], facts: Facts) -> dict[str, list[Monitor]]:
    """The monitors that each rule watches, by its uid."""
    ids = {name: project_id for project_id, name in facts.projects.items()}
    book = Book([rule if rule.project is None else replace(rule, project=ids.get(rule.project, rule.project)) for rule in rules])
    watched: dict[str, list[Monitor]] = {rule.uid: [] for rule in rules}
    for monitor in facts.monitors:
        for rule in book.of(monitor):
            watched[rule.uid].append(monitor)
    return watched


def _among(rule: Rule, facts: Facts, watched: Mapping[str, list[Monitor]]) -> Iterator[str]:
    yield from _alone(rule)
    monitors = watched[rule.uid]
    projects = [one for one, name in facts.projects.items() if rule.project in (None, one, name)]
    if not projects:
        yield f"there is no project `{rule.project}`{meant(str(rule.project), facts.projects.values())}"
        return
    unknown = list(_unknown(rule, [monitor for monitor in facts.monitors if monitor.project_id in projects]))
    yield from unknown or ([] if monitors else ["it watches no monitor"])
    if monitors:
        yield from _silent(rule, sorted({monitor.project_id for monitor in monitors}), facts)
        yield from _unsent(rule, monitors, facts)
        yield from _untimely(rule, monitors, facts.now)


def _unknown(rule: Rule, monitors: Sequence[Monitor]) -> Iterator[str]:
    match = rule.match
    names = {name for monitor in monitors for name in (monitor.name, monitor.id, monitor.slug) if name}
    tags = {tag for monitor in monitors for tag in monitor.tags}
    for name in (*match.monitors, *match.except_monitors):
        if name not in names:
            yield f"there is no monitor `{name}`{meant(name, names)}"
    for tag in (*match.tags, *match.except_tags):
        if tag not in tags:
            yield f"no monitor has the tag `{tag}`{meant(tag, tags)}"


def _silent(rule: Rule, projects: Sequence[str], facts: Facts) -> Iterator[str]:
    """Of the channels that some of the projects do not have."""
    for name in rule.channels or ():
        without = [project for project in projects if name not in facts.channels.get(project, ())]
        if len(without) == len(projects):
            yield f"there is no channel `{name}`{meant(name, set().union(*(facts.channels.get(one, ()) for one in projects)))}"
        else:
            yield from (
                f"there is no channel `{name}` in the project `{facts.projects[one]}`, whose monitors it watches" for one in without
            )


def _unsent(rule: Rule, monitors: Sequence[Monitor], facts: Facts) -> Iterator[str]:
    sent = set().union(*(facts.keys.get(monitor.id, set()) for monitor in monitors))
    if rule.metric is not None and rule.metric not in sent:
        yield f"{_named(monitors)} never sent `{rule.metric}`{meant(rule.metric, sent)}"


def _untimely(rule: Rule, monitors: Sequence[Monitor], now: Ns) -> Iterator[str]:
    if rule.window is not None:
        sparse = _slower(monitors, rule.window.over / 2, now)
        if sparse:
            yield f"its window of {written(rule.window.over)} rarely has two pings of {_named(sparse)}: one in {_rhythm(sparse[0], now)}"
    elif rule.hold and rule.type != "heartbeat":
        slow = _slower(monitors, rule.hold, now)
        if slow:
            yield f"`for: {written(rule.hold)}` is over before the next ping of {_named(slow)}: one in {_rhythm(slow[0], now)}"
    elif rule.interval is not None or rule.cron is not None:
        hurried = [monitor for monitor in _slower(monitors, 0, now) if _is_hurried(rule, monitor, now)]
        if hurried:
            own = written(_apart(schedule_of(rule, hurried[0].schedule), now))
            yield f"it waits for a ping in {own}, and fires before the next one of {_named(hurried)}: one in {_rhythm(hurried[0], now)}"


def _is_hurried(rule: Rule, monitor: Monitor, now: Ns) -> bool:
    """Whether a heartbeat rule with a schedule of its own fires between two pings of the monitor that are in time."""
    when = schedule_of(rule, monitor.schedule)
    turn = _apart(when, now)
    return turn > 0 and turn * rule.consecutive + when.grace + rule.hold < _apart(monitor.schedule, now)


def _slower(monitors: Sequence[Monitor], seconds: float, now: Ns) -> list[Monitor]:
    """The monitors that ping less than once in so many seconds, the slowest first."""
    apart = [(_apart(monitor.schedule, now), monitor) for monitor in monitors]
    return [monitor for distance, monitor in sorted(apart, key=lambda one: -one[0]) if distance > seconds]


def _rhythm(monitor: Monitor, now: Ns) -> str:
    return written(_apart(monitor.schedule, now))


@lru_cache(maxsize=10_000)
def _apart(schedule: Schedule, now: Ns) -> int:
    """How many seconds pings are apart where they are closest; 0 where that cannot be computed."""
    try:
        return min(turns(schedule, now, _SLOTS))
    except ValueError:
        return 0


def _named(monitors: Sequence[Monitor]) -> str:
    """The first of them by name, and how many others there are."""
    others = len(monitors) - 1
    return f"`{monitors[0].name}`" + (f" and {others:,} other{'s' if others > 1 else ''}" if others else "")
