"""The jobs that are watched. They run on other machines: on true time, and whether or not anybody listens."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from simulation.slots import Span, slots
from store.model import SECOND, Kind, Ns, Schedule

# "well" keeps to its schedule all its life, and must never be called down. The others miss, fail, come late, and die.
Mood = Literal["well", "flaky", "dying", "wild", "exact"]
_MICRO: Final = 1_000


def dice(name: str) -> random.Random:
    """A generator that gives the same each time."""
    return random.Random(name)  # noqa: S311  # which is what it is for


@dataclass(frozen=True)
class Signal:
    """What a job sends. `patience`: for how many seconds its client tries again where nobody answers."""

    kind: Kind
    rid: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    exit_status: int | None = None
    log: str | None = None
    patience: int = 0


@dataclass(frozen=True)
class Round:
    """One time that a job runs: it sends its signals at these instants of the true time."""

    signals: list[tuple[Ns, Signal]]
    at: Ns


class Job:
    def __init__(self, number: int, schedule: Schedule, mood: Mood, span: Span, start: Ns, chance: random.Random) -> None:
        self.number = number
        self.mood = mood
        self.schedule = schedule
        self.chance = chance
        self._span = span
        self._start = start
        self._turn = 0
        self._origin: Ns = 0
        self.reports_runs = chance.random() < 0.4 or (schedule.start_by is not None and (mood == "well" or chance.random() < 0.8))
        self.names_runs = chance.random() < 0.5
        self.measures = chance.random() < 0.5
        self.patience = chance.choice((0, 0, 90))
        self.rests: list[tuple[Ns, Ns]] = []
        self.heard_at: Ns | None = None  # the stamp of what was last acknowledged
        self.ends_at: Ns = 0  # when the present run does, in true time

    def follow(self, schedule: Schedule, now: Ns) -> None:
        """Its owner changed its times, and the job's."""
        self.schedule = schedule
        self._origin, self._turn = now, 0

    def begin(self, now: Ns) -> None:
        self._origin = now + self.chance.randrange(max(1, self.schedule.interval // 2)) * SECOND

    def next(self, now: Ns) -> Round:
        """The first time that it runs after `now`, in true time, maybe without a word."""
        at = self._time(now)
        if any(first <= at < last for first, last in self.rests) or (self.mood != "well" and self.chance.random() < 0.08):
            return Round([], at)
        return Round(sorted(self._signals(now, at), key=lambda one: one[0]), at)

    @property
    def _tolerated(self) -> int:
        """Seconds that it may be early or late and is still in time."""
        return int(min(self.schedule.grace, self.schedule.start_by or 300, 300, self.schedule.interval // 10) * 0.9)

    def _time(self, now: Ns) -> Ns:
        if self.schedule.cron is not None:
            return self._slot(now)
        interval = self.schedule.interval * SECOND
        while True:
            self._turn += 1
            at = self._origin + self._turn * interval
            if at > now:
                break
        return max(now + 1, at + self._jitter())

    def _slot(self, now: Ns) -> Ns:
        assert self.schedule.cron is not None
        found = slots(self.schedule.cron, self.schedule.timezone, self._span)
        number = found.after(self._start + max(now, self._origin))
        at, self._origin = found.at[number] - self._start, found.at[number] - self._start
        if self.mood == "well":
            early = int(min(self.schedule.grace * SECOND, found.distance[number] // 10, 300 * SECOND) * 0.9)
            return max(now + 1, at + self.chance.randrange(-early, max(1, int(self.schedule.grace * SECOND * 0.8) - 12 * SECOND)))
        return max(now + 1, at + self._jitter())

    def _jitter(self) -> Ns:
        chance, grace = self.chance, self.schedule.grace * SECOND
        if self.mood == "well":
            return chance.randrange(max(1, self._tolerated * SECOND))
        if self.mood == "exact":
            return 0
        spread = [grace // 2, grace, 2 * grace, self.schedule.interval * SECOND // 2]
        return chance.randrange(-grace // 8 - 1, max(1, chance.choice(spread)))

    def exact(self, expected: Ns, deadline: Ns) -> Ns:
        """A stamp on the very edge of being late, or early."""
        return self.chance.choice((expected, deadline, deadline)) + self.chance.choice((-1, 0, 0, 1)) * _MICRO

    def _signals(self, now: Ns, at: Ns) -> list[tuple[Ns, Signal]]:
        chance = self.chance
        kind: Kind = "success"
        if self.mood != "well" and chance.random() < 0.1:
            kind = chance.choice(("fail", "fail", "log"))
        rid = f"run-{self.number}-{at}" if self.names_runs else None
        signals = [(at, self._signal(kind, rid))]
        if self.reports_runs:
            limit = self.schedule.max_run
            longest = min((at - now) // SECOND, self.schedule.interval) if limit is None or self.mood != "well" else int(limit * 0.7)
            length = chance.randrange(1, max(2, longest if limit is None else min(longest, int(limit * 1.5)))) * SECOND
            if at - length > now and (self.mood == "well" or chance.random() < 0.9):
                signals.append((at - length, Signal("start", rid, patience=0 if self.mood == "well" else self.patience)))
            if self.mood != "well" and chance.random() < 0.1:
                signals.pop(0)  # it crashes
        if self.mood != "well" and signals and chance.random() < 0.1:
            again, signal = chance.choice(signals)
            signals.append((again + chance.randrange(1, 60) * SECOND, signal))  # said twice
        return signals

    def _signal(self, kind: Kind, rid: str | None) -> Signal:
        chance = self.chance
        extra: dict[str, Any] = {"exit_status": chance.choice((1, 2, None))} if kind == "fail" else {}
        if self.measures and chance.random() < 0.9:
            extra["numbers"] = {"v": float(chance.choice((90, 99, 100, 101, 120)))}
            if chance.random() < 0.3:
                extra["texts"] = {"state": chance.choice(("good", "bad"))}
        if kind == "log":
            extra["log"] = "so it goes"
        return Signal(kind, rid, patience=self.patience, **extra)
