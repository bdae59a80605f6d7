from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program, installed
from receiver import Receiver, Told

from store.control import channels
from store.model import Channel

SECRET = "correct horse battery"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def stored(program: Program) -> list[Channel]:
    with program.control.read() as connection:
        return channels.find(connection, program.projects()["default"].id)[0]


def test_a_channel_is_made_and_its_id_is_all_that_standard_output_gets(program: Program) -> None:
    said = program.run("channel", "create", "ops", "--url", "https://example.org/hook", "--default")
    (channel,) = stored(program)
    assert said == f"{channel.id}\n"
    assert program.complained == f"The channel 'ops' is there; `lastbeat channel test {channel.id}` sends a test.\n"
    assert (channel.name, channel.type, channel.config, channel.is_default) == ("ops", "webhook", {"url": "https://example.org/hook"}, True)


def test_a_secret_is_kept_and_never_printed(program: Program) -> None:
    config = json.dumps({"url": "https://example.org/", "secret": SECRET, "headers": {"x-token": SECRET}})
    made = program.json("channel", "create", "ops", "--config", config)
    assert (made["config"], made["isDefault"]) == (
        {"url": "https://example.org/", "secret": "••••••", "headers": {"x-token": "••••••"}},
        False,
    )
    assert stored(program)[0].config["secret"] == SECRET
    assert program.json("channel", "list") == [made]
    assert SECRET not in program.said + program.run("channel", "list")


def test_a_configuration_is_read_from_standard_input(program: Program) -> None:
    given = json.dumps({"url": "https://example.org/", "secret": SECRET})
    program.run("channel", "create", "ops", "--config", "-", "--url", "https://example.org/other", given=given)
    assert stored(program)[0].config == {"url": "https://example.org/other", "secret": SECRET}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Where to? Give --url or --config."),
        (["--config", "{"], "--config is no JSON: Expecting property name enclosed in double quotes"),
        (["--config", "[]"], '--config must be a JSON object, such as {"url": "https://example.org/hook"}.'),
        (["--url", "ftp://x"], "--config url: 'ftp://x' is no URL to send to; give http:// or https:// with a host."),
        (["--url", "http://x", "--type", "pigeon"], "--type: Must be one of: "),
    ],
)
def test_what_cannot_be_a_channel_is_wrong_usage(program: Program, options: list[str], sentence: str) -> None:
    assert program.refused("channel", "create", "ops", *options, status=2).startswith(sentence)
    assert stored(program) == []


def test_channels_are_listed_with_their_last_error(program: Program) -> None:
    ids = [program.json("channel", "create", name, "--url", "https://example.org/")["id"] for name in ("chat", "ops")]
    with program.control.begin() as connection:
        channels.note_delivery(connection, ids[1], "it answered 500", 1)
    assert program.run("channel", "list").splitlines() == [
        "ID                   NAME  TYPE     DEFAULT  LAST ERROR",
        f"{ids[0]}  chat  webhook",
        f"{ids[1]}  ops   webhook           it answered 500",
    ]


def test_a_project_without_channels_says_how_to_make_one(program: Program) -> None:
    assert program.run("channel", "list") == ""
    assert program.complained == "The project 'default' has no channels; `lastbeat channel create` makes one.\n"


def test_a_test_arrives_or_says_why_it_did_not(program: Program, receiver: Receiver) -> None:
    made = program.json("channel", "create", "ops", "--url", receiver.url)
    assert program.run("channel", "test", made["id"]) == "The channel 'ops' has taken the test.\n"
    (sent,) = receiver.pings
    assert json.loads(sent.body)["event"] == "test"
    receiver.told = [Told(500)]
    assert program.refused("channel", "test", made["id"]).startswith("The test was not delivered: ")


def test_a_channel_is_deleted_when_the_answer_is_yes(program: Program) -> None:
    made = program.json("channel", "create", "ops", "--url", "https://example.org/")
    program.run("channel", "delete", made["id"], status=1, given="n\n")
    assert len(stored(program)) == 1
    assert program.run("channel", "delete", made["id"], "--yes") == "The channel 'ops' is deleted.\n"
    assert stored(program) == []


@pytest.mark.parametrize("command", [["test"], ["delete", "--yes"]])
def test_a_channel_that_there_is_not_is_an_answer(program: Program, command: list[str]) -> None:
    sentence = "There is no channel 'ch_x'; `lastbeat channel list` shows those of a project."
    assert program.refused("channel", *command, "ch_x") == sentence
