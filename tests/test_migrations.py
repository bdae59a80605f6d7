"""An older data directory is brought to the present tables with all that is in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config

from store.control import Control, migrate, monitors, projects
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
