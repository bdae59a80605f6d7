from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from importing import VERSIONS, Home, Kuma

from lastbeat.imports import uptime_kuma
from lastbeat.imports.intake import SourceError
from store.model import Schedule

TOKEN = "t0k3nOfBackup"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    (tmp_path / "lastbeat").mkdir()
    one = Home(tmp_path / "lastbeat")
    yield one
    one.close()


@pytest.fixture
def kuma(tmp_path: Path) -> Kuma:
    (tmp_path / "kuma").mkdir()
    return Kuma(tmp_path / "kuma/kuma.db")


def words(text: str) -> str:
    return " ".join(text.split())


def remarks(kuma: Kuma) -> str:
    return " ".join(uptime_kuma.read(kuma.path).remarks)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_push_monitor_becomes_a_monitor_with_its_token(home: Home, tmp_path: Path, version: str) -> None:
    kuma = Kuma(tmp_path / "k.db", version)
    token = "A1b2C3d4E5f6G7h8I9j0" if version.startswith("1") else "A1b2C3d4E5f6G7h8I9j0A1b2C3d4E5f6"
    number = kuma.monitor("Backup", push_token=token, interval=3_600, maxretries=3, retry_interval=120)
    kuma.tag(number, "prod")
    kuma.tag(number, "host", "db1")
    kuma.tag(number, "empty", "")
    out = home.take("uptime-kuma", str(kuma.path), "--apply")
    assert out.exit_code == 0, out.output
    watched = home.there()[token]
    assert (watched.monitor.name, watched.monitor.tags, watched.beat.status) == ("Backup", ("prod", "host:db1", "empty"), "new")
    assert watched.monitor.schedule == Schedule(interval=3_600, grace=360)


@pytest.mark.parametrize(
    ("fields", "grace"),
    [
        ({}, 30),
        ({"maxretries": 1, "retry_interval": 20}, 30),
        ({"maxretries": 1, "retry_interval": 31}, 31),
        ({"maxretries": 2, "retry_interval": 0, "interval": 600}, 1_200),
        ({"maxretries": 0, "retry_interval": 900}, 30),
    ],
)
def test_grace_is_retries_times_retry_interval_and_never_less_than_that_of_a_new_monitor(
    kuma: Kuma, fields: dict[str, Any], grace: int
) -> None:
    kuma.monitor(**fields)
    assert uptime_kuma.read(kuma.path).found[0].definition["gracePeriod"] == grace


def test_a_monitor_is_paused_where_it_or_a_group_around_it_is(home: Home, kuma: Kuma) -> None:
    outer = kuma.monitor("outer", type="group", push_token=None, active=0)
    inner = kuma.monitor("inner", type="group", push_token=None, parent=outer)
    running = kuma.monitor("running", type="group", push_token=None)
    kuma.monitor(push_token="off", active=0)
    kuma.monitor(push_token="inOff", parent=inner)
    kuma.monitor(push_token="inRunning", parent=running)
    kuma.monitor(push_token="orphan", parent=999)
    home.take("uptime-kuma", str(kuma.path), "--apply")
    stati = {token: watched.beat.status for token, watched in home.there().items()}
    assert stati == {"off": "paused", "inOff": "paused", "inRunning": "new", "orphan": "new"}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"push_token": None}, "it has no push token"),
        ({"push_token": ""}, "it has no push token"),
        ({"push_token": "a/b"}, "its token has signs that cannot stand in a ping URL"),
        ({"upside_down": 1}, "it is upside down"),
        ({"interval": 0}, "interval: "),
        ({"interval": 40_000_000}, "interval: "),
        ({"push_token": "first"}, "'First' has the same token."),
    ],
)
def test_a_push_monitor_that_cannot_be_imported_says_why_and_the_others_are(
    home: Home, kuma: Kuma, fields: dict[str, Any], sentence: str
) -> None:
    kuma.monitor("First", push_token="first")
    kuma.monitor("Second", **fields)
    out = home.take("uptime-kuma", str(kuma.path), "--apply")
    assert out.exit_code == 1
    assert sentence in words(out.output)
    assert list(home.there()) == ["first"]


def test_monitors_of_other_types_are_counted_and_are_no_failure(home: Home, kuma: Kuma) -> None:
    kuma.monitor()
    for kind in ("http", "ping", "http", "group"):
        kuma.monitor(type=kind, push_token=None)
    out = home.take("uptime-kuma", str(kuma.path))
    assert out.exit_code == 0
    assert "waits for pings and sends none: 2 of type http, 1 of type group, 1 of type ping." in words(out.output)
    assert f"Push monitors in {kuma.path}: 1 to look at." in words(out.output)


def test_notifications_are_named_and_their_secrets_are_not(kuma: Kuma) -> None:
    kuma.notification("Ops", json.dumps({"name": "Ops", "type": "telegram", "telegramBotToken": "s3cr3t"}))
    kuma.notification(None, "not JSON")
    kuma.notification("List", "[]")
    assert "channels: List (of unknown type), Ops (telegram), unnamed (of unknown type)." in remarks(kuma)
    assert "s3cr3t" not in remarks(kuma)


def test_a_monitor_without_a_name_gets_one(kuma: Kuma) -> None:
    kuma.monitor(None)
    assert uptime_kuma.read(kuma.path).found[0].name == "push monitor 1"


def test_the_file_of_a_running_kuma_is_read_with_its_newest_changes(kuma: Kuma) -> None:
    with closing(sqlite3.connect(kuma.path)) as running:
        running.execute("INSERT INTO monitor (name, type, push_token) VALUES ('late', 'push', 'l4te')")
        running.commit()
        assert [found.token for found in uptime_kuma.read(kuma.path).found] == ["l4te"]
        assert "-wal" not in remarks(kuma)


def test_a_copy_is_read_with_what_was_copied_and_says_that_more_may_be_missing(kuma: Kuma, tmp_path: Path) -> None:
    kuma.monitor()
    with closing(sqlite3.connect(kuma.path)) as running:
        running.execute("INSERT INTO monitor (name, type, push_token) VALUES ('late', 'push', 'l4te')")
        running.commit()
        shutil.copy(kuma.path, tmp_path / "copy.db")
        both = tmp_path / "both"
        both.mkdir()
        for name in ("kuma.db", "kuma.db-wal"):
            shutil.copy(kuma.path.with_name(name), both)
    alone = uptime_kuma.read(tmp_path / "copy.db")
    assert [found.token for found in alone.found] == [TOKEN]
    assert "Beside copy.db there is no copy.db-wal." in " ".join(alone.remarks)
    assert {found.token for found in uptime_kuma.read(both / "kuma.db").found} == {TOKEN, "l4te"}


def test_nothing_is_left_beside_the_file_of_a_kuma_that_was_stopped(kuma: Kuma) -> None:
    kuma.monitor()
    before = kuma.path.read_bytes()
    uptime_kuma.read(kuma.path)
    assert [path.name for path in kuma.path.parent.iterdir()] == ["kuma.db"]
    assert kuma.path.read_bytes() == before


def test_a_name_that_is_no_text_is_read_all_the_same(kuma: Kuma) -> None:
    kuma.monitor()
    with closing(sqlite3.connect(kuma.path)) as database, database:
        database.execute("UPDATE monitor SET name = CAST(x'416cff' AS TEXT)")
    assert uptime_kuma.read(kuma.path).found[0].name == "Al\ufffd"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no file "),
        (b"", "has no table `monitor`, so it is not of Uptime Kuma"),
        (b"-- MariaDB dump 10.19" * 100, "is no SQLite database; give the path of kuma.db"),
    ],
)
def test_what_is_no_kuma_db_gets_a_sentence(home: Home, tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "some.db"
    if content is not None:
        path.write_bytes(content)
    out = home.take("uptime-kuma", str(path))
    assert (out.exit_code, sentence in words(out.output)) == (1, True), out.output
    assert str(path) in words(out.output)


def test_a_kuma_from_before_push_monitors_gets_a_sentence(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as database, database:
        database.execute("CREATE TABLE monitor (id INTEGER, name TEXT, type TEXT, interval INTEGER)")
    with pytest.raises(SourceError, match=r"too old for push monitors \(no push_token\); update it first"):
        uptime_kuma.read(tmp_path / "old.db")


def test_a_locked_file_gets_a_sentence(kuma: Kuma, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uptime_kuma, "_BUSY_SECONDS", 0)
    with closing(sqlite3.connect(kuma.path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceError, match="is locked by another program; try again, or stop Uptime Kuma"):
            uptime_kuma.read(kuma.path)


def test_a_file_that_cannot_be_opened_where_it_is_gets_a_sentence(kuma: Kuma) -> None:
    kuma.path.with_name("kuma.db-wal").mkdir()
    with pytest.raises(SourceError, match=r"cannot be opened where it is .*: copy it, together with kuma.db-wal where there is one"):
        uptime_kuma.read(kuma.path)


def test_an_old_file_of_a_kuma_that_is_on_mariadb_is_told_of(kuma: Kuma) -> None:
    kuma.path.with_name("db-config.json").write_text('{"type": "sqlite"}')
    assert "MariaDB" not in remarks(kuma)
    kuma.path.with_name("db-config.json").write_text('{"type": "mariadb", "hostname": "db"}')
    assert "db-config.json beside kuma.db says that this Uptime Kuma is on MariaDB now" in remarks(kuma)
