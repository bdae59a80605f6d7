"""The processes of Lastbeat, real but for the clock, the receivers and what kills them, on real files.

A process dies by `Died`, raised at one of the places where the machine could lose its power: before a statement, before and after a
commit, before and after an append to a journal, between two steps. All it had in memory is thrown away then; its files stay.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from gevent.threadpool import ThreadPool
from sqlalchemy import Connection, event
from world import empty_control

from ingest.commit import Committer
from ingest.listening import Listening, missed
from ingest.stamp import Stamps
from lastbeat.clock import Clock
from rules.outbox import Outbox
from rules.overdue import Overdue
from rules.settle import Settle
from rules.storm import Guard
from simulation.jobs import Signal
from simulation.receivers import Post, Senders
from store.control import Control
from store.deadletter import DeadLetters
from store.inbox import Inbox, journal_path, last_reading, lock_path, marks
from store.journal import Journal, JournalReader, decode
from store.lock import FileLock
from store.mark import Mark, read_mark
from store.model import SECOND, Ns, Ping, Record
from store.points import Away, Refusal
from store.points.embedded import EmbeddedPoints
from store.prune import Prune
from store.ship import Ship

BASE_URL: Final = "https://lastbeat.test"
_TURNS: Final = SECOND // 4  # how often a worker's loop sets its mark

T = TypeVar("T")


class Died(Exception):
    """The process is no more."""


class Ground:
    """What is there whatever runs: the time, the files, and what is wrong with the machine.

    `elapsed` goes on as time does; the clock on the wall is ahead of it by `skew`, which people and time servers change. `boots`: how often
    the machine was started.
    """

    def __init__(self, root: Path, start: Ns, chance: random.Random) -> None:
        self.root = root
        self.journals = root / "journal"
        self.journals.mkdir()
        self.chance = chance
        self.elapsed: Ns = 0
        self.skew: Ns = start
        self.boots = 1
        self.senders = Senders(self.wall, chance)
        self.storm_hold: Ns = 0
        self.disk_full = False
        self.points_away = False
        self.control_fails_in: int | None = None
        self.dies_in: int | None = None
        self.stored: Callable[[int, Sequence[Record]], None] = lambda slot, records: None
        self.meanwhile: Callable[[], None] = lambda: None
        empty_control(root).close()

    def wall(self) -> Ns:
        return self.elapsed + self.skew

    def clock(self, after: Ns) -> Clock:
        """That of a process that starts."""
        return Clock(after, last_reading(self.journals), self.wall, lambda: self.elapsed, lambda: f"boot-{self.boots}")

    @property
    def control(self) -> Path:
        return self.root / "control.db"

    @property
    def rules_mark(self) -> Path:
        return self.root / "rules.mark"

    def step(self, place: str) -> None:
        """A process comes to a place where it may die."""
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.dies_in = None
                raise Died(place)


class Inline:
    """A thread that has done its work when it is asked to."""

    def apply(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        return work(*args)


class Fragile(Control):
    """The control store of a process that may die or be refused at any statement."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.control)
        self._ground = ground
        self._engine._compiled_cache = _compiled  # a new process compiles its statements anew, which takes long and says nothing
        event.listen(self._engine, "before_cursor_execute", self._before)
        event.listen(self._engine, "commit", lambda _: ground.step("before a commit"))

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        self._ground.meanwhile()
        with super().begin() as connection:
            yield connection
        self._ground.step("after a commit")

    def _before(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self._ground.step(f"before {statement[:40]!r}")
        if self._ground.control_fails_in is not None:
            self._ground.control_fails_in -= 1
            if self._ground.control_fails_in <= 0:
                self._ground.control_fails_in = None
                raise sqlite3.OperationalError("disk I/O error")


_compiled: Any = {}


class Watchful(Inbox):
    """An inbox that is overtaken: between its look at the marks and its reading of the journals things happen."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.journals)
        self._ground = ground

    def journals(self) -> list[JournalReader]:
        self._ground.meanwhile()
        return super().journals()


class Remote(EmbeddedPoints):
    """A store for time series that is away now and then."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground.root / "points.db")
        self._ground = ground

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        if self._ground.points_away:
            raise Away("The store is away", "connection refused")
        self._ground.step("before the points are written")
        refused = super().write(pings)
        self._ground.step("after the points were written")
        return refused


class Worker:
    """An HTTP worker without its HTTP."""

    def __init__(self, ground: Ground, slot: int) -> None:
        self._ground = ground
        self.slot = slot
        self._parts: list[Any] = []
        self.died = False
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> None:
        ground, slot = self._ground, self.slot
        self._parts.append(FileLock(lock_path(ground.journals, slot)))
        ground.step("a worker has its lock")
        judged = read_mark(ground.rules_mark)
        newest = max(marks(ground.journals).values(), default=judged or 0)
        self.clock = ground.clock(newest)
        self._journal = Journal(journal_path(ground.journals, slot), 1 << 30)
        self._parts.append(self._journal)
        self.journal_id = self._journal.id
        ground.step("a worker has its journal")
        behind = missed(ground.journals, slot, self.clock(), judged)
        self._committer = Committer(
            self._append,
            cast(ThreadPool, Inline()),
            Stamps(self.clock, slot, after=newest),
            behind,
            self.clock,
        )
        self._listening = Listening(ground.journals, slot, self._committer, self.clock.reading)
        self._parts.append(self._listening)
        self._control = Control(ground.control)
        self._control._engine._compiled_cache = _compiled
        self._parts.append(self._control)
        self._prune = Prune(self._control, self._journal, slot)
        self.turn()

    def commit(self, monitor: str, signal: Signal) -> Ns:
        """Take a ping; returns its stamp when it is acknowledged."""
        try:
            at = self._committer.commit(partial(_ping, monitor, signal))
        finally:
            self._mourn()
        self._ground.step("a ping is acknowledged")
        return at

    def idle(self) -> None:
        """The loop has turned all the while, up to a moment ago."""
        self._committer._heard = max(self._committer._heard, self.clock() - self._ground.chance.randrange(_TURNS))

    def turn(self) -> None:
        """The loop turns once: the mark moves."""
        self._listening.step(self.clock())
        self._mourn()

    def prune(self) -> None:
        self._prune.step(self.clock())

    def stop(self) -> None:
        """A clean end."""
        self.turn()
        self.kill()

    def kill(self) -> None:
        self.died = True
        for part in reversed(self._parts):
            part.close()

    def _append(self, encoded: Sequence[bytes]) -> None:
        try:
            self._ground.step("before an append")
            if self._ground.disk_full:
                raise sqlite3.OperationalError("database or disk is full")
            self._journal.append(encoded)
            self._ground.stored(self.slot, [decode(one) for one in encoded])
            self._ground.step("after an append")
        except Died:
            self.died = True
            raise

    def _mourn(self) -> None:
        # The committer takes every error for the disk's.
        if self.died:
            raise Died("in an append")


def _ping(monitor: str, signal: Signal, at: Ns) -> Ping:
    return Ping(at, monitor, signal.kind, signal.numbers, signal.texts, signal.log, exit_status=signal.exit_status, rid=signal.rid)


class Engine:
    """The engine process without its threads: its lines of steps go on one after the other."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._parts: list[Any] = []
        self.looked: Ns = 0  # everything overdue before this has been declared
        self.looking: Ns = 0  # and up to this a part of it may have been
        try:
            self._start()
        except BaseException:
            self.kill()
            raise

    def _start(self) -> None:
        ground = self._ground
        self.control = control = Fragile(ground)
        self._parts.append(control)
        points = Remote(ground)
        self._parts.append(points)
        self.clock = ground.clock(read_mark(ground.rules_mark) or 0)
        inbox, shipped = Watchful(ground), Watchful(ground)
        self._parts += [inbox, shipped]
        self.settle = Settle(control, inbox, BASE_URL)
        self._guard = Guard(control, self.settle.heard, ground.storm_hold, BASE_URL)
        self._overdue = Overdue(control, lambda: self.settle.watermark, BASE_URL, self._guard, lambda: self.clock.lead)
        self._mark = Mark(ground.rules_mark)
        self._parts.append(self._mark)
        self.post = Post()
        self._outbox = Outbox(control, {"webhook": ground.senders}, self.post, self.clock())
        self._ship = Ship(control, shipped, points, DeadLetters(ground.root / "dead-letters"), lambda: self.settle.watermark)
        self._fresh = True

    def judge(self) -> bool:
        """One round of the line that settles and declares; True when there is more to do."""
        more = self.settle.step(self.clock())
        if self.settle.reached is not None:
            self._mark.set(self.settle.reached)
        self._ground.step("after settling")
        # Overdue has its turn once a second, wherever settling is by then.
        if self._fresh or not more or self._ground.chance.random() < 0.2:
            more |= self._declare()
        self._fresh = False
        return more

    def _declare(self) -> bool:
        watermark = self.settle.watermark
        if watermark is None:
            return False
        self.looking = max(self.looking, watermark)
        more = self._overdue.step(self.clock())
        if not more:
            self.looked = max(self.looked, watermark)
        self._ground.step("after declaring")
        self._guard.step(self.clock())
        return more

    def send(self) -> bool:
        moved = self._outbox.step(self.clock())
        self._ground.step("after a round of the outbox")
        return moved

    def ship(self) -> bool:
        with suppress(Away):
            return self._ship.step(self.clock())
        return False

    def kill(self) -> None:
        for part in reversed(self._parts):
            part.close()
