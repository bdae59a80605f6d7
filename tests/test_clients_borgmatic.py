"""borgmatic itself, with a real repository of borg: what its hooks for Healthchecks and for Uptime Kuma say of a backup."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import COMMANDS, Arrived, Target, made_by_ping, new, ping_key, ran
from conftest import require
from serving import Server

pytestmark = pytest.mark.server


def backed_up(root: Path, hooks: str, status: int = 0) -> str:
    """What `borgmatic create` says in this directory, with these hooks in its configuration."""
    (root / "source").mkdir()
    (root / "source" / "file").write_text("precious")
    configuration = f"source_directories: [{root}/source]\nrepositories: [{{path: {root}/repository}}]\n{hooks}"
    (root / "config.yaml").write_text(configuration)
    said = ran([str(COMMANDS / "borgmatic"), "--config", "config.yaml", "create", "--verbosity", "1"], root, status)
    return said.stdout + said.stderr


def hooks(healthchecks: str, kuma: Target) -> str:
    return (
        f"healthchecks: {{ping_url: '{healthchecks}', send_logs: true, create_slug: true}}\nuptime_kuma: {{push_url: '{kuma.push_url}'}}\n"
    )


def test_a_backup_is_started_logged_and_finished(live: Server, tmp_path: Path) -> None:
    job, kuma = new(live), new(live)
    ran([require("borg"), "init", "--encryption", "none", "repository"], tmp_path)
    said = backed_up(tmp_path, hooks(job.url, kuma))
    assert "Healthchecks error" not in said and "Uptime Kuma error" not in said
    start, log, finish = job.pings(3)
    assert [ping["kind"] for ping in (start, log, finish)] == ["start", "log", "success"]
    assert start["log"] is None
    assert "Creating archive" in log["log"]
    assert finish["log"].startswith(log["log"]) and finish["log"].endswith("Pinging Healthchecks finish\n")
    assert {ping["userAgent"] for ping in (start, log, finish)} == {"borgmatic"}
    assert 0 < finish["duration"] < 60
    job.becomes("up")
    assert job.shown()["running"] is False
    assert kuma.arrived(2) == [Arrived("success", "start"), Arrived("success", "finish")]
    kuma.becomes("up")


def test_a_backup_that_fails_makes_its_monitor_by_its_slug_which_is_down_and_has_the_error(live: Server, tmp_path: Path) -> None:
    require("borg")  # which does not find a repository
    kuma = new(live)
    said = backed_up(tmp_path, hooks(f"{live.base}/ping/{ping_key(live)}/borgmatic", kuma), status=1)
    assert "Healthchecks error" not in said and "Uptime Kuma error" not in said
    job = made_by_ping(live, "borgmatic")
    start, log, fail = job.pings(3)
    assert [ping["kind"] for ping in (start, log, fail)] == ["start", "log", "fail"]
    assert "repository does not exist" in fail["log"].lower()
    assert fail["duration"] > 0
    job.becomes("down")
    assert (job.shown()["running"], job.shown()["interval"]) == (False, 86_400)
    assert kuma.arrived(2) == [Arrived("success", "start"), Arrived("fail", "fail")]
    kuma.becomes("down")
