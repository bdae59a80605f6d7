from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from program import Program, installed
from world import START

from store.control import channels, metric_keys, monitors
from store.model import Channel, MetricKey, Monitor, Schedule

DOWN = "{alert: Down, type: heartbeat, match: {tags: [db]}, grace: 1m}"
QUEUE = '{alert: Queue, type: threshold, monitor: worker, metric: queue, op: ">", value: 1, channels: [ops]}'
HASTY = "{alert: Hasty, type: heartbeat, match: {all: true}, grace: 0}"
TYPES = "there are heartbeat, status, threshold, absent, unchanged"
NO_GRACE = "with a grace of 0 a ping that is a second late is missed; give it some time"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory `rules.d`, below the one that commands run in."""
    monkeypatch.chdir(tmp_path)
    Path("rules.d").mkdir()
    return Path("rules.d")


def file(*rules: str) -> str:
    return "groups:\n  - name: g\n    rules:\n" + "".join(f"      - {rule}\n" for rule in rules)


def test_each_file_is_counted(program: Program, folder: Path) -> None:
    (folder / "10-a.yml").write_text(file(DOWN, QUEUE))
    (folder / "20-b.yml").write_text(file("{alert: B, type: status, monitor: m}"))
    (folder / "30-c.yml").write_text("# later\n")
    assert program.run("rules", "check", "rules.d") == "rules.d/10-a.yml: 2 rules\nrules.d/20-b.yml: 1 rule\nrules.d/30-c.yml: 0 rules\n"
    assert program.complained == ""
    assert program.run("rules", "check", "rules.d/20-b.yml", "rules.d") == program.said
    assert program.said.startswith("rules.d/20-b.yml: 1 rule\n")


def test_errors_beyond_those_that_are_said_are_counted_too(program: Program, folder: Path) -> None:
    (folder / "10-a.yml").write_text("".join(f"k{n}: 1\n" for n in range(9_000)))
    program.run("rules", "check", "rules.d", status=1)
    said = program.complained.splitlines()
    assert (said[0], said[-1]) == (
        "rules.d/10-a.yml: there are 8,000 more errors in this file; these come first",
        "9,000 errors in 1 file.",
    )
    program.run("rules", "check", "--json", "rules.d", status=1)
    errors = json.loads(program.said)["errors"]
    assert (errors[0]["count"], "count" in errors[1]) == (8_000, False)


def test_errors_are_all_said_with_their_places(program: Program, folder: Path) -> None:
    (folder / "10-a.yml").write_text(file("{alert: A, type: status, monitor: m, for: 60}", "{alert: B, type: stats, monitor: m}"))
    (folder / "20-b.yml").write_text("grops: []\n")
    assert program.run("rules", "check", "rules.d", status=1) == ""
    assert program.complained.splitlines() == [
        "rules.d/10-a.yml:4:51: `for: 60` has no unit; write 60s or 1m",
        f"rules.d/10-a.yml:5:26: `type: stats` is not known, did you mean `status`?; {TYPES}",
        "rules.d/20-b.yml:1:1: `grops` is no key of a rule file, did you mean `groups`?",
        "3 errors in 2 files.",
    ]
    assert program.run("rules", "check", "none.yml", status=1) == ""
    assert program.complained == "none.yml: cannot be read: No such file or directory\n1 error in 1 file.\n"


def test_warnings_are_no_errors_unless_they_are_asked_to_be(program: Program, folder: Path) -> None:
    (folder / "a.yml").write_text(file(HASTY))
    for options, status in (([], 0), (["--lint-fatal"], 3)):
        assert program.run("rules", "check", *options, "rules.d", status=status) == "rules.d/a.yml: 1 rule\n"
        assert program.complained == f"rules.d/a.yml:4: warning: Hasty: {NO_GRACE}\n1 warning.\n"
    (folder / "a.yml").write_text(file(DOWN))
    program.run("rules", "check", "--lint-fatal", "rules.d")
    (folder / "a.yml").write_text("{")
    program.run("rules", "check", "--lint-fatal", "rules.d", status=1)


def test_json_has_the_same(program: Program, folder: Path) -> None:
    (folder / "a.yml").write_text(file(HASTY))
    assert program.json("rules", "check", "rules.d") == {
        "files": [{"file": "rules.d/a.yml", "rules": 1}],
        "errors": [],
        "warnings": [{"file": "rules.d/a.yml", "line": 4, "alert": "Hasty", "sentence": NO_GRACE}],
    }
    (folder / "a.yml").write_text("\n  -")
    program.run("rules", "check", "rules.d", "--json", status=1)
    assert json.loads(program.said) == {
        "files": [],
        "errors": [
            {
                "file": "rules.d/a.yml",
                "line": 2,
                "column": 3,
                "sentence": "here must be a mapping, such as `groups: [{name: backups, rules: […]}]`",
            }
        ],
        "warnings": [],
    }


def test_where_there_are_no_files_nothing_is_called_right(program: Program, folder: Path) -> None:
    program.run("rules", "check", "rules.d", status=1)
    assert program.complained.startswith("rules.d: holds no *.yml and no *.yaml file; where no rules are wanted, one with `groups: []`")
    assert "Missing argument 'PATH...'" in program.refused("rules", "check", status=2)


def test_rules_are_held_against_an_installation(program: Program, folder: Path) -> None:
    (folder / "a.yml").write_text(file(DOWN, QUEUE))
    program.run("rules", "check", "rules.d")
    assert program.complained == ""
    checked = ("rules", "check", "--data-dir", str(program.data), "rules.d")
    program.run(*checked)
    assert program.complained.splitlines() == [
        "rules.d/a.yml:4: warning: Down: no monitor has the tag `db`",
        "rules.d/a.yml:5: warning: Queue: there is no monitor `worker`",
        "2 warnings.",
    ]
    project = program.projects()["default"].id
    worker = Monitor("mon_1", project, "worker", None, ("db",), Schedule(), "tok_1", START, START)
    with program.control.begin() as connection:
        monitors.add(connection, worker)
        monitors.add(connection, replace(worker, id="mon_2", name="other", token="tok_2"))
    program.run(*checked)
    assert program.complained.splitlines() == [
        "rules.d/a.yml:5: warning: Queue: there is no channel `ops`",
        "rules.d/a.yml:5: warning: Queue: `worker` never sent `queue`",
        "2 warnings.",
    ]
    with program.control.begin() as connection:
        channels.add(connection, Channel("ch_1", project, "ops", "webhook", {"url": "https://example.org/"}, False, START, START))
        metric_keys.save(connection, [("mon_1", MetricKey("queue", 1.0, START))])
    program.run(*checked)
    assert program.complained == ""


def test_a_directory_without_a_lastbeat_is_said(program: Program, folder: Path) -> None:
    (folder / "a.yml").write_text(file(DOWN))
    said = program.refused("rules", "check", "--data-dir", "elsewhere", "rules.d")
    assert said.startswith(f"There is no Lastbeat in {Path.cwd()}/elsewhere")


def test_names_of_files_move_no_cursor(program: Program, folder: Path) -> None:
    (folder / "a\x1b[2J.yml").write_text("grops: []\n")
    program.run("rules", "check", "rules.d", status=1)
    assert program.complained.startswith("rules.d/a\N{REPLACEMENT CHARACTER}[2J.yml:1:1: ")
