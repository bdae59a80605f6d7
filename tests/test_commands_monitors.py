from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import BASE_URL, Program, installed

from api.monitors import MonitorShape
from lastbeat import clock
from rules import ledger
from store.control import monitors
from store.control.monitors import Watched
from store.model import SECOND, Kind, Ns, Ping


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


def watched(program: Program) -> Watched:
    """The only monitor of the default project."""
    (one,) = program.monitors(program.projects()["default"])
    return one


def pinged(program: Program, at: Ns, kind: Kind = "success") -> None:
    with program.control.begin() as connection:
        cases = ledger.load(connection, [watched(program).monitor.id])
        for monitor_id, case in cases.items():
            case.ping(Ping(at, monitor_id, kind))
        ledger.save(connection, cases.values(), BASE_URL, at)


def test_a_ping_url_is_all_that_standard_output_gets(program: Program) -> None:
    said = program.run("monitor", "create", "backup")
    monitor, beat = watched(program)
    assert said == f"{BASE_URL}/ping/{monitor.token}\n"
    assert program.complained == f"The monitor {monitor.id} waits for its first ping, and then for one every 1 min.\n"
    assert (monitor.name, monitor.schedule.interval, monitor.schedule.grace, beat.status) == ("backup", 60, 30, "new")


def test_a_monitor_is_made_as_it_was_asked_for(program: Program) -> None:
    options = ["--schedule", "0 2 * * *", "--timezone", "Europe/Berlin", "--grace", "3600", "--interval", "90"]
    options += ["--start-by", "600", "--min-run-time", "60", "--max-run-time", "7200"]
    options += ["--tag", "db", "--tag", "nightly", "--slug", "backup"]
    made = program.json("monitor", "create", "Backup", *options)
    expected: dict[str, Any] = {
        "name": "Backup", "schedule": "0 2 * * *", "timezone": "Europe/Berlin", "gracePeriod": 3_600, "interval": 90,
        "startBy": 600, "minRunTime": 60, "maxRunTime": 7_200, "tags": ["db", "nightly"], "slug": "backup", "status": "new",
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected
    assert made.keys() == {field.data_key for field in MonitorShape().fields.values()}, "as the API shows it"
    assert made["pingUrl"] == f"{BASE_URL}/ping/{watched(program).monitor.token}"
    program.run("monitor", "create", "other", *options[:4])
    assert program.complained.endswith("and then for one at 0 2 * * * Europe/Berlin.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--interval", "0"], "--interval: Must be greater than or equal to 1 and less than or equal to 31622400."),
        (["--grace", "-1"], "--grace: Must be greater than or equal to 0 and less than or equal to 31622400."),
        (["--timezone", "Mars"], "--timezone: The time zone 'Mars' is not known; accepted are names such as 'Europe/Berlin' and 'UTC'."),
        (["--tag", "x" * 150], "--tag: Length must be between 1 and 100."),
        (["--slug", "A", "--max-run-time", "0"], "--slug: A slug is 1 to 100 of a-z, 0-9, - and _.\n--max-run-time: Must be"),
        (["--start-by", "31"], "--start-by: Within 31 s is later than the grace period of 30 s, in which the run must have succeeded."),
        (["--min-run-time", "9", "--max-run-time", "9"], "--min-run-time: No run takes at least 9 s and at most 9 s;"),
        (["--schedule", "0 2 * * *; @daily"], "--schedule: A cron expression has five fields,"),
        (["--interval", "soon"], "Invalid value for '--interval': 'soon' is not a valid integer."),
    ],
)
def test_what_cannot_be_a_monitor_is_wrong_usage_in_the_words_of_the_options(program: Program, options: list[str], sentence: str) -> None:
    assert program.refused("monitor", "create", "job", *options, status=2).startswith(sentence)
    assert program.monitors(program.projects()["default"]) == []


def test_a_plan_limits_what_is_made_here_as_it_does_in_the_api(program: Program, tmp_path: Path) -> None:
    (tmp_path / "plans.yml").write_text("tiny: {ping_seconds: 300, monitors: 1}\n")
    program.environ["LASTBEAT_PLANS"] = str(tmp_path / "plans.yml")
    program.run("project", "create", "small", "--plan", "tiny")
    sentence = "Every 60 s is too often: the plan 'tiny' allows one ping in 300 s."
    assert program.refused("monitor", "create", "job", "--interval", "60", "--project", "small") == sentence
    assert program.json("monitor", "create", "job", "--project", "small")["interval"] == 300
    full = "The plan 'tiny' allows 1 monitors, and the project has 1; delete one, or choose another plan."
    assert program.refused("monitor", "create", "another", "--project", "small") == full


def test_monitors_are_listed_with_how_they_are(program: Program) -> None:
    ids = {name: program.json("monitor", "create", name, *options)["id"] for name, *options in (["b"], ["a", "--schedule", "0 2 * * *"])}
    program.run("project", "create", "other")
    program.run("monitor", "create", "elsewhere", "--project", "other")
    assert program.run("monitor", "list").splitlines() == [
        "ID                    NAME  STATUS  EXPECTED     LAST PING",
        f"{ids['a']}  a     new     0 2 * * *    never",
        f"{ids['b']}  b     new     every 1 min  never",
    ]
    assert [one["name"] for one in program.json("monitor", "list", "--project", "other")] == ["elsewhere"]


def test_a_list_is_narrowed_by_status_and_tag(program: Program) -> None:
    program.run("monitor", "create", "db", "--tag", "nightly")
    program.run("monitor", "create", "web")
    assert [one["name"] for one in program.json("monitor", "list", "--tag", "nightly")] == ["db"]
    assert len(program.json("monitor", "list", "--status", "new")) == 2
    assert program.json("monitor", "list", "--status", "down") == []
    assert program.run("monitor", "list", "--status", "down") == ""
    assert program.complained == "The project 'default' has no such monitors.\n"


def test_a_list_goes_beyond_what_the_store_gives_at_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastbeat.commands.administration._PAGE", 2)
    for name in "abcde":
        program.run("monitor", "create", name)
    assert [one["name"] for one in program.json("monitor", "list")] == list("abcde")


def test_a_monitor_is_shown_with_how_it_is(program: Program) -> None:
    program.run("monitor", "create", "Backup", "--tag", "db", "--tag", "nightly", "--slug", "backup", "--max-run-time", "600")
    pinged(program, clock.now() - 200 * SECOND)
    pinged(program, clock.now() - 180 * SECOND, "fail")
    monitor = watched(program).monitor
    project = program.projects()["default"]
    lines = program.run("monitor", "show", monitor.id).splitlines()
    assert lines[:6] == [
        "Monitor      Backup",
        f"Id           {monitor.id}",
        f"Project      default ({project.id})",
        "Status       down",
        "Expected     every 1 min, and 30 s late at the most",
        "Longest run  10 min",
    ]
    assert [line.split("  ")[0] for line in lines if line.endswith("(3 min ago)")] == ["Last ping", "Down since"]
    assert "Tags         db, nightly" in lines
    assert lines[-1] == f"Ping URL     {BASE_URL}/ping/{monitor.token}"
    assert program.json("monitor", "show", monitor.id)["status"] == "down"


def test_a_monitor_is_shown_with_what_its_runs_must_keep_to_and_what_troubles_it(program: Program) -> None:
    program.run("monitor", "create", "Backup", "--schedule", "0 2 * * *; 0 8 * * 6", "--start-by", "20", "--min-run-time", "60")
    with program.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = 'Mars/Olympus'")
    pinged(program, clock.now())
    lines = program.run("monitor", "show", watched(program).monitor.id).splitlines()
    assert "Begins        20 s late at the most" in lines
    assert "Shortest run  1 min" in lines
    assert any(line.startswith("Trouble       the time zone 'Mars/Olympus' is not known") for line in lines)
    assert not any(line.startswith("Next ping") for line in lines)
    assert "0 2 * * *; 0 8 * * 6 Mars/Olympus (cannot be computed)" in program.run("monitor", "list")


def test_a_name_with_control_characters_moves_no_cursor(program: Program) -> None:
    program.run("monitor", "create", "job")
    with program.control.begin() as connection:  # as the API takes it
        connection.exec_driver_sql("UPDATE monitors SET name = 'a' || char(27) || '[2Jb'")
    assert "a�[2Jb" in program.run("monitor", "list")
    assert "\x1b" not in program.said + program.run("monitor", "show", watched(program).monitor.id)


def test_a_monitor_is_paused_and_resumed(program: Program) -> None:
    monitor_id = program.json("monitor", "create", "job")["id"]
    with program.control.read() as connection:
        seen = monitors.newest_version(connection)
    assert program.run("monitor", "pause", monitor_id) == "The monitor 'job' is paused.\n"
    assert watched(program).beat.status == "paused"
    with program.control.read() as connection:
        assert monitors.changed_since(connection, seen)[0] == [monitor_id]
    assert program.run("monitor", "resume", monitor_id) == "The monitor 'job' is watched again.\n"
    assert watched(program).beat.status == "new"


def test_a_monitor_is_deleted_when_the_answer_is_yes(program: Program) -> None:
    monitor_id = program.json("monitor", "create", "job")["id"]
    program.run("monitor", "delete", monitor_id, status=1, given="n\n")
    assert program.complained.startswith("Delete the monitor 'job' with its history? [y/N]")
    assert watched(program).monitor.id == monitor_id
    assert program.run("monitor", "delete", monitor_id, "--yes") == "The monitor 'job' is deleted.\n"
    with program.control.read() as connection:
        assert monitors.buried(connection, 1 << 62) == [monitor_id]


@pytest.mark.parametrize("command", [["show"], ["pause"], ["resume"], ["delete", "--yes"]])
def test_a_monitor_that_there_is_not_is_an_answer(program: Program, command: list[str]) -> None:
    sentence = "There is no monitor 'mon_x'; `lastbeat monitor list` shows those of a project."
    assert program.refused("monitor", *command, "mon_x") == sentence
