"""Clients of Uptime Kuma's push monitors: the command `kuma-scout` from PyPI, and the examples that Uptime Kuma ships."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from clients import COMMANDS, Arrived, new, ran
from conftest import require
from serving import Server

pytestmark = pytest.mark.server


def scout(live: Server, where: Path, token: str, command: str, status: int) -> str:
    """What kuma-scout says of a command, which it runs and reports; its exit status must be `status`."""
    options = ["--uptime-kuma-url", f"{live.base}/api/push", "--token", token, "--log-file", "log"]
    ended = ran([str(COMMANDS / "kuma-scout"), "cmdcheck", command, *options], where, status)
    return ended.stdout + ended.stderr


def test_kuma_scout_reports_a_command_with_its_output_and_how_long_it_took(live: Server, tmp_path: Path) -> None:
    job = new(live)
    assert "push failed" not in scout(live, tmp_path, job.token, "echo 12 files & 3 links", 0)
    (ping,) = job.pings(1)
    assert (ping["kind"], ping["log"]) == ("success", "stdout: 12 files & 3 links")
    assert ping["userAgent"].startswith("Python-urllib/")
    assert job.metrics()["ping_ms"] >= 0
    job.becomes("up")


def test_kuma_scout_reports_a_command_that_fails(live: Server, tmp_path: Path) -> None:
    job = new(live)
    scout(live, tmp_path, job.token, "ls /nowhere", 0)
    (ping,) = job.pings(1)
    assert ping["kind"] == "fail"
    assert "/nowhere" in ping["log"]
    job.becomes("down")


def test_kuma_scout_sees_that_a_push_was_not_taken(live: Server, tmp_path: Path) -> None:
    assert "push failed: HTTP Error 404" in scout(live, tmp_path, "nobody", "true", 0)


# As they are shipped, but that they push once.
EXAMPLES = {
    "bash": 'PUSH_URL="https://example.com/api/push/key?status=up&msg=OK&ping="\ncurl -s -o /dev/null $PUSH_URL',
    "python": 'import urllib.request\npush_url = "https://example.com/api/push/key?status=up&msg=OK&ping="\nurllib.request.urlopen(push_url)',
}


@pytest.mark.parametrize("language", EXAMPLES)
def test_an_example_that_uptime_kuma_ships(live: Server, tmp_path: Path, language: str) -> None:
    job = new(live)
    program = sys.executable if language == "python" else "bash"
    require("curl")
    ran([program, "-c", EXAMPLES[language].replace("https://example.com/api/push/key", job.push_url)], tmp_path)
    assert job.arrived(1) == [Arrived("success", "OK")]
    job.becomes("up")


# What people write around it, by the parameters that its page shows.
LINES = [
    ('curl -fsS "URL?status=down&msg=disk%20full&ping=12.5"', Arrived("fail", "disk full"), {"ping_ms": 12.5}),
    (
        'curl -fsS -G URL --data-urlencode "status=up" --data-urlencode "msg=größe & ✓" -d ping=350',
        Arrived("success", "größe & ✓"),
        {"ping_ms": 350},
    ),
    ('curl -fsS -X POST "URL?status=up&msg=OK&ping="', Arrived("success", "OK"), {}),
    ('curl -fsS -d "status=down" "URL?msg=the+body+is+ignored"', Arrived("success", "the body is ignored"), {}),
    ("curl -fsSI URL", Arrived("success"), {}),
    ('wget -q -O /dev/null "URL?status=up&msg=Backup+done&ping=4500"', Arrived("success", "Backup done"), {"ping_ms": 4_500}),
    ('wget --spider "URL?status=up&msg=OK&ping="', Arrived("success", "OK"), {}),
]


@pytest.mark.parametrize(("line", "expected", "metrics"), LINES, ids=[line for line, _, _ in LINES])
def test_a_line_of_a_shell_that_pushes(live: Server, tmp_path: Path, line: str, expected: Arrived, metrics: dict[str, float]) -> None:
    require(line.partition(" ")[0])
    job = new(live)
    ran(["bash", "-c", line.replace("URL", job.push_url)], tmp_path)
    assert job.arrived(1) == [expected]
    assert job.metrics() == metrics
    job.becomes("down" if expected.kind == "fail" else "up")
