from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import BASE_URL, Program, installed

from config.settings import load
from lastbeat.installation import prepare


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


def test_a_directory_without_a_lastbeat_is_an_answer_and_stays_empty(program: Program, tmp_path: Path) -> None:
    sentence = f"There is no Lastbeat in {tmp_path}/none: give --data-dir, or start `lastbeat serve` there first."
    for command in (["project", "list"], ["api-key", "create"], ["monitor", "create", "job"], ["channel", "test", "ch_x"]):
        assert program.refused(*command, "--data-dir", f"{tmp_path}/none") == sentence
    assert not (tmp_path / "none").exists()


def test_the_option_wins_over_the_environment(program: Program, tmp_path: Path) -> None:
    other = installed(tmp_path / "other")
    other.control.close()
    program.run("project", "create", "Team Blue")
    assert [one["name"] for one in program.json("project", "list", "--data-dir", str(tmp_path / "other"))] == ["default"]


def test_a_setting_that_is_not_accepted_is_wrong_usage(program: Program) -> None:
    program.environ["LASTBEAT_PORT"] = "many"
    assert "LASTBEAT_PORT: 'many' is not accepted" in program.refused("project", "list", status=2)


def test_a_store_of_another_version_is_left_alone(program: Program) -> None:
    with sqlite3.connect(program.data / "control.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0002'")
    database.close()
    sentence = "control.db is of another version: `lastbeat serve` brings an older one up to date."
    assert program.refused("project", "list").endswith(sentence)


def test_a_file_that_is_no_store_gets_a_sentence(program: Program, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/control.db").write_text("no database" * 1_000)
    sentence = f"{tmp_path}/broken/control.db cannot be used: file is not a database."
    assert program.refused("project", "list", "--data-dir", str(tmp_path / "broken")) == sentence


def test_urls_are_those_of_the_server_as_it_was_last_started(program: Program) -> None:
    assert program.run("monitor", "create", "first").startswith(BASE_URL)
    prepare(load({"data_dir": str(program.data), "port": "8123"}, {}), 1)
    assert program.run("monitor", "create", "second").startswith("http://127.0.0.1:8123/ping/")


@pytest.mark.parametrize("command", ["project", "api-key", "monitor", "channel"])
def test_every_command_teaches_with_an_example(program: Program, command: str) -> None:
    lines = program.run(command, "--help").splitlines()
    assert [line for line in lines if line.startswith(f"    lastbeat {command} ")]
    for name in [line.split()[0] for line in lines[lines.index("Commands:") + 1 :]]:
        said = program.run(command, name, "--help")
        assert f"lastbeat {command} {name}" in said.partition("\n\n")[2]
        assert max(map(len, said.splitlines())) <= 80


def test_the_menu_shows_them_and_other_commands_start_without_them(program: Program) -> None:
    said = program.run("--help")
    names = [line.split()[0] for line in said.partition("Commands:\n")[2].splitlines()]
    assert names == sorted(names)
    assert {"project", "api-key", "monitor", "channel", "exec", "serve"} <= set(names)
    heavy = {"sqlalchemy", "flask", "marshmallow", "yaml", "msgspec", "gevent", "config", "store.model"}
    code = f"import sys, lastbeat.cli, lastbeat.commands.jobs; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
