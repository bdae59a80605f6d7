"""Single values that belong to the whole installation, by name."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from store.control.tables import settings
from store.model import Plan

ADMIN_PASSWORD_HASH = "admin_password_hash"  # noqa: S105  # the name of a setting
DEFAULT_PROJECT = "default_project"
BASE_URL = "base_url"  # by which jobs and people reach the server, as it was last started
PLANS = "plans"  # what projects could do in the server as it was last started


def get(connection: Connection, name: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def put(connection: Connection, name: str, value: str) -> None:
    row = insert(settings).values(name=name, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))


def drop(connection: Connection, name: str) -> None:
    connection.execute(delete(settings).where(settings.c.name == name))


def put_plans(connection: Connection, plans: Mapping[str, Plan]) -> None:
    put(connection, PLANS, msgspec.json.encode(plans).decode())


def plans(connection: Connection) -> dict[str, Plan]:
    """The plans of the server as it was last started, by name; none where no server has told of them yet."""
    return msgspec.json.decode(get(connection, PLANS) or "{}", type=dict[str, Plan])
