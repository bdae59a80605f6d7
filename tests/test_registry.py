from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.threadpool import ThreadPool
from msgspec.structs import replace
from world import START, World

from ingest.answer import Ambiguous, Unknown
from ingest.making import Making
from ingest.registry import Registry
from store.control import monitors
from store.model import SECOND, Monitor


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


@pytest.fixture
def registry(world: World) -> Registry:
    return Registry(world.control, ThreadPool(1), lambda: START, {}, Making(ThreadPool(1), lambda *_: None))


def _rotated(world: World, monitor: Monitor) -> Monitor:
    changed = replace(monitor, token=f"{monitor.token}-new")
    with world.control.begin() as connection:
        monitors.change(connection, changed)
    return changed


def test_a_url_is_looked_up_once_until_its_monitor_changes(world: World, registry: Registry) -> None:
    job = world.monitor()
    known = registry.lookup(job.token)
    assert known is not None
    assert known.id == job.id
    assert registry.lookup(job.token) is known
    with world.control.begin() as connection:
        monitors.change(connection, replace(job, name="renamed"))
    registry.step(START)
    changed = registry.lookup(job.token)
    assert changed is not None
    assert changed.name == "renamed"


def test_a_deleted_monitor_is_unknown_after_a_refresh(world: World, registry: Registry) -> None:
    job = world.monitor()
    assert registry.lookup(job.token)
    with world.control.begin() as connection:
        monitors.bury(connection, job.id, START)
    registry.step(START)
    assert registry.lookup(job.token) is None


def test_a_rotated_url_is_unknown_even_if_the_new_one_is_asked_before_the_refresh(world: World, registry: Registry) -> None:
    job = world.monitor()
    assert registry.lookup(job.token)
    rotated = _rotated(world, job)
    assert registry.lookup(rotated.token)
    registry.step(START)
    assert registry.lookup(job.token) is None
    assert registry.lookup(rotated.token)


def _change(world: World, monitor: Monitor, **fields: Any) -> None:
    with world.control.begin() as connection:
        monitors.change(connection, replace(monitor, **fields))


def test_a_change_lets_go_of_no_more_addresses_than_it_may_be_about(world: World, registry: Registry) -> None:
    key, jobs = world.project.ping_key, [world.monitor(slug=f"job-{n}") for n in range(3)]
    registry.step(START)
    before = [registry.lookup_slug(key, f"job-{n}") for n in range(3)]
    token = registry.lookup(jobs[0].token)
    _change(world, jobs[1], name="renamed")
    world.monitor(slug=None)
    registry.step(START)
    assert [registry.remembers(key, f"job-{n}") for n in range(3)] == [True, False, True]
    assert registry.lookup_slug(key, "job-0") is before[0]
    assert registry.lookup(jobs[0].token) is token


def test_a_slug_that_another_monitor_gets_is_looked_up_anew(world: World, registry: Registry) -> None:
    key = world.project.ping_key
    world.monitor(slug="job")
    other = world.monitor(slug="other")
    registry.step(START)
    assert registry.lookup_slug(key, "job")
    _change(world, other, slug="job")
    registry.step(START)
    with pytest.raises(Ambiguous):
        registry.lookup_slug(key, "job")


def test_a_slug_that_is_taken_away_is_forgotten_and_leaves_nothing_behind(world: World, registry: Registry) -> None:
    key, job = world.project.ping_key, world.monitor(slug="job-0")
    for n in range(5):
        assert registry.lookup_slug(key, f"job-{n}")
        _change(world, job, slug=f"job-{n + 1}")
        registry.step(START)
        assert registry.lookup_slug(key, f"job-{n}") is None
    assert (registry._known, registry._addresses, registry._alike) == ({}, {}, {})


def test_a_ping_key_of_nobody_is_told_from_a_slug_that_is_not_there(world: World, registry: Registry) -> None:
    assert registry.lookup_slug(world.project.ping_key, "job") is None
    with pytest.raises(Unknown):
        registry.lookup_slug("nobody", "job")


@pytest.mark.parametrize(("seconds", "remembered"), [(29, True), (31, False)])
def test_a_moment_without_the_store_stops_no_ping_and_a_long_one_is_not_trusted(
    world: World, registry: Registry, monkeypatch: pytest.MonkeyPatch, seconds: int, remembered: bool
) -> None:
    job = world.monitor()
    registry.step(START)
    assert registry.lookup(job.token)

    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(monitors, "slugs_changed_since", fail)
        with pytest.raises(sqlite3.OperationalError):
            registry.step(START + seconds * SECOND)
    with world.control.begin() as connection:  # buried and removed while nobody could hear of it
        monitors.remove(connection, job.id)
    assert (registry.lookup(job.token) is not None) is remembered
