"""Work is proportional to news: what a round of the rules costs does not depend on how many monitors wait in peace.

Counted are the instructions that SQLite executes, which are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, event, insert
from world import World

from store.control.tables import beats, monitors
from store.rule import Match, Rule

FEW, MANY = 300, 3_000  # who waits in peace
JOBS = 40
RULES = (
    Rule("silent", "heartbeat", "Silent", match=Match(all=True)),
    Rule("early", "heartbeat", "Silent for long", match=Match(tags=("watched",)), grace=600),
)
_EVERY = 10  # instructions between two calls of the counter


def _world(home: Path, waiting: int) -> World:
    """One with so many monitors from which nothing is expected for an hour."""
    home.mkdir()
    world = World(home)
    ids = [f"mon_{n}" for n in range(waiting)]
    fixed = {"project_id": world.project.id, "tags": [], "interval": 3_600, "grace": 60, "timezone": "UTC"}
    fixed |= {"created_at": 0, "updated_at": 0}
    waits = {"status": "up", "last_ping_at": world.at(0), "expected_at": world.at(3_600)}
    with world.control.begin() as connection:
        connection.execute(insert(monitors), [fixed | {"id": i, "name": i, "token": i, "version": n} for n, i in enumerate(ids)])
        connection.execute(insert(beats), [waits | {"monitor_id": i, "deadline": world.at(3_660 + n)} for n, i in enumerate(ids)])
    return world


def _instructions(work: Callable[[], object]) -> int:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    def watch(connection: Connection, *_: object) -> None:
        database = connection.connection.driver_connection
        assert database is not None
        database.set_progress_handler(count, _EVERY)

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", watch)
    return calls * _EVERY


def _costs(home: Path, waiting: int) -> dict[str, int]:
    world = _world(home, waiting)
    world.channel()
    world.guard._hold = 0  # all who ping fall silent at once
    watched = [world.monitor(name=f"watched {n}", tags=("watched",)) for n in range(JOBS)]
    for monitor in watched[: JOBS // 2]:
        world.alert(monitor)
    world.follow(*RULES)
    world.run(1)
    costs = {"an idle round": _instructions(lambda: world.run(2))}
    for n, monitor in enumerate(watched):
        world.ping(monitor, 3 + n / JOBS, numbers={"v": 200.0})
    costs["pings"] = _instructions(lambda: world.run(20))
    world.gap(25, 26, "stall")
    costs["a stall"] = _instructions(lambda: world.run(30))
    costs["missed deadlines"] = _instructions(lambda: world.run(120))
    assert world.events() == ["metric_alert"] * (JOBS // 2) + ["monitor_down"] * JOBS
    costs["rules that are due"] = _instructions(lambda: world.run(700))
    assert world.events()[JOBS // 2 + JOBS :] == ["monitor_down"] * JOBS
    world.close()
    return costs


def test_what_a_round_costs_does_not_depend_on_how_many_wait_in_peace(tmp_path: Path) -> None:
    few, many = _costs(tmp_path / "few", FEW), _costs(tmp_path / "many", MANY)
    assert min(few.values()) > 0
    assert {name: round(many[name] / cost, 1) for name, cost in few.items()} == dict.fromkeys(few, 1.0)
