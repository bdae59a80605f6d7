"""An older data directory is brought to the present tables with all that is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from store.control import Control, alerts, migrate, monitors, projects, standings
from store.model import Beat, Schedule


def _at(path: Path, revision: str) -> sqlite3.Connection:
    """A control store as the version of that revision left it."""
    path.touch()
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    command.upgrade(config, revision)
    return sqlite3.connect(path)


def test_projects_get_a_ping_key_and_monitors_keep_what_they_had(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    old = _at(path, "0002")
    old.executemany("INSERT INTO projects (id, name, plan, created_at) VALUES (?, ?, 'unlimited', 5)", [("prj_a", "a"), ("prj_b", "b")])
    old.execute(
        """INSERT INTO monitors (id, project_id, name, tags, interval, grace, timezone, token, created_at, updated_at, version)
        VALUES ('mon_1', 'prj_a', 'job', '["db"]', 60, 30, 'UTC', 'secret', 5, 5, 1)"""
    )
    old.execute("INSERT INTO beats (monitor_id, status, last_ping_at, expected_at, deadline) VALUES ('mon_1', 'up', 6, 7, 8)")
    old.commit()
    old.close()
    migrate.migrate(path)
    control = Control(path)
    with control.begin() as connection:
        found = projects.find(connection)
        (monitor, beat) = monitors.among(connection, ["mon_1"])["mon_1"]
        projects.create(connection, "c", "free", 9)
        assert len({project.ping_key for project in projects.find(connection)}) == 3
    control.close()
    assert [(project.id, project.plan, len(project.ping_key)) for project in found] == [
        ("prj_a", "unlimited", 22),
        ("prj_b", "unlimited", 22),
    ]
    assert (monitor.schedule, monitor.tags, monitor.methods, monitor.token) == (Schedule(60, 30), ("db",), "", "secret")
    assert beat == Beat("up", 6, 7, 8)


OLD_ROWS = [
    "INSERT INTO projects (id, name, plan, created_at) VALUES ('prj_a', 'a', 'unlimited', 5), ('prj_b', 'b', 'free', 6)",
    "INSERT INTO api_keys (id, project_id, name, hash, read_only, created_at) VALUES ('key_1', 'prj_a', 'k', 'hash', 0, 5)",
    """INSERT INTO channels (id, project_id, name, type, config, is_default, created_at, updated_at)
    VALUES ('ch_1', 'prj_b', 'sink', 'webhook', '{}', 1, 5, 5)""",
    """INSERT INTO monitors (id, project_id, name, slug, tags, interval, grace, timezone, token, created_at, updated_at, version)
    VALUES ('mon_1', 'prj_a', 'job', 'job', '["db"]', 60, 30, 'UTC', 'secret', 5, 5, 1)""",
    "INSERT INTO beats (monitor_id, status, last_ping_at, expected_at, deadline) VALUES ('mon_1', 'up', 6, 7, 8)",
    "INSERT INTO monitor_channels (monitor_id, channel_id) VALUES ('mon_1', 'ch_1')",
    """INSERT INTO incidents (id, project_id, monitor_id, cause, opened_at) VALUES ('inc_1', 'prj_a', 'mon_1', 'missed', 5)""",
    """INSERT INTO transitions (id, monitor_id, at, from_status, to_status, reason, incident_id)
    VALUES (1, 'mon_1', 5, 'up', 'down', 'missed', 'inc_1'), (2, 'mon_1', 6, 'down', 'up', 'ping', 'inc_1')""",
]


def _old_rows(revision: str) -> list[str]:
    """`OLD_ROWS` for the tables of that revision."""
    if revision < "0003":
        return OLD_ROWS
    columns, values = "id, name, plan, created_at, ping_key", "('prj_a', 'a', 'unlimited', 5, 'k'), ('prj_b', 'b', 'free', 6, 'l')"
    return [f"INSERT INTO projects ({columns}) VALUES {values}", *OLD_ROWS[1:]]


class Deaths:
    """What is left of the directory `home` when the process is killed before this or that statement, or before a commit.

    A killed process leaves behind what its files hold at that moment: they are read then, and `graves` are copies to go on from.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._left: dict[tuple[tuple[str, bytes], ...], None] = {}
        self.number = 0

    def graves(self, where: Path) -> Iterator[Path]:
        """A directory in `where` for each of the states, those that are the same once."""
        for number, files in enumerate(self._left):
            grave = where / f"grave{number}"
            grave.mkdir()
            for name, content in files:
                (grave / name).write_bytes(content)
            yield grave

    def __enter__(self) -> Deaths:
        for moment in ("before_cursor_execute", "commit"):
            event.listen(Engine, moment, self._die)
        return self

    def __exit__(self, *_: object) -> None:
        for moment in ("before_cursor_execute", "commit"):
            event.remove(Engine, moment, self._die)

    def _die(self, *_: object) -> None:
        self.number += 1
        self._left[tuple((path.name, path.read_bytes()) for path in sorted(self._home.iterdir()))] = None


def _rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All that is in the tables of `OLD_ROWS`."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    tables = [sql.split()[2] for sql in OLD_ROWS]
    found = {table: [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY 1")] for table in tables}
    database.close()
    return found


def _tables(path: Path) -> list[tuple[str, str]]:
    """The tables and indexes as they are defined."""
    database = sqlite3.connect(path)
    found = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    assert database.execute("PRAGMA foreign_key_check").fetchall() == database.execute("PRAGMA integrity_check").fetchall()[1:] == []
    database.close()
    return found


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_an_upgrade_that_is_killed_anywhere_is_made_by_the_next_start(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "data/control.db"
    path.parent.mkdir()
    old = _at(path, revision)
    old.execute("PRAGMA journal_mode=WAL")  # as `Control` leaves it
    for sql in _old_rows(revision):
        old.execute(sql)
    old.commit()
    old.close()
    before = _rows(path)
    with Deaths(path.parent) as deaths:
        migrate.migrate(path)
    assert deaths.number > 15
    for grave in deaths.graves(tmp_path):
        dead = grave / path.name
        assert _rows(dead) == before, "nothing is seen of an upgrade that did not end"
        migrate.migrate(dead)
        assert migrate.is_current(dead)
        assert _tables(dead) == _tables(path)
        for table, rows in _rows(dead).items():
            assert [{name: after[name] for name in was} for was, after in zip(before[table], rows, strict=True)] == before[table]


def test_a_first_start_that_is_killed_anywhere_is_made_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "data/control.db"
    path.parent.mkdir()
    with Deaths(path.parent) as deaths:
        migrate.migrate(path)
    assert deaths.number > 40
    for grave in deaths.graves(tmp_path):
        migrate.migrate(grave / path.name)
        assert migrate.is_current(grave / path.name)
        assert _tables(grave / path.name) == _tables(path)


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    old = _at(path, "0002")
    old.execute("CREATE TABLE durations (at INTEGER)")  # which the upgrade makes last
    old.commit()
    old.close()
    before = _tables(path)
    with pytest.raises(OperationalError, match="table durations already exists"):
        migrate.migrate(path)
    assert _tables(path) == before
    assert not migrate.is_current(path)


def test_alerts_stand_as_they_stood(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    old = _at(path, "0003")
    for sql in _old_rows("0003"):
        old.execute(sql)
    old.execute(
        """INSERT INTO metric_alerts (id, monitor_id, metric_key, operator, threshold, channel_id, consecutive, created_at, updated_at,
        state, breaches, last_sample_at, incident_id) VALUES
        ('alr_1', 'mon_1', 'v', '>', '100', NULL, 3, 5, 5, 'firing', 3, 9, 'inc_2'),
        ('alr_2', 'mon_1', 'w', '=', '"bad"', 'ch_1', 2, 6, 6, 'pending', 1, 9, NULL),
        ('alr_3', 'mon_1', 'x', '<', '1', NULL, 1, 7, 7, 'ok', 0, 9, NULL)"""
    )
    old.commit()
    old.close()
    migrate.migrate(path)
    control = Control(path)
    with control.read() as connection:
        found = alerts.find(connection, "mon_1")[0]
        stood = standings.of_monitors(connection, ["mon_1"])["mon_1"]
    control.close()
    assert [(a.id, a.threshold, a.consecutive, a.state, a.breaches) for a in found] == [
        ("alr_1", 100, 3, "firing", 3),
        ("alr_2", "bad", 2, "pending", 1),
        ("alr_3", 1, 1, "ok", 0),
    ]
    assert {rule: (one.state, one.incident_id) for rule, one in stood.items()} == {
        "alr_1": ("firing", "inc_2"),
        "alr_2": ("pending", None),
    }
