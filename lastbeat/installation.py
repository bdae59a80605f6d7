"""One installation of Lastbeat: opening its control store, and what is made once, at its first start."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from werkzeug.security import check_password_hash, generate_password_hash

from config.settings import Settings
from lastbeat import clock
from lastbeat.places import Places
from store.control import Control, projects
from store.control import settings as values
from store.control.migrate import migrate
from store.model import Ns
from store.points.embedded import EmbeddedPoints

if TYPE_CHECKING:
    from store.points.influx import InfluxPoints

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
    control = open_control(settings)
    try:
        with control.begin() as connection:
            first = values.get(connection, values.DEFAULT_PROJECT) is None
            if first:
                values.put(connection, values.DEFAULT_PROJECT, projects.create(connection, "default", "unlimited", now).id)
            project_id = values.get(connection, values.DEFAULT_PROJECT)
            assert project_id is not None
            key = projects.new_key() if first and settings.api_key is None else None
            if settings.api_key is not None:
                projects.replace_key(connection, project_id, "given by LASTBEAT_API_KEY", settings.api_key, now)
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
