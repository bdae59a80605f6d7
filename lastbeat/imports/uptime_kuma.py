"""Reads the push monitors of an Uptime Kuma from its SQLite file, of versions 1 and 2. The file is not written to."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from lastbeat.imports.intake import Found, Source, SourceError

# Uptime Kuma declares a push monitor down one second after its interval, and people get alarms for jobs that take a little longer. What
# is waited for here at least is the grace period that new monitors get.
LEAST_GRACE: Final = 30

_BUSY_SECONDS: Final = 5
_NEEDED: Final = {"id", "name", "type", "interval", "push_token"}
# What was added later, and what it is where the column is missing.
_ADDED: Final = {"active": "1", "maxretries": "0", "retry_interval": "0", "upside_down": "0", "parent": "NULL"}
_MARIADB = (
    "Uptime Kuma on MariaDB keeps its monitors there: copy the tables monitor, tag, monitor_tag and notification into an SQLite file, and "
    "give that"
)

Row = Mapping[str, Any]


def read(path: Path) -> Source:
    """All monitors in a `kuma.db`, that of a running Uptime Kuma or a copy. Raises SourceError."""
    try:
        with closing(_open(path)) as database:
            database.execute("BEGIN")  # one moment, whatever is written meanwhile
            monitors = _monitors(database, path)
            tags = _tags(database)
            notifications = _notifications(database)
    except sqlite3.Error as error:
        raise SourceError(_reason(path, error)) from None
    pushed = [row for row in monitors if row["type"] == "push"]
    parents = {row["id"]: row for row in monitors}
    found = [_found(row, tags.get(row["id"], []), _paused(row, parents)) for row in pushed]
    advice = (
        "Jobs push to /api/push/<token> of Uptime Kuma: point its name to Lastbeat, which answers the same paths. "
        'Each monitor is "new" until its first push arrives here: watch which ones stay so.'
    )
    return Source(f"Push monitors in {path}", found, list(_remarks(path, monitors, found, notifications)), advice)


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise SourceError(f"there is no file {path}; give the path of kuma.db, which is in Uptime Kuma's data directory. {_MARIADB}")
    mode = "immutable=1" if _closed(path) else "mode=ro"
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.text_factory = lambda data: data.decode(errors="replace")
    return database


def _closed(path: Path) -> bool:
    """Whether a file in WAL mode has nothing beside it, as nobody has it open.

    Opened the usual way, SQLite would leave files there that are ours, and Uptime Kuma, being another user, could not be started again.
    """
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return head[18:20] == b"\x02\x02" and not path.with_name(path.name + "-wal").exists()


def _monitors(database: sqlite3.Connection, path: Path) -> list[Row]:
    there = {row["name"] for row in database.execute("PRAGMA table_info(monitor)")}
    if not there:
        raise SourceError(f"{path} has no table `monitor`, so it is not of Uptime Kuma; give the path of kuma.db. {_MARIADB}")
    if missing := _NEEDED - there:
        raise SourceError(f"{path} is of an Uptime Kuma too old for push monitors (no {min(missing)}); update it first")
    added = [name if name in there else f"{default} AS {name}" for name, default in _ADDED.items()]
    return database.execute(f"SELECT {', '.join([*sorted(_NEEDED), *added])} FROM monitor ORDER BY name, id").fetchall()


def _tags(database: sqlite3.Connection) -> dict[int, list[str]]:
    tags: dict[int, list[str]] = {}
    if _has(database, "monitor_tag") and _has(database, "tag"):
        query = "SELECT monitor_id, name, value FROM monitor_tag JOIN tag ON tag.id = monitor_tag.tag_id ORDER BY monitor_tag.id"
        for row in database.execute(query):
            tags.setdefault(row["monitor_id"], []).append(f"{row['name']}:{row['value']}" if row["value"] else row["name"])
    return tags


def _notifications(database: sqlite3.Connection) -> list[str]:
    if not _has(database, "notification"):
        return []
    return [f"{row['name'] or 'unnamed'} ({_type(row['config'])})" for row in database.execute("SELECT name, config FROM notification")]


def _type(config: str | None) -> str:
    """The kind of a notification; the rest of its configuration is secrets."""
    try:
        found = json.loads(config or "")
    except ValueError:
        return "of unknown type"
    return str(found.get("type", "of unknown type")) if isinstance(found, dict) else "of unknown type"


def _has(database: sqlite3.Connection, table: str) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone() is not None


def _found(row: Row, tags: Sequence[str], paused: bool) -> Found:
    # It is asked `maxretries` more times before it is declared down, at `retry_interval`, or where that is 0 at its interval.
    retries = (row["maxretries"] or 0) * (row["retry_interval"] or row["interval"] or 0)
    name = (row["name"] or "").strip() or f"push monitor {row['id']}"
    definition = {
        "name": name,
        "tags": list(dict.fromkeys(tags)),
        "interval": row["interval"],
        "gracePeriod": max(retries, LEAST_GRACE),
    }
    return Found(name, row["push_token"] or "", definition, paused, _objection(row))


def _objection(row: Row) -> str | None:
    if not row["push_token"]:
        return "it has no push token; open and save it there, and import again"
    if row["upside_down"]:
        return "it is upside down: a push means down and silence means up, which is not to be had here"
    return None


def _paused(row: Row, parents: Mapping[int, Row]) -> bool:
    """Whether it is paused, or any group that it is in."""
    seen = set()
    at: Row | None = row
    while at is not None and at["id"] not in seen:
        if not at["active"]:
            return True
        seen.add(at["id"])
        at = parents.get(at["parent"])
    return False


def _remarks(path: Path, monitors: Sequence[Row], found: Sequence[Found], notifications: Sequence[str]) -> Iterator[str]:
    others = Counter(row["type"] for row in monitors if row["type"] != "push")
    if others:
        listed = ", ".join(f"{count} of type {kind}" for kind, count in sorted(others.items(), key=lambda one: (-one[1], one[0])))
        yield f"Not imported, as Lastbeat waits for pings and sends none: {listed}."
    if notifications:
        yield f"Notifications are to be set up anew here, as channels: {', '.join(sorted(notifications))}."
    if found:
        yield "Not taken over are the history of heartbeats, status pages, maintenance, groups, and reminders while a monitor stays down."
        yield (
            f"The grace period is made of retries × retry interval there, and is at least {LEAST_GRACE} s here, where Uptime Kuma gives a "
            "push without retries one second."
        )
    if _closed(path):
        yield (
            f"Beside {path.name} there is no {path.name}-wal. That is right where Uptime Kuma was stopped; a copy that was made while it "
            "ran lacks the newest changes, so copy both files."
        )
    if _on_mariadb(path):
        yield f"db-config.json beside {path.name} says that this Uptime Kuma is on MariaDB now, and the file may be old. {_MARIADB}."


def _on_mariadb(path: Path) -> bool:
    try:
        config = json.loads(path.with_name("db-config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("type") not in (None, "sqlite")


def _reason(path: Path, error: sqlite3.Error) -> str:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is no SQLite database; give the path of kuma.db, which is in Uptime Kuma's data directory"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another program; try again, or stop Uptime Kuma and give a copy of the file"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return (
            f"{path} cannot be opened where it is ({error}): copy it, together with {path.name}-wal where there is one, into a directory "
            "that you may write to, and give the copy"
        )
    return f"{path} cannot be read ({error}); stop Uptime Kuma, and give a copy of the file"
