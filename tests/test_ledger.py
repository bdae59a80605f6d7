from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import BASE_URL, START, World

from rules import ledger
from rules.case import Case
from store.model import SECOND, Gap, Monitor, Ping


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


def _rows_written(world: World, monitor: Monitor, event: Callable[[Case], None]) -> int:
    """How many rows it takes to save the case after `event`."""
    with world.control.begin() as connection:
        before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        cases = ledger.load(connection, [monitor.id])
        event(cases[monitor.id])
        ledger.save(connection, cases.values(), BASE_URL, START)
        after = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
    return int(after - before)


def test_what_did_not_change_is_not_written(world: World) -> None:
    job = world.monitor()
    world.alert(job)
    world.ping(job, 0)
    world.run(1)
    elsewhere = Gap(world.at(9_000), world.at(8_000), world.at(9_000), "restart")
    assert _rows_written(world, job, lambda case: case.gap(elsewhere)) == 0
    assert _rows_written(world, job, lambda case: case.dismiss(case.rules, START, "paused")) == 0


def test_what_changed_is_written(world: World) -> None:
    job = world.monitor()
    alert = world.alert(job)
    assert _rows_written(world, job, lambda case: case.ping(Ping(START + SECOND, job.id, numbers={"v": 1.0}))) >= 2
    assert world.beat(job).last_ping_at == START + SECOND
    assert world.standing(alert).state == "ok"
    assert _rows_written(world, job, lambda case: case.ping(Ping(START + 2 * SECOND, job.id, numbers={"v": 500.0}))) == 4
    assert world.standing(alert).state == "firing"
