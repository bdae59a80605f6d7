"""One installation of Lastbeat: opening its control store, and what is made once, at its first start."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click
from sqlalchemy.exc import OperationalError
from werkzeug.security import check_password_hash, generate_password_hash

from config.settings import Settings
from ingest.gate import Gate
from lastbeat import clock
from lastbeat.places import Places
from store.control import Control, projects
from store.control import settings as values
from store.control.migrate import is_current, migrate
from store.model import Ns
from store.points.embedded import EmbeddedPoints

if TYPE_CHECKING:
    from store.points.influx import InfluxPoints

GIVEN = "given by LASTBEAT_API_KEY"  # the name of that key
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Welcome:
    """Secrets that were made just now and are shown this once; None where they were given, or made before."""

    api_key: str | None
    password: str | None


def control_path(settings: Settings) -> Path:
    return Path(unquote(settings.database_url.removeprefix("sqlite:///")))


def open_control(settings: Settings) -> Control:
    return Control(control_path(settings))


@contextmanager
def found_control(settings: Settings) -> Iterator[Control]:
    """The control store of an installation that there is, for a command beside its server; where it cannot be used the command ends."""
    path = control_path(settings)
    if not path.exists():
        raise click.ClickException(f"There is no Lastbeat in {settings.data_dir}: give --data-dir, or start `lastbeat serve` there first.")
    try:
        control = open_control(settings)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be used: {error.strerror}.") from None
    try:
        if not is_current(path):
            raise click.ClickException(f"{path} is of another version: `lastbeat serve` brings an older one up to date.")
        yield control
    except (OperationalError, sqlite3.DatabaseError) as error:
        raise click.ClickException(f"{path} cannot be used: {getattr(error, 'orig', error)}.") from None
    finally:
        control.close()


def open_points(settings: Settings) -> EmbeddedPoints | InfluxPoints:
    """The time-series store of this installation: InfluxDB where one is set, else the embedded one."""
    return open_embedded(settings) if settings.influxdb_url is None else open_influx(settings)


def open_embedded(settings: Settings) -> EmbeddedPoints:
    return EmbeddedPoints(Places(settings.data_dir).points)


def open_influx(settings: Settings) -> InfluxPoints:
    from store.points.influx import InfluxPoints  # loads a quarter of a second, for those who use it

    assert settings.influxdb_url is not None
    return InfluxPoints(settings.influxdb_url, settings.influxdb_bucket, settings.influxdb_org, settings.influxdb_token, clock.now)


def prepare(settings: Settings, now: Ns) -> Welcome:
    """Make what is missing: directories, tables, the default project with its key, the password of the pages."""
    places = Places(settings.data_dir)
    places.make()
    migrate(control_path(settings))
    secret_key(places)
    Gate(places.gate).close()  # made here, since of several workers that make it at once some would go without
    control = open_control(settings)
    try:
        with control.begin() as connection:
            first = values.get(connection, values.DEFAULT_PROJECT) is None
            if first:
                values.put(connection, values.DEFAULT_PROJECT, projects.create(connection, "default", "unlimited", now).id)
            # Commands beside the server do not know its flags.
            values.put(connection, values.BASE_URL, settings.base_url)
            values.put_plans(connection, settings.plans)
            project_id = values.get(connection, values.DEFAULT_PROJECT)
            assert project_id is not None
            key = projects.new_key() if first and settings.api_key is None else None
            if settings.api_key is not None:
                projects.replace_key(connection, project_id, GIVEN, settings.api_key, now)
            elif key is not None:
                projects.add_key(connection, project_id, "first key", key, now)
            stored = values.get(connection, values.ADMIN_PASSWORD_HASH)
            password = settings.admin_password or (None if stored else secrets.token_urlsafe(12))
            # Hashed again only when it changed: every new hash ends all sessions.
            if password is not None and not (stored and check_password_hash(stored, password)):
                values.put(connection, values.ADMIN_PASSWORD_HASH, generate_password_hash(password))
    finally:
        control.close()
    return Welcome(key, None if settings.admin_password else password)


def secret_key(places: Places) -> bytes:
    """The key that signs session cookies; made at the first start and kept, so that a restart logs nobody out."""
    with suppress(FileNotFoundError):
        kept = places.secret_key.read_bytes()
        if len(kept) >= _KEY_BYTES:  # else something took part of it, and anybody could sign with what is left
            return kept
    key = secrets.token_bytes(_KEY_BYTES)
    new = places.secret_key.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    new.replace(places.secret_key)
    return key
