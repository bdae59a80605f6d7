"""Brings the control store's tables to what this version needs (Alembic)."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0005"  # the newest revision in migrations/versions; a test holds it there


class TooNew(Exception):
    """The data directory was written by a newer Lastbeat."""


def migrate(path: Path) -> None:
    """Create or upgrade the tables of the SQLite file at `path`; does nothing, fast, when they are current."""
    if is_current(path):
        return
    # Imported here: Alembic takes longer to import than all other work of an ordinary start.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    path.touch(mode=0o600)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}".replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise TooNew(f"{path} was written by a newer version of Lastbeat ({error}); start that version, or restore a backup") from None


def is_current(path: Path) -> bool:
    """Whether the tables of the SQLite file at `path` are those of this version."""
    return _revision(path) == HEAD


def _revision(path: Path) -> str | None:
    if not path.exists():
        return None
    database = sqlite3.connect(path)
    try:
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        database.close()
    return str(row[0]) if row else None
