"""What all who take part in a play share: the time, the processes that live, the monitors with their jobs, and what has happened."""

from __future__ import annotations

import heapq
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from simulation.jobs import Job, dice
from simulation.oracle import Life
from simulation.receivers import Receiver
from simulation.stage import Died, Engine, Ground, Worker
from simulation.story import Story, told
from store.control import Control, channels, projects
from store.instant import iso
from store.model import SECOND, Channel, Gap, Ns, Project, Record, new_id
from store.rule import Rule

_LINES = 120
_A_WHILE = 600 * SECOND
_TURNS = SECOND // 4  # how often a worker's loop turns


def is_known(step: Gap, before: Iterable[Gap]) -> bool:
    """Whether the clock being put forward is one of these steps, as another worker has seen it: it was put forward once."""
    return any(step.start < one.end and one.start < step.end for one in before)


class Found(AssertionError):
    """Something is not as it must be; says what, and all that happened to the monitor concerned."""


class Scene:
    def __init__(self, seed: int, root: Path, kind: str | None, only: int | None) -> None:
        """`kind`: of the story, where it is not left to the seed. `only`: the number of the one monitor whose job pings at all."""
        self.seed = seed
        self.only = only
        self.story: Story = told(dice(f"story {seed}"), kind)
        self.chance = dice(f"play {seed}")
        self.ground = Ground(root, self.story.start, dice(f"ground {seed}"))
        self.ground.storm_hold = self.story.storm_hold
        self.queue: list[tuple[Ns, int, Callable[[], object]]] = []
        self._number = itertools.count()
        self._said: list[tuple[Ns, str | None, str]] = []
        self.workers: dict[int, Worker] = {}
        self.engine: Engine | None = None
        self.slots: dict[str, int] = {}  # of the journals, by their ids
        self.lives: dict[str, Life] = {}
        self.jobs: dict[str, Job] = {}
        self.records: dict[int, list[Record]] = defaultdict(list)  # what is in the journals, by slot
        self.unheard: list[tuple[Ns, str]] = []
        self.rules: list[Rule] = []
        self.held_until: Ns = 0  # the machine stands still
        self.looked: Ns = 0  # up to this instant all that was overdue is declared
        self.looking: Ns = 0  # and up to this one some of it may be
        self.lead: Ns = 0  # by how much the engine's clock was ahead of the one on the wall when it looked
        self.ended_at: Ns | None = None
        self.stepped = False  # somebody has put the clock forward or back
        self.put_back = False
        self.steps: list[Ns] = []  # by which the clock was moved, of those that somebody can know of
        self.busy = False  # somebody does something between two steps of the engine
        self.deaths = 0
        self.api = Control(self.ground.control)
        self.view = sqlite3.connect(self.ground.control, isolation_level=None)
        self._prepare()

    def _prepare(self) -> None:
        now = self.ground.wall()
        self.channels: list[Channel] = []
        with self.api.begin() as connection:
            self.project: Project = projects.create(connection, "default", "unlimited", now)
            for number in range(self.story.channels):
                url = f"http://receiver-{number}/"
                self.ground.senders.receivers[url] = Receiver()
                channel = Channel(new_id("ch"), self.project.id, f"receiver {number}", "webhook", {"url": url}, number == 0, now, now)
                channels.add(connection, channel)
                self.channels.append(channel)
        self.defaults = frozenset(channel.id for channel in self.channels if channel.is_default)
        self.named = {name: channel.id for channel in self.channels for name in (channel.name, channel.id)}

    # Time.

    def at(self, when: Ns, what: Callable[..., object], *arguments: object) -> None:
        entry: tuple[Ns, int, Callable[[], object]] = (max(when, self.ground.elapsed), next(self._number), partial(what, *arguments))
        heapq.heappush(self.queue, entry)

    def after(self, pause: Ns, what: Callable[..., object], *arguments: object) -> None:
        self.at(self.ground.elapsed + pause, what, *arguments)

    def advance(self, to: Ns) -> None:
        """Nothing happens until then: who lives turns in peace."""
        held = self.is_held
        if to - self.ground.elapsed > _TURNS and not held:
            self.ground.elapsed = to - self.chance.randrange(_TURNS)
            for worker in list(self.workers.values()):
                worker.idle()
                with self.mortal(worker):
                    worker.turn()
        self.ground.elapsed = max(self.ground.elapsed, to)
        if not held:
            for worker in self.workers.values():
                worker.idle()

    @property
    def is_held(self) -> bool:
        return self.ground.elapsed < self.held_until

    def logical(self) -> Ns:
        """The time by which this machine goes."""
        return max((worker.clock() for worker in self.workers.values()), default=self.ground.wall())

    def jumped(self) -> Ns:
        """How much is on record of time that did not pass: what several workers have seen of it counts once."""
        known: list[Gap] = []
        gaps = [record for records in self.records.values() for record in records if isinstance(record, Gap) and record.reason == "clock"]
        for gap in sorted(gaps, key=lambda gap: gap.at):
            if not is_known(gap, known):
                known.append(gap)
        return sum(gap.end - gap.start for gap in known)

    # Life and death.

    @contextmanager
    def mortal(self, process: Worker | Engine) -> Iterator[None]:
        """Whoever dies in here is gone, and is started again."""
        try:
            yield
        except Died as death:
            self.bury(process, str(death))

    bury: Callable[[Worker | Engine, str], None]

    def close(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        if self.engine is not None:
            self.engine.kill()
        self.api.close()
        self.view.close()

    # What is told of it.

    def say(self, text: str, monitor: str | None = None) -> None:
        self._said.append((self.logical(), monitor, text))

    def fail(self, sentence: str, monitor: str | None = None, until: Ns | None = None) -> Found:
        """The sentence, and what happened to the monitor and to all, the newest last; only up to a while after `until`."""
        ended = until is None
        lines = [
            f"{iso(at)}  {text}" for at, about, text in self._said if about in (None, monitor) and (ended or at < (until or 0) + _A_WHILE)
        ]
        who = "" if monitor is None else f", monitor {self.jobs[monitor].number} ({monitor})"
        head = f"seed {self.seed} ({self.story.kind}, {self.story.workers} workers, batches of {self.story.batch}){who}: {sentence}"
        return Found("\n".join([head, *([f"… {len(lines) - _LINES} lines"] if len(lines) > _LINES else []), *lines[-_LINES:]]))
