from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from world import World

from lastbeat.vitals import Vitals
from store import lag
from store.model import Ping
from store.points import Away, Points, Refusal
from store.points.embedded import EmbeddedPoints


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def vitals(world: World, tmp_path: Path) -> tuple[Vitals, EmbeddedPoints]:
    points = EmbeddedPoints(tmp_path / "points.db")
    (tmp_path / "counters").mkdir()
    return Vitals(world.control, tmp_path / "counters", world.inboxes, points), points


def written(points: EmbeddedPoints) -> Sequence[Ping]:
    return points.pings("lastbeat", limit=10)


def test_what_the_stores_hold_becomes_one_ping_of_a_monitor_called_lastbeat(world: World, tmp_path: Path) -> None:
    step, points = vitals(world, tmp_path)
    world.channel()
    monitor = world.monitor(interval=60, grace=30)
    world.ping(monitor, 0)
    world.run(100)
    world.ping(monitor, 101)
    assert step.step(world.at(105)) is False
    (ping,) = written(points)
    assert ping.at == world.at(105)
    told = {"monitors.down": 1, "monitors.up": 0, "monitors.late": 0, "outbox.pending": 1, "outbox.dead": 0, "ship_lag_rows": 2}
    assert {name: ping.numbers[name] for name in told} == told
    assert ping.numbers["ship_lag_seconds"] == 105
    points.close()


def test_while_pings_wait_for_a_store_that_is_away_their_shipping_asks_it_alone(world: World, tmp_path: Path) -> None:
    step, points = vitals(world, tmp_path)
    world.ping(world.monitor(), 0)
    with world.control.begin() as connection:
        lag.note(connection, Away("InfluxDB does not answer", "refused"), world.at(0))
    step.step(world.at(1))
    assert written(points) == []
    points.close()


class Gone:
    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        raise Away("InfluxDB does not answer", "refused")


def test_an_outage_is_told_and_taken_back_also_while_there_is_nothing_to_ship(world: World, tmp_path: Path) -> None:
    step, points = vitals(world, tmp_path)
    away = Vitals(world.control, tmp_path / "counters", world.inboxes, cast(Points, Gone()))
    assert away.step(world.at(1)) is False
    assert away.step(world.at(16)) is False
    said = lag.measure(world.control, world.inboxes).sentence(world.at(20))
    assert said == "InfluxDB does not answer since 2023-11-14T22:13:21.000Z (refused)."
    step.step(world.at(31))
    assert lag.measure(world.control, world.inboxes).sentence(world.at(32)) is None
    assert len(written(points)) == 1
    points.close()
