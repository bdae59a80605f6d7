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
from store.control import projects, rule_set
from store.rule import Rule

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


def changed(world: World, reload: Reload, second: float) -> None:
    """The files were changed at this second; a moment later they still are what they were then."""
    reload.step(world.at(second))
    reload.step(world.at(second + 0.5))


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
    changed(world, reload, 1)
    assert in_force(world) == ["QueueTooDeep", "Another"]
    (folder / "a.yml").unlink()
    changed(world, reload, 2)
    assert in_force(world) == ["Another"]


def test_files_that_did_not_change_are_not_read_unless_somebody_says_so(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    times = (folder / "a.yml").stat()
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").write_text(TOO_DEEP.replace("QueueTooDeep", "QueueTooDamp"))
    os.utime(folder / "a.yml", ns=(times.st_atime_ns, times.st_mtime_ns))
    changed(world, reload, 1)
    assert in_force(world) == ["QueueTooDeep"]
    reload.hurry()
    reload.step(world.at(2))
    assert in_force(world) == ["QueueTooDamp"]


def test_who_says_so_while_they_are_read_has_them_read_once_more(world: World, folder: Path) -> None:
    def reading(place: Path) -> tuple[Rule, ...]:
        found = read(place).rules
        times.append(len(times))
        if len(times) == 1:
            reload.hurry()
        return found

    times: list[int] = []
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = Reload(world.control, folder, reading, BASE_URL)
    for second in range(3):
        reload.step(world.at(second))
    assert times == [0, 1]


def test_one_file_with_an_error_and_nothing_changes_at_all(world: World, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").write_text(TOO_DEEP.replace("QueueTooDeep", "Another"))
    (folder / "b.yml").write_text(TOO_DEEP.replace("metric: queue", "metrik: queue").replace("value: 100", "value: yes"))
    changed(world, reload, 1)
    assert in_force(world) == ["QueueTooDeep"]
    assert [sentence.partition(" ")[0] for sentence in refused(world)] == [f"{folder}/b.yml:7:9:", f"{folder}/b.yml:9:16:"]
    assert f"{folder}/b.yml:7:9: " in caplog.text
    assert "stay in force" in caplog.text
    caplog.clear()
    changed(world, reload, 2)
    assert caplog.text == "", "said once"
    (folder / "b.yml").unlink()
    changed(world, reload, 3)
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
    changed(world, reload, 1)
    assert in_force(world) == ["QueueTooDeep"]


def test_a_reload_keeps_what_is_counted_and_resolves_what_is_removed(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP + "        consecutive: 2\n")
    reload = reloading(world, folder)
    reload.step(world.at(0))
    job = world.monitor(interval=86_400)
    world.ping(job, 1, numbers={"queue": 150.0})
    world.run(2)
    (folder / "a.yml").write_text("# a comment\n" + TOO_DEEP + "        consecutive: 2\n        labels: {severity: page}\n")
    changed(world, reload, 3)
    world.ping(job, 4, numbers={"queue": 150.0})
    world.run(5)
    assert world.events() == ["metric_alert"]
    (folder / "a.yml").write_text("groups: []\n")
    changed(world, reload, 6)
    assert [(event, details.get("reason")) for event, details in world.said()] == [
        ("metric_alert", None),
        ("metric_alert_resolved", "rule_removed"),
    ]


def test_a_file_that_is_only_half_written_is_not_read(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (folder / "a.yml").write_text("groups:\n")
    reload.step(world.at(1))
    (folder / "a.yml").write_text(TOO_DEEP.replace("QueueTooDeep", "Another"))
    reload.step(world.at(2))
    assert (in_force(world), refused(world)) == (["QueueTooDeep"], [])
    reload.step(world.at(3))
    assert in_force(world) == ["Another"]


def test_files_that_are_away_are_an_error_and_remove_no_rule(world: World, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(TOO_DEEP)
    (folder / "a.yml").symlink_to(tmp_path / "elsewhere")
    reload = reloading(world, folder)
    reload.step(world.at(0))
    (tmp_path / "elsewhere").unlink()
    changed(world, reload, 1)
    assert (in_force(world), refused(world)) == (["QueueTooDeep"], [f"{folder}/a.yml: cannot be read: No such file or directory"])
    (folder / "a.yml").unlink()
    changed(world, reload, 2)
    assert in_force(world) == ["QueueTooDeep"]
    assert refused(world) == [f"{folder}: holds no *.yml and no *.yaml file; where no rules are wanted, one with `groups: []` says so"]
    folder.rmdir()
    changed(world, reload, 3)
    assert refused(world) == [f"{folder}: cannot be read: No such file or directory"]
    folder.mkdir()
    changed(world, reload, 4)
    assert refused(world) == [f"{folder}: holds no *.yml and no *.yaml file; where no rules are wanted, one with `groups: []` says so"]
    (folder / "a.yml").symlink_to(folder / "a.yml")
    changed(world, reload, 5)
    assert refused(world) == [f"{folder}/a.yml: cannot be read: Too many levels of symbolic links"]


def test_a_directory_that_may_not_be_read_is_refused(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a.yml").write_text(TOO_DEEP)
    reload = reloading(world, folder)
    reload.step(world.at(0))

    def barred(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    with monkeypatch.context() as patch:  # of root nothing is kept
        patch.setattr(Path, "iterdir", barred)
        changed(world, reload, 1)
    assert (in_force(world), refused(world)) == (["QueueTooDeep"], [f"{folder}: cannot be read: Permission denied"])
    caplog.set_level("INFO")
    changed(world, reload, 2)
    assert refused(world) == []
    assert "1 rule is in force" in caplog.text, "whoever mended it sees that it is"


def test_a_project_that_is_made_or_renamed_later_has_its_rules(world: World, folder: Path) -> None:
    (folder / "a.yml").write_text(TOO_DEEP.replace("- name: workers", "- name: workers\n    project: shop"))
    reload = reloading(world, folder)
    reload.step(world.at(0))
    with world.control.begin() as connection:
        shop = projects.create(connection, "shop", "unlimited", world.at(1))
    changed(world, reload, 1)
    with world.control.read() as connection:
        assert [rule.project for rule in current(connection).rules] == [shop.id]
    with world.control.begin() as connection:
        projects.change(connection, shop.id, name="store")
    changed(world, reload, 2)
    with world.control.read() as connection:
        assert [rule.project for rule in current(connection).rules] == ["shop"]


def test_of_many_errors_the_log_has_some(world: World, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "a.yml").write_text("groups: []\n" + "".join(f"x{n}: 1\n" for n in range(50)))
    reloading(world, folder).step(world.at(0))
    assert len(refused(world)) == 50
    assert len(caplog.records) == 22
    assert f"and 30 more: `lastbeat rules check {folder}` says them all" in caplog.text


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
        rules.write_text("groups: []")
        server.until(lambda: names() == [])
        assert "notes" not in server.get("/readyz").json
    finally:
        server.end()
