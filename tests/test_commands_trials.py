"""`lastbeat rules test`."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from lastbeat.cli import main

RULES = 'groups: [{name: g, rules: [{alert: Deep, type: threshold, match: {all: true}, metric: q, op: ">", value: 100}]}]\n'
TEST = """\
rule_files: [../rules.yml]
tests:
  - name: a deep queue fires
    monitors: [{name: w1, interval: 60s}]
    input: [{every: 60s, values: {q: '150 9'}}]
    expect:
      - {at: 0s, alert: Deep, state: firing}
      - {at: 1m, alert: Deep, state: ok}
  - name: and is told of
    monitors: [{name: w1, interval: 60s}]
    input: [{every: 60s, values: {q: '150 9'}}]
    expect_notifications: [{kind: fire, alert: Deep}, {kind: resolve, alert: Deep}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with rules, and below it one with their tests."""
    monkeypatch.chdir(tmp_path)
    Path("rules.yml").write_text(RULES)
    Path("tests").mkdir()
    Path("tests/deep.yml").write_text(TEST)
    return Path("tests")


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["rules", "test", *arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result


def lines(result: Result) -> list[str]:
    return re.sub(r"in \d+\.\d\d s", "in 0 s", result.stdout).splitlines()


def test_tests_that_pass_are_named(folder: Path) -> None:
    assert lines(run("tests/deep.yml")) == [
        "tests/deep.yml",
        "  ok      a deep queue fires",
        "  ok      and is told of",
        "2 tests passed, in 0 s.",
    ]


def test_a_test_that_fails_says_where_and_what_happened(folder: Path) -> None:
    (folder / "deep.yml").write_text(TEST.replace("at: 1m, alert: Deep, state: ok", "at: 1m, alert: Deep, state: firing"))
    assert lines(run("tests/deep.yml", status=1)) == [
        "tests/deep.yml",
        "  FAILED  a deep queue fires",
        "          tests/deep.yml:8:9: at 1m, Deep of w1",
        "            expected  state firing",
        "            got       state ok",
        "          What happened:",
        "            0s  w1: new → up (ping)",
        "            0s  w1: Deep ok → firing (150)",
        "            0s  told default: fire Deep of w1",
        "            1m  w1: Deep firing → ok (9)",
        "            1m  told default: resolve Deep of w1",
        "  ok      and is told of",
        "1 test of 2 failed, in 0 s.",
    ]


def test_what_happened_is_shown_of_all_where_it_is_asked_for(folder: Path) -> None:
    assert lines(run("-v", "tests/deep.yml")).count("            1m  w1: Deep firing → ok (9)") == 2


def test_a_long_story_is_told_from_its_end(folder: Path) -> None:
    restless = TEST.replace("'150 9'", f"'{'150 9 ' * 30}'").replace(
        "at: 1m, alert: Deep, state: ok", "at: 59m, alert: Deep, state: firing"
    )
    (folder / "deep.yml").write_text(restless)
    failed = lines(run("tests/deep.yml", status=1))
    assert "            … 81 lines before; -v shows all" in failed
    assert failed.count("            59m  w1: Deep firing → ok (9)") == 2
    assert "          and 38 more" in failed
    assert not any("lines before" in line for line in lines(run("-v", "tests/deep.yml", status=1)))


def test_errors_in_files_are_said_once_and_nothing_is_tested(folder: Path) -> None:
    (folder.parent / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A, type: status}]}]")
    (folder / "other.yml").write_text("rule_files: [../rules.yml]\n")
    result = run("tests/deep.yml", "tests/other.yml", status=2)
    assert result.stdout == ""
    said = [line.split(": ")[0] for line in result.stderr.splitlines()]
    assert said == ["tests/../rules.yml:1:28", "tests/other.yml:1:1", "2 errors in 2 files."]


def test_build_servers_get_an_xml_file(folder: Path) -> None:
    named = TEST.replace("name: a deep queue fires", "name: a <deep> & wide queue")
    (folder / "deep.yml").write_text(named.replace("state: ok", "state: pending"))
    run("tests/deep.yml", "--junit", "out.xml", status=1)
    root = ElementTree.parse("out.xml").getroot()  # noqa: S314  # written by ourselves
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "2", "1", "0")
    (suite,) = root
    assert (suite.tag, suite.get("name"), suite.get("tests")) == ("testsuite", "tests/deep.yml", "2")
    first, second = suite
    assert (first.tag, first.get("name"), first.get("classname"), first.get("line")) == (
        "testcase",
        "a <deep> & wide queue",
        "tests/deep.yml",
        "3",
    )
    assert float(first.get("time", "")) >= 0
    assert [(one.tag, one.get("message"), one.text) for one in first] == [
        (
            "failure",
            "at 1m, Deep of w1: expected state pending, got state ok",
            "tests/deep.yml:8:9: at 1m, Deep of w1: expected state pending, got state ok",
        )
    ]
    assert list(second) == []


def test_colours_are_for_terminals_alone(folder: Path) -> None:
    assert "\x1b" not in run("tests/deep.yml").output
    coloured = CliRunner().invoke(main, ["rules", "test", "tests/deep.yml"], color=True).output
    assert "\x1b[32mok    \x1b[0m" in coloured


def test_a_file_that_is_not_there_is_an_error(folder: Path) -> None:
    assert run("tests/nowhere.yml", status=2).stderr.splitlines()[0] == "tests/nowhere.yml: cannot be read: No such file or directory"


def test_results_that_cannot_be_written_are_no_failed_test(folder: Path) -> None:
    result = run("tests/deep.yml", "--junit", "nowhere/out.xml", status=2)
    assert result.stderr == "Error: The results cannot be written to nowhere/out.xml: No such file or directory.\n"
    assert lines(result)[-1] == "2 tests passed, in 0 s."


def test_build_servers_are_told_of_files_with_errors(folder: Path) -> None:
    run("tests/deep.yml", "--junit", "out.xml")
    (folder / "other.yml").write_text("rule_files: [../rules.yml]\ntest: []\n")
    result = run("tests/other.yml", "tests/deep.yml", "tests/nowhere.yml", "--junit", "out.xml", status=2)
    root = ElementTree.parse("out.xml").getroot()  # noqa: S314  # written by ourselves
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "0", "2")
    assert [(suite.get("name"), suite.get("tests"), suite.get("errors")) for suite in root] == [
        ("tests/other.yml", "1", "1"),
        ("tests/nowhere.yml", "1", "1"),
    ]
    ((error,),) = root[0]
    assert (error.tag, error.get("message"), error.text) == ("error", *[result.stderr.splitlines()[0]] * 2)


def test_numbers_are_shown_whole(folder: Path) -> None:
    (folder / "deep.yml").write_text(TEST.replace("150 9", "1234567.5 9"))
    assert "            0s  w1: Deep ok → firing (1234567.5)" in lines(run("-v", "tests/deep.yml"))
