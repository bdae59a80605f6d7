from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program, installed

from config.settings import load
from lastbeat.installation import prepare
from store.control import projects
from store.model import ApiKey, Project


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


def found(program: Program, key: str) -> tuple[Project, ApiKey]:
    with program.control.read() as connection:
        opened = projects.by_key(connection, key)
    assert opened is not None
    return opened


def test_a_key_is_all_that_standard_output_gets(program: Program) -> None:
    said = program.run("api-key", "create", "--name", "deploy")
    project, key = found(program, said.removesuffix("\n"))
    assert (project.name, key.name, key.read_only) == ("default", "deploy", False)
    assert program.complained == (
        f"This key opens the project 'default'. It is not shown again; `lastbeat api-key revoke {key.id}` ends it.\n"
    )


def test_a_key_that_only_looks_belongs_to_the_project_that_was_asked_for(program: Program) -> None:
    program.run("project", "create", "Team Blue")
    made = program.json("api-key", "create", "--project", "Team Blue", "--read-only")
    project, key = found(program, made["apiKey"])
    assert (project.name, key.read_only) == ("Team Blue", True)
    assert (made["id"], made["projectId"], made["name"], made["readOnly"]) == (key.id, project.id, "made on the command line", True)


def test_keys_are_listed_but_never_shown(program: Program) -> None:
    first, second = program.json("api-key", "list")[0], program.json("api-key", "create", "--read-only", "--name", "grafana")
    assert program.run("api-key", "list").splitlines() == [
        "ID                    NAME       ACCESS          MADE ON",
        f"{first['id']}  first key  read and write  2023-11-14",
        f"{second['id']}  grafana    read-only       {second['createdAt'][:10]}",
    ]
    listed = program.json("api-key", "list")
    assert listed[1] == {name: second[name] for name in second if name != "apiKey"}
    assert "lb_" not in program.said


def test_a_key_that_is_revoked_opens_nothing(program: Program) -> None:
    made, other = program.json("api-key", "create"), program.json("api-key", "create")
    said = program.run("api-key", "revoke", made["id"])
    assert said == f"The API key {made['id']} (made on the command line) opens nothing any more.\n"
    assert (program.opens(made["apiKey"]), program.opens(other["apiKey"])) == (None, "default")
    program.refused("api-key", "revoke", made["id"])


def test_a_key_in_the_place_of_its_id_is_not_repeated(program: Program) -> None:
    key = program.json("api-key", "create")["apiKey"]
    assert program.refused("api-key", "revoke", key) == "There is no API key of this id; `lastbeat api-key list` shows those of a project."
    assert program.opens(key) == "default"


def test_the_key_of_the_environment_comes_back_and_that_is_said(program: Program) -> None:
    prepare(load({}, {"LASTBEAT_DATA_DIR": str(program.data), "LASTBEAT_API_KEY": "lb_0123456789abcdefghij"}), 1)
    (given,) = (key["id"] for key in program.json("api-key", "list") if key["name"] == "given by LASTBEAT_API_KEY")
    program.run("api-key", "revoke", given)
    assert program.complained == "The next start of the server brings it back, unless LASTBEAT_API_KEY is changed before.\n"


def test_a_project_without_keys_says_how_to_make_one(program: Program) -> None:
    program.run("api-key", "revoke", program.json("api-key", "list")[0]["id"])
    assert program.run("api-key", "list") == ""
    assert program.complained == "The project 'default' has no API keys; `lastbeat api-key create` makes one.\n"
    assert program.json("api-key", "list") == []
