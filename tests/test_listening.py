from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent.threadpool import ThreadPool
from world import World

from ingest.commit import Committer
from ingest.endpoint import PingEndpoint, Trouble
from ingest.listening import Listening
from ingest.registry import Registry
from ingest.stamp import Stamps
from store.inbox import mark_path
from store.journal import JournalReader
from store.mark import read_mark
from store.model import Gap


class Ear:
    """A worker's ear on a clock that the test moves, in seconds of the world."""

    def __init__(self, world: World, slot: int = 0) -> None:
        self.world = world
        self.slot = slot
        self.now = 0.0
        self.path = mark_path(world.inboxes, slot)
        self.committer = Committer(self._append, ThreadPool(1))
        self.broken = False
        self.stamps = Stamps(lambda: world.at(self.now), slot)
        self.pings = PingEndpoint(Registry(world.control, ThreadPool(1)), self.stamps, self.committer)

    def _append(self, records: object) -> None:
        if self.broken:
            raise sqlite3.OperationalError("database or disk is full")
        self.world.journals[self.slot].append(records)  # type: ignore[arg-type]  # as the committer gives them

    def open(self, at: float) -> Listening:
        self.now = at
        listening = Listening(self.path, self.stamps, self.committer, self.pings)
        listening.begin(self.world.at(at))
        return listening

    def troubled(self) -> bool:
        return self.pings.trouble is not None

    def step(self, listening: Listening, at: float) -> None:
        self.now = at
        listening.step(self.world.at(at))

    def gaps(self) -> list[tuple[float, float, str]]:
        """Start, end and reason of every gap on record, in whole seconds."""
        reader = JournalReader(self.world.inboxes / f"{self.slot}.db")
        found = [record for _, record in reader.read(0, 100) if isinstance(record, Gap)]
        reader.close()
        zero = self.world.at(0)
        return [(round((g.start - zero) / 1e9), round((g.end - zero) / 1e9), g.reason) for g in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path, workers=2)
    for mark in one.marks:
        mark.close()
    for path in one.inboxes.glob("*.alive"):
        path.unlink()
    yield one
    one.marks = []
    one.close()


def test_the_first_start_of_all_has_no_gap(world: World) -> None:
    ear = Ear(world)
    ear.open(100)
    assert ear.gaps() == []
    assert read_mark(ear.path) == world.at(100)


def test_a_restart_records_since_when_nobody_listened(world: World) -> None:
    ear = Ear(world)
    ear.step(ear.open(100), 101)
    Ear(world).open(104)
    assert ear.gaps() == [(101, 104, "restart")]


def test_there_was_no_gap_while_another_worker_listened(world: World) -> None:
    ear, other = Ear(world), Ear(world, slot=1)
    ear.open(100)
    listening = other.open(100)
    for at in (108, 116, 120):
        other.step(listening, at)
    ear.open(120.5)
    assert ear.gaps() == other.gaps() == []


def test_a_short_stall_is_none_and_a_long_one_is_a_gap(world: World) -> None:
    ear = Ear(world)
    listening = ear.open(100)
    ear.step(listening, 109)
    assert ear.gaps() == []
    ear.step(listening, 125)
    assert ear.gaps() == [(109, 125, "stall")]
    ear.step(listening, 126)
    assert len(ear.gaps()) == 1


def test_the_mark_never_goes_back_when_the_clock_does(world: World) -> None:
    ear = Ear(world)
    listening = ear.open(100)
    ear.step(listening, 50)
    mark = read_mark(ear.path)
    assert mark is not None
    assert mark > world.at(100)
    assert ear.gaps() == []


def test_while_pings_cannot_be_stored_the_mark_stands_still_and_then_there_was_a_gap(world: World) -> None:
    ear = Ear(world)
    listening = ear.open(100)
    ear.broken = True
    ear.pings.trouble = Trouble(world.at(103), "disk full")
    for at in (104, 110, 150):
        with pytest.raises(sqlite3.OperationalError):
            ear.step(listening, at)
        assert read_mark(ear.path) == world.at(103)
    assert ear.troubled()
    ear.broken = False
    ear.step(listening, 160)
    assert not ear.troubled()
    assert ear.gaps() == [(103, 160, "not_stored")]
    mark = read_mark(ear.path)
    assert mark is not None
    assert mark > world.at(160)
