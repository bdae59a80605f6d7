"""Rule files that change while the engine runs: all of them are in force, or what was in force before."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Server
from world import BASE_URL, World

from rules.book import current
from rules.reload import Reload
from rules.rule_files import read
from store.control import rule_set

TOO_DEEP = """\
groups:
  - name: workers
    rules:
      - alert: QueueTooDeep
        type: threshold
        match: {all: true}
        metric: queue
        op: ">"
        value: 100
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "rules.d"
    path.mkdir()
    return path


def reloading(world: World, folder: Path) -> Reload:
    return Reload(world.control, folder, lambda place: read(place).rules, BASE_URL)


def in_force(world: World) -> list[str]:
    with world.control.read() as connection:
        return [rule.name for rule in current(connection).rules]


def refused(world: World) -> list[str]:
    with world.control.read() as connection:
        return rule_set.refused(connection)


def test_files_are_read_at_the_start_and_when_they_change(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))
    assert in_force(world) == ["QueueTooDeep"]
    (folder / "b.yaml").write_text(TOO_DEEP.replace("QueueTooDeep", "Another"))
    reload.step(world.at(1))
    assert in_force(world) == ["QueueTooDeep", "Another"]
    (folder / "a.yml").unlink()
    reload.step(world.at(2))
    assert in_force(world) == ["Another"]


def test_files_that_did_not_change_are_not_read_unless_somebody_says_so(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    times = (folder / "a.yml").stat()
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").write_text(TOO_DEEP.replace("QueueTooDeep", "QueueTooDamp"))
    os.utime(folder / "a.yml", ns=(times.st_atime_ns, times.st_mtime_ns))
    reload.step(world.at(1))
    assert in_force(world) == ["QueueTooDeep"]
    reload.hurry()
    reload.step(world.at(2))
    assert in_force(world) == ["QueueTooDamp"]


def test_one_file_with_an_error_and_nothing_changes_at_all(world: World, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").write_text(TOO_DEEP.replace("QueueTooDeep", "Another"))
    (folder / "b.yml").write_text(TOO_DEEP.replace("metric: queue", "metrik: queue").replace("value: 100", "value: yes"))
    reload.step(world.at(1))
    assert in_force(world) == ["QueueTooDeep"]
    assert [sentence.partition(" ")[0] for sentence in refused(world)] == [f"{folder}/b.yml:7:9:", f"{folder}/b.yml:9:16:"]
    assert f"{folder}/b.yml:7:9: " in caplog.text
    assert "stay in force" in caplog.text
    caplog.clear()
    reload.step(world.at(2))
    assert caplog.text == "", "said once"
    (folder / "b.yml").unlink()
    reload.step(world.at(3))
    assert (in_force(world), refused(world)) == (["Another"], [])


def test_what_was_in_force_stays_so_over_a_restart_with_broken_files(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reloading(world, folder).step(world.at(0))
    (folder / "a.yml").write_text("groups: {")
    reloading(world, folder).step(world.at(1))
    assert in_force(world) == ["QueueTooDeep"]
    assert len(refused(world)) == 1


def test_a_directory_that_is_gone_changes_nothing(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").unlink()
    folder.rmdir()
    reload.step(world.at(1))
    assert in_force(world) == ["QueueTooDeep"]


def test_a_reload_keeps_what_is_counted_and_resolves_what_is_removed(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP + "        consecutive: 2\n")
    reload = reloading(world, folder)
    reload.step(world.at(0))
    job = world.monitor(interval=86_400)
    world.ping(job, 1, numbers={"queue": 150.0})
    world.run(2)
    (folder / "a.yml").write_text("# a comment\n" + TOO_DEEP + "        consecutive: 2\n        labels: {severity: page}\n")
    reload.step(world.at(3))
    world.ping(job, 4, numbers={"queue": 150.0})
    world.run(5)
    assert world.events() == ["metric_alert"]
    (folder / "a.yml").write_text("groups: []\n")
    reload.step(world.at(6))
    assert [(event, details.get("reason")) for event, details in world.said()] == [
        ("metric_alert", None),
        ("metric_alert_resolved", "rule_removed"),
    ]


@pytest.mark.server
def test_a_running_server_reads_its_rules_when_they_change_and_at_sighup(tmp_path: Path, folder: Path) -> None:
    rules = folder / "a.yml"
    rules.write_text(TOO_DEEP)
    times = rules.stat()
    server = Server(tmp_path / "data", LASTBEAT_RULES_DIR=str(folder)).start()
    try:
        job = server.monitor(interval=3_600)
        path = f"/api/monitors/{job['id']}/metric-alerts"

        def names() -> list[str]:
            return [one["rule"]["name"] for one in server.api("GET", path)]

        server.until(lambda: names() == ["QueueTooDeep"])
        server.ping(job, {"queue": 150})
        server.until(lambda: server.api("GET", path)[0]["state"] == "firing")
        rules.write_text(TOO_DEEP.replace("QueueTooDeep", "QueueTooDamp"))
        os.utime(rules, ns=(times.st_atime_ns, times.st_mtime_ns))
        server.process.send_signal(signal.SIGHUP)
        server.until(lambda: names() == ["QueueTooDamp"])
        rules.write_text(TOO_DEEP.replace("op:", "opp:"))
        server.until(lambda: "notes" in server.get("/readyz").json)
        assert names() == ["QueueTooDamp"]
        server.process.send_signal(signal.SIGHUP)
        assert server.get("/readyz").status == 200
        rules.unlink()
        server.until(lambda: names() == [])
        assert "notes" not in server.get("/readyz").json
    finally:
        server.end()
