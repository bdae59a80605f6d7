from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import insert
from world import World

from store.control import monitors
from store.control.tables import transitions
from store.model import Monitor, Ns, Status, Transition
from store.points import Away, Refusal
from store.standing import DAY, EVERY, LOOK_BACK, OLD, Standing

NOW: Ns = 600 * EVERY + 5 * DAY
EDGE: Ns = 600 * EVERY


class Shelf:
    def __init__(self) -> None:
        self.states: set[tuple[str, Ns, Status]] = set()
        self.writes = 0
        self.away = False

    def write_states(self, written: Sequence[Transition]) -> list[Refusal]:
        if self.away:
            raise Away("InfluxDB does not answer", "refused")
        self.writes += 1
        self.states |= {(one.monitor_id, one.at, one.to_status) for one in written}
        return []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def became(world: World, monitor: Monitor, status: Status, at: Ns) -> None:
    row = {"monitor_id": monitor.id, "at": at, "from_status": "new", "to_status": status, "reason": "x"}
    with world.control.begin() as connection:
        connection.execute(insert(transitions).values(row))


def test_a_state_that_lasts_is_written_again_as_it_was_at_the_instant(world: World) -> None:
    shelf = Shelf()
    steady, changed, young, gone = (world.monitor(name=name) for name in ("steady", "changed", "young", "gone"))
    for monitor in (steady, changed, gone):
        became(world, monitor, "down", EDGE - 2 * OLD)
    became(world, steady, "up", EDGE - OLD - DAY)
    became(world, steady, "down", EDGE + DAY)  # after the instant, which says nothing about it
    became(world, changed, "up", EDGE - OLD + DAY)
    became(world, young, "up", EDGE - DAY)
    with world.control.begin() as connection:
        monitors.bury(connection, gone.id, NOW)
    assert Standing(world.control, shelf).step(NOW) is False
    assert shelf.states == {(steady.id, EDGE, "up")}


def test_it_is_done_once_for_each_instant_and_again_where_it_failed(world: World) -> None:
    shelf = Shelf()
    became(world, world.monitor(), "up", EDGE - OLD - DAY)
    shelf.away = True
    with pytest.raises(Away):
        Standing(world.control, shelf).step(NOW)
    shelf.away = False
    for now in (NOW, NOW + DAY, NOW + 2 * DAY):
        Standing(world.control, shelf).step(now)
    assert shelf.writes == 1
    Standing(world.control, shelf).step(NOW + EVERY)
    assert len(shelf.states) == 2


def test_whoever_looks_back_far_enough_always_finds_the_state(world: World) -> None:
    shelf = Shelf()
    monitor = world.monitor()
    began = EDGE + 7 * DAY
    became(world, monitor, "up", began)
    for day in range(400):
        now = began + day * DAY
        Standing(world.control, shelf).step(now)
        assert any(now - LOOK_BACK <= at <= now for at in {began, *(at for _, at, _ in shelf.states)}), day
