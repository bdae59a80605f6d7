"""What a seed says: how long, how many monitors, which schedules, and what goes wrong when. Everything is drawn from one generator."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from simulation.jobs import Mood
from simulation.slots import Span, span
from store.model import SECOND, Ns, Schedule
from store.rule import RULE_TYPES, Match, OnOwnOutage, Resolve, Rule, RuleType

DAY: Final = 86_400 * SECOND

Trouble = Literal[
    "engine dies", "worker dies", "power cut", "restart", "death somewhere", "control fails", "suspend", "stall", "out of breath",
    "clock forward", "clock back", "disk full", "points away", "channel", "edit", "rules",
]  # fmt: skip

# Days on which clocks are changed somewhere, and some on which they are not.
_DAYS: Final = (
    "2026-03-27",
    "2026-10-23",
    "2026-03-06",
    "2026-10-30",
    "2026-04-03",
    "2026-10-02",
    "2026-01-05",
    "2026-07-13",
    "2026-02-13",
)
_ZONES: Final = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Scoresbysund", "Africa/Casablanca", "Asia/Kathmandu",
    "America/Santiago", "Europe/Dublin", "Pacific/Auckland",
)  # fmt: skip


class Kind(NamedTuple):
    """A kind of story: its length in days, how many monitors, and from which seconds intervals are drawn."""

    name: str
    days: tuple[float, float]
    monitors: tuple[int, int]
    intervals: tuple[int, ...]
    crons: tuple[str, ...]
    troubles: tuple[int, int]


_HOURS = Kind("hours", (0.05, 0.16), (2, 4), (60, 300, 600, 900, 3_600), ("*/5 * * * *", "*/20 * * * *", "7,37 * * * *"), (3, 9))
_DAYS_LONG = Kind(
    "days",
    (1, 4),
    (2, 4),
    (3_600, 5_400, 7_200, 14_400, 43_200),
    ("0 * * * *", "30 */2 * * *", "30 2 * * *", "5 0,12 * * *", "*/30 1-3 * * *", "0 3 * * 1-5", "15 1 * * 0"),
    (4, 10),
)
_WEEKS = Kind(
    "weeks",
    (20, 90),
    (2, 3),
    (86_400, 86_400, 172_800, 604_800),
    ("30 2 * * *", "0 2 * * *", "0 0 * * *", "30 1 * * 0", "0 4 1,15 * 1", "59 23 * * *", "30 2 * * 6,0"),
    (5, 12),
)
_CROWD = Kind("crowd", (0.5, 1.5), (100, 200), (14_400, 21_600, 43_200), ("0 * * * *", "30 2 * * *", "5 0,12 * * *"), (6, 12))


@dataclass(frozen=True)
class Character:
    """A monitor, and the job behind it."""

    schedule: Schedule
    mood: Mood
    alerts: int
    own_channels: bool
    appears: Ns
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """`start`: the instant at which it begins."""

    kind: str
    start: Ns
    length: Ns
    span: Span
    workers: int
    channels: int
    batch: int
    characters: list[Character]
    troubles: list[tuple[Ns, Trouble]]
    storm_hold: Ns

    @property
    def days(self) -> float:
        return self.length / DAY


def told(chance: random.Random, kind: str | None = None) -> Story:
    """A story; of the kind with that name, where one is asked for."""
    kinds = {one.name: one for one in (_HOURS, _DAYS_LONG, _WEEKS, _CROWD)}
    drawn = kinds[kind or chance.choices(list(kinds), (40, 30, 30, 0))[0]]
    day = datetime.fromisoformat(chance.choice(_DAYS)).replace(tzinfo=ZoneInfo("UTC"))
    start = int(day.timestamp()) * SECOND + chance.randrange(DAY) // 1_000 * 1_000
    length = int(chance.uniform(*drawn.days) * DAY)
    characters = [_character(drawn, length, chance) for _ in range(chance.randint(*drawn.monitors))]
    return Story(
        drawn.name,
        start,
        length,
        span(start, length / DAY),
        chance.choice((1, 1, 1, 2, 3)),
        chance.choice((1, 2, 2, 3)),
        chance.choice((3, 20, 500, 500)) if drawn.name != "crowd" else chance.choice((40, 500)),
        characters,
        _troubles(drawn, length, chance),
        chance.choice((0, 120, 600)) * SECOND,
    )


def _character(kind: Kind, length: Ns, chance: random.Random) -> Character:
    mood: Mood = chance.choice(("well", "well", "flaky", "dying", "wild", "exact"))
    drawn = schedule(kind, chance)
    if mood == "well":  # no job keeps to the second
        drawn = replace(drawn, grace=max(drawn.grace, 30), min_run=None, start_by=None if drawn.cron is not None else drawn.start_by)
    return Character(
        drawn,
        mood,
        chance.choice((0, 0, 1, 2)),
        chance.random() < 0.3,
        0 if chance.random() < 0.85 else chance.randrange(length),
        tuple(tag for tag in ("a", "b") if chance.random() < 0.5),
    )


def schedule(kind: Kind, chance: random.Random) -> Schedule:
    interval = chance.choice(kind.intervals)
    cron = chance.choice(kind.crons) if chance.random() < 0.4 else None
    grace = chance.choice((0, 10, 30, interval // 10, interval // 4, interval))
    zone = chance.choice(_ZONES) if cron is not None else "UTC"
    if cron is not None and chance.random() < 0.2:
        cron = "; ".join(dict.fromkeys((cron, chance.choice(kind.crons))))
    longest, shortest = chance.choice(
        ((None, None), (None, None), (interval // 10 + 1, None), (interval // 2 + 1, None), (None, interval // 40 + 2))
    )
    start_by = chance.choice((None, None, None, 20, interval // 8))
    return Schedule(interval, grace, cron, zone, longest, shortest, start_by if start_by is None or start_by < grace else None)


def another_schedule(name: str, chance: random.Random) -> Schedule:
    """For a monitor that is edited."""
    return schedule(_kind(name), chance)


def another_set(story: Story, before: list[Rule], chance: random.Random) -> list[Rule]:
    """Rules for these files; some are those of before, some are changed, some are new."""
    kind = _kind(story.kind)
    kept = [rule for rule in before if chance.random() < 0.6]
    fresh = [_rule(kind, number, chance) for number in range(len(before), len(before) + chance.randrange(5))]
    changed = [rule if chance.random() < 0.5 else _changed(rule, kind, chance) for rule in kept]
    known = {rule.uid for rule in changed}
    return [*changed, *(rule for rule in fresh if rule.uid not in known)]


def _changed(rule: Rule, kind: Kind, chance: random.Random) -> Rule:
    return replace(_rule(kind, 0, chance, rule.type if chance.random() < 0.8 else None), uid=rule.uid, match=rule.match)


def _rule(kind: Kind, number: int, chance: random.Random, known: RuleType | None = None) -> Rule:
    unit = kind.intervals[0]
    type_ = chance.choice((*RULE_TYPES, "heartbeat", "heartbeat")) if known is None else known  # what waits meets all our troubles
    hold, keep = (chance.choice((0, 0, unit // 2, 2 * unit)) for _ in range(2))
    common: dict[str, Any] = {
        "match": chance.choice((Match(all=True), Match(tags=("a",)), Match(tags=("b",)))),
        "channels": chance.choice((None, None, None, ("receiver 0",), ("receiver 1", "receiver 0"), ("nobody",), ())),
        "consecutive": chance.choice((1, 1, 2, 3)),
        "hold": hold,
        "keep_firing": keep,
        "resolve": chance.choice((None, None, Resolve(consecutive=2))),
    }
    match type_:
        case "heartbeat" if chance.random() < 0.2:
            del common["consecutive"], common["hold"], common["keep_firing"], common["resolve"]
            common |= {"on_own_outage": chance.choice(("unverified", "ignore"))}
        case "heartbeat":
            common |= {
                "grace": chance.choice((None, None, None, 0, unit // 4, 2 * unit)),
                "on_own_outage": chance.choice(get_args(OnOwnOutage)),
            }
            common |= chance.choice(
                ({}, {}, {"interval": chance.choice(kind.intervals)}, {"cron": chance.choice(kind.crons), "timezone": "UTC"})
            )
        case "status" if chance.random() < 0.4:
            del common["consecutive"], common["hold"], common["keep_firing"], common["resolve"]
        case "threshold":
            common |= {"metric": "v", "operator": ">", "value": 99.0}
            if chance.random() < 0.5:
                common["resolve"] = Resolve("<", 95.0, chance.choice((1, 2)))
        case "absent":
            common |= {"metric": chance.choice(("v", "state"))}
        case "unchanged":
            common |= {"metric": chance.choice(("v", "state"))}
        case _:
            pass
    return Rule(f"rule-{number}", type_, f"Alert{number}", "group", **common)


def _kind(name: str) -> Kind:
    return next(one for one in (_HOURS, _DAYS_LONG, _WEEKS, _CROWD) if one.name == name)


# How often each comes, beside the others.
_WEIGHTS: Final[dict[Trouble, int]] = {
    "engine dies": 6, "worker dies": 6, "power cut": 8, "restart": 5, "death somewhere": 14, "control fails": 6, "suspend": 6, "stall": 6,
    "out of breath": 4,
    "clock forward": 5, "clock back": 4, "disk full": 5, "points away": 5, "channel": 14, "edit": 24, "rules": 10,
}  # fmt: skip


def _troubles(kind: Kind, length: Ns, chance: random.Random) -> list[tuple[Ns, Trouble]]:
    """Each story leaves some kinds of trouble out and has others often: what hides behind the usual mixture is found by an unusual one."""
    weights = {trouble: weight * chance.choice((0, 1, 1, 4)) for trouble, weight in _WEIGHTS.items()}
    weights["edit"] += 1
    drawn = chance.choices(list(weights), list(weights.values()), k=chance.randint(*kind.troubles))
    found: list[tuple[Ns, Trouble]] = sorted((chance.randrange(length), trouble) for trouble in drawn)
    return [(chance.randrange(length // 10), "rules"), *found] if chance.random() < 0.6 else found
