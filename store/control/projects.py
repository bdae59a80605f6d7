"""Projects and their API keys. A key is kept as its SHA-256: it is long and random, so a slow hash would protect nothing."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from store.control import monitors
from store.control.tables import api_keys, projects
from store.control.tables import monitors as watched
from store.model import ApiKey, Ns, Project, new_id

_OLDEST_FIRST = select(projects).order_by(projects.c.created_at, projects.c.id)
_PING_KEY = string.ascii_lowercase + string.digits


def new_key() -> str:
    return f"lb_{secrets.token_urlsafe(24)}"


def new_ping_key() -> str:
    """22 small letters and digits, as Healthchecks makes them: 110 random bits."""
    return "".join(secrets.choice(_PING_KEY) for _ in range(22))


def create(connection: Connection, name: str, plan: str, now: Ns) -> Project:
    project = Project(id=new_id("prj"), name=name, plan=plan, created_at=now, ping_key=new_ping_key())
    connection.execute(insert(projects).values({field: getattr(project, field) for field in Project.__struct_fields__}))
    return project


def get(connection: Connection, project_id: str) -> Project | None:
    row = connection.execute(select(projects).where(projects.c.id == project_id)).mappings().first()
    return Project(**row) if row else None


def find(connection: Connection) -> list[Project]:
    """All projects, the oldest first."""
    return _listed(connection, _OLDEST_FIRST)


def count(connection: Connection) -> int:
    """How many projects there are."""
    return connection.execute(select(func.count()).select_from(projects)).scalar_one()


def monitor_counts(connection: Connection) -> dict[str, int]:
    """How many monitors each project has, by its id; those without any are left out."""
    each = select(watched.c.project_id, func.count()).where(watched.c.deleted_at.is_(None)).group_by(watched.c.project_id)
    return dict(connection.execute(each).all())


def named(connection: Connection, name: str) -> list[Project]:
    """The projects of exactly this name: more than one, where nobody took care."""
    return _listed(connection, _OLDEST_FIRST.where(projects.c.name == name))


def by_ping_key(connection: Connection, ping_key: str) -> Project | None:
    row = connection.execute(select(projects).where(projects.c.ping_key == ping_key)).mappings().first()
    return Project(**row) if row else None


def change(connection: Connection, project_id: str, **fields: str) -> None:
    """Give the project another `name`, `plan` or `ping_key`; the workers know of it within a second."""
    connection.execute(update(projects).where(projects.c.id == project_id).values(fields))
    monitors.touch(connection, project_id)


def remove(connection: Connection, project_id: str, heir: str, now: Ns) -> None:
    """Delete the project with its keys, channels and history; its monitors are buried in `heir`, the id of another project.

    Their rows must outlive it, until every worker has seen them go and their points are forgotten; buried, nobody sees them there.
    """
    monitors.bury_all(connection, project_id, heir, now)
    connection.execute(delete(projects).where(projects.c.id == project_id))


def add_key(connection: Connection, project_id: str, name: str, key: str, now: Ns, *, read_only: bool = False) -> ApiKey:
    """Make `key` open the project. A key that exists already keeps what it opens."""
    found = by_key(connection, key)
    if found is not None:
        return found[1]
    made = ApiKey(id=new_id("key"), project_id=project_id, name=name, read_only=read_only, created_at=now)
    connection.execute(
        insert(api_keys).values(id=made.id, project_id=project_id, name=name, hash=_hash(key), read_only=read_only, created_at=now)
    )
    return made


def replace_key(connection: Connection, project_id: str, name: str, key: str, now: Ns) -> None:
    """Make `key` open the project, and no other key of that name any more."""
    others = (api_keys.c.project_id == project_id, api_keys.c.name == name, api_keys.c.hash != _hash(key))
    connection.execute(delete(api_keys).where(*others))
    add_key(connection, project_id, name, key, now)


def keys(connection: Connection, project_id: str) -> list[ApiKey]:
    """What is known of the project's keys, the oldest first."""
    query = select(api_keys).where(api_keys.c.project_id == project_id).order_by(api_keys.c.created_at, api_keys.c.id)
    return [_key(row) for row in connection.execute(query).mappings()]


def revoke(connection: Connection, key_id: str) -> ApiKey | None:
    """Let this key open nothing any more; returns what was known of it, None where there is no such key."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    connection.execute(delete(api_keys).where(api_keys.c.id == key_id))
    return _key(row) if row else None


def by_key(connection: Connection, key: str) -> tuple[Project, ApiKey] | None:
    """The project that `key` opens, and what is known of the key."""
    row = connection.execute(select(api_keys).where(api_keys.c.hash == _hash(key))).mappings().first()
    if row is None:
        return None
    project = get(connection, row["project_id"])
    assert project is not None  # a foreign key
    return project, _key(row)


def _listed(connection: Connection, query: Select[Any]) -> list[Project]:
    return [Project(**row) for row in connection.execute(query).mappings()]


def _key(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(**{f: row[f] for f in ApiKey.__struct_fields__})


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
