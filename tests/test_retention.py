from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World

from store.control import outbox
from store.model import SECOND
from store.points.embedded import EmbeddedPoints
from store.retention import Retention

DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


@pytest.fixture
def retention(world: World, tmp_path: Path) -> Iterator[Retention]:
    points = EmbeddedPoints(tmp_path / "points.db")
    yield Retention(world.control, points, days=90)
    points.close()


def _deliver(world: World, at: float) -> None:
    with world.control.begin() as connection:
        while notice := outbox.claim(connection, world.at(at), 60 * SECOND):
            outbox.sent(connection, notice, world.at(at))


def _forget(world: World, retention: Retention, day: float) -> None:
    while retention.step(world.at(day * DAY)):
        pass


def test_delivered_messages_are_forgotten_after_a_month(world: World, retention: Retention) -> None:
    world.channel()
    job = world.monitor()
    world.ping(job, 0)
    world.run(100)
    world.ping(job, 110)
    world.run(120)
    _deliver(world, 120)
    _forget(world, retention, 29)
    assert world.events() == ["monitor_down", "monitor_up"]
    _forget(world, retention, 31)
    assert world.events() == []


def test_who_heard_of_an_outage_hears_of_its_end_months_later(world: World, retention: Retention) -> None:
    world.channel()
    job = world.monitor()
    world.ping(job, 0)
    world.run(100)
    _deliver(world, 100)
    _forget(world, retention, 60)
    world.ping(job, 60 * DAY)
    world.run(60 * DAY + 1)
    assert world.events() == ["monitor_down", "monitor_up"]
