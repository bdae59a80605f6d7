from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from config.settings import Settings, load
from lastbeat.installation import open_control, prepare, secret_key
from lastbeat.places import Places
from store.control import projects
from store.model import Project


def _settings(data: Path, **environ: str) -> Settings:
    return load({}, {"LASTBEAT_DATA_DIR": str(data), "LASTBEAT_ADMIN_PASSWORD": "correct horse battery", **environ})


def _opened(settings: Settings, key: str) -> Project | None:
    control = open_control(settings)
    with control.read() as connection:
        found = projects.by_key(connection, key)
    control.close()
    return found and found[0]


def test_the_key_of_sessions_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    places = Places(tmp_path)
    key = secret_key(places)
    assert len(key) == 32
    assert secret_key(places) == key
    assert places.secret_key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [places.secret_key.name]


@pytest.mark.parametrize("left", [b"", b"half of it"])
def test_a_key_of_sessions_that_a_power_cut_left_short_is_made_anew(tmp_path: Path, left: bytes) -> None:
    places = Places(tmp_path)
    places.secret_key.write_bytes(left)
    key = secret_key(places)
    assert len(key) == 32
    assert secret_key(places) == key


def test_a_changed_api_key_replaces_the_one_that_was_given_before(tmp_path: Path) -> None:
    first, second = "lb_the_first_of_all_keys", "lb_one_that_has_leaked_since"
    shown = prepare(_settings(tmp_path), 1).api_key
    assert shown is not None
    for key in (first, first, second):
        settings = _settings(tmp_path, LASTBEAT_API_KEY=key)
        assert prepare(settings, 2).api_key is None
        assert _opened(settings, key) is not None
    assert _opened(settings, first) is None
    assert _opened(settings, shown) == _opened(settings, second), "a key that was made here is not touched"
    prepare(_settings(tmp_path), 3)
    assert _opened(settings, second) is not None, "without a key nothing is taken away"


def test_the_workers_find_a_gate_that_is_made(tmp_path: Path) -> None:
    prepare(_settings(tmp_path), 1)
    gate = sqlite3.connect(Places(tmp_path).gate)
    assert gate.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert gate.execute("SELECT count(*) FROM places").fetchone() == (0,)
    gate.close()
