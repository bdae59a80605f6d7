from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World

import store.retention
from store.control import history, monitors, outbox
from store.model import SECOND, Monitor, Ns, Status
from store.points import PointsError
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


def _told_outage(world: World) -> None:
    """A monitor was down and is up again, and its channel has heard of both."""
    world.channel()
    job = world.monitor()
    world.ping(job, 0)
    world.run(100)
    world.ping(job, 110)
    world.run(120)
    _deliver(world, 120)


def _forget(world: World, retention: Retention, day: float) -> None:
    while retention.step(world.at(day * DAY)):
        pass


def test_delivered_messages_are_forgotten_after_a_month(world: World, retention: Retention) -> None:
    _told_outage(world)
    _forget(world, retention, 29)
    assert world.events() == ["monitor_down", "monitor_up"]
    _forget(world, retention, 31)
    assert world.events() == []


def test_points_that_cannot_be_used_hold_up_nothing_else(world: World, retention: Retention, tmp_path: Path) -> None:
    (tmp_path / "points.db").write_bytes(b"surely no database " * 100)
    _told_outage(world)
    with pytest.raises(PointsError):
        retention.step(world.at(31 * DAY))
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


def _history(world: World, job: Monitor, start: float = 0) -> list[tuple[Ns, Status]]:
    with world.control.read() as connection:
        return [(t.at, t.to_status) for t in history.of_monitor(connection, job.id, world.at(start), world.at(1_000 * DAY))]


def _incidents(world: World, job: Monitor) -> list[Ns]:
    with world.control.read() as connection:
        return [incident.opened_at for incident in history.incidents_of(connection, job.id)]


def test_old_history_is_forgotten_but_for_the_state_it_led_to(world: World, retention: Retention) -> None:
    jobs = [world.monitor(), world.monitor()]
    for job in jobs:
        world.ping(job, 0)
    world.run(100)
    for job in jobs:
        world.ping(job, 110)
    world.run(120)
    world.ping(jobs[0], 50 * DAY)
    world.run(50 * DAY + 1)
    before = [_history(world, job, 80 * DAY) for job in jobs]
    _forget(world, retention, 100)
    assert _history(world, jobs[0]) == [(world.at(200), "down"), (world.at(50 * DAY), "up")]
    assert _history(world, jobs[1]) == [(world.at(200), "down")]
    assert [_history(world, job, 80 * DAY) for job in jobs] == before, "charts see what they saw"
    assert _incidents(world, jobs[0]) == [world.at(200)]
    assert _incidents(world, jobs[1]) == [world.at(200)], "which is open"
    _forget(world, retention, 200)
    assert _history(world, jobs[0]) == [(world.at(50 * DAY), "up")]
    assert _incidents(world, jobs[0]) == []


def test_more_than_one_piece_is_forgotten_in_pieces(world: World, retention: Retention, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.retention, "_CONTROL_ROWS", 2)
    job = world.monitor()
    for n in range(5):
        world.ping(job, n * 1_000)
    world.run(5_000)
    _forget(world, retention, 100)
    assert len(_history(world, job)) == 1
    assert len(_incidents(world, job)) == 1


def test_the_numbers_of_what_was_forgotten_are_not_given_again(world: World) -> None:
    job, other = world.monitor(), world.monitor()
    world.ping(job, 0)
    world.run(1)
    with world.control.begin() as connection:
        ((first, _),) = history.after(connection, 0, 10)
        monitors.remove(connection, job.id)
    world.ping(other, 2)
    world.run(3)
    with world.control.read() as connection:
        assert [t.monitor_id for _, t in history.after(connection, first, 10)] == [other.id]
