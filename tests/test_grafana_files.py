"""The folder of generated dashboards: what is in it, and that it is kept current."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from msgspec.structs import replace
from world import World

from config.settings import Settings, load
from dashboards.grafana import folder, provisioning
from lastbeat.cli import main
from lastbeat.grafana import Current
from store.control import alerts, monitors

FIXED = {"lastbeat-health.json", "lastbeat-monitor.json", "lastbeat-overview.json"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def settings(data: Path, **environ: str) -> Settings:
    return load({"data_dir": str(data)}, environ)


def names(root: Path) -> set[str]:
    return {path.name for path in (root / "dashboards").iterdir()}


def choices(root: Path) -> str:
    variables = json.loads((root / "dashboards/lastbeat-monitor.json").read_text())["templating"]["list"]
    return str(variables[0]["query"])


def test_a_monitor_that_is_made_renamed_or_deleted_is_in_the_folder_at_the_next_step(world: World, tmp_path: Path) -> None:
    root = tmp_path / "grafana"
    current = Current(settings(tmp_path), world.control, root)
    current.step(world.at(0))
    assert names(root) == FIXED
    monitor = world.monitor(name="Backup")
    current.step(world.at(1))
    assert choices(root) == f"Backup : {monitor.id}"
    with world.control.begin() as connection:
        monitors.change(connection, replace(monitor, name="Nightly backup"))
    current.step(world.at(2))
    assert choices(root) == f"Nightly backup : {monitor.id}"
    with world.control.begin() as connection:
        monitors.bury(connection, monitor.id, world.at(3))
    current.step(world.at(4))
    assert choices(root) == ""


def test_a_threshold_gives_a_dashboard_of_its_own_for_as_long_as_it_is_there(world: World, tmp_path: Path) -> None:
    root = tmp_path / "grafana"
    current = Current(settings(tmp_path), world.control, root)
    monitor = world.monitor()
    alert = world.alert(monitor, metric_key="took_ms", threshold=5.0)
    current.step(world.at(0))
    own = f"lastbeat-{monitor.id}.json"
    assert names(root) == {*FIXED, own}
    with world.control.begin() as connection:
        alerts.change(connection, replace(alert, threshold=4.0, updated_at=world.at(1)))
    current.step(world.at(1))
    assert '"value": 4.0' in (root / "dashboards" / own).read_text()
    with world.control.begin() as connection:
        alerts.remove(connection, alert.id)
    current.step(world.at(2))
    assert names(root) == FIXED


def test_nothing_is_written_while_nothing_has_changed(world: World, tmp_path: Path) -> None:
    root = tmp_path / "grafana"
    current = Current(settings(tmp_path), world.control, root)
    current.step(world.at(0))
    (root / "dashboards/lastbeat-health.json").unlink()
    current.step(world.at(1))
    assert "lastbeat-health.json" not in names(root)
    again = Current(settings(tmp_path), world.control, root)  # as after a restart
    before = {path: path.stat().st_ino for path in root.rglob("*.json")}
    again.step(world.at(2))
    assert names(root) == FIXED
    assert {path: path.stat().st_ino for path in before} == before


def test_files_are_replaced_whole_and_only_ours_are_removed(tmp_path: Path) -> None:
    files = {"dashboards/a.json": "one", "provisioning/b.yaml": "two"}
    assert folder.write(tmp_path, files, "dashboards/own-*.json") == list(files)
    for name in ("dashboards/own-1.json", "dashboards/mine.json"):
        (tmp_path / name).write_text("{}")
    old = (tmp_path / "dashboards/a.json").open()
    files["dashboards/a.json"] = "three"
    assert folder.write(tmp_path, files, "dashboards/own-*.json") == ["dashboards/a.json", "dashboards/own-1.json"]
    with old:
        assert old.read() == "one"  # who reads at that moment reads all of the old one
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == [
        "dashboards/a.json",
        "dashboards/mine.json",
        "provisioning/b.yaml",
    ]
    assert folder.write(tmp_path, files, "dashboards/own-*.json") == []


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(sorted(path.name for path in tmp_path.iterdir())))
    folder.write(tmp_path, {"a.json": "one"}, "none")
    assert synced == [[".a.json.new"], ["a.json"]]


def test_the_datasource_has_the_token_of_grafanas_own_environment(tmp_path: Path) -> None:
    files = provisioning.files("http://influxdb:8086", "lastbeat", authenticated=True, dashboards=Path("/grafana/$1/dashboards"))
    (source,) = yaml.safe_load(files["datasources/lastbeat.yaml"])["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("lastbeat-influxql", "influxdb", "http://influxdb:8086")
    assert source["jsonData"]["dbName"] == "lastbeat"
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token $LASTBEAT_INFLUXDB_TOKEN"}
    (provider,) = yaml.safe_load(files["dashboards/lastbeat.yaml"])["providers"]
    assert provider["options"]["path"] == "/grafana/$$1/dashboards"
    open_one = provisioning.files("http://influxdb:8086", "lastbeat", authenticated=False, dashboards=tmp_path)
    assert "secureJsonData" not in yaml.safe_load(open_one["datasources/lastbeat.yaml"])["datasources"][0]


def run(*args: str, **environ: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["dashboards", *args], env=environ)
    return result.exit_code, result.output


def test_build_writes_what_is_asked_for_and_says_what_changed(world: World, tmp_path: Path) -> None:
    monitor = world.monitor(name="Backup")
    place = ("--data-dir", str(tmp_path), "--out", str(tmp_path / "out"))
    there = {"LASTBEAT_INFLUXDB_URL": "http://influx.test:1", "LASTBEAT_INFLUXDB_TOKEN": "top-secret"}
    code, said = run("build", *place, "--monitor", monitor.id, **there)
    assert code == 0
    assert f"dashboards/lastbeat-{monitor.id}.json" in said.splitlines()
    source = (tmp_path / "out/provisioning/datasources/lastbeat.yaml").read_text()
    assert "http://influx.test:1" in source
    assert not [path for path in (tmp_path / "out").rglob("*.*") if "top-secret" in path.read_text()]
    assert run("build", *place, "--monitor", monitor.id, **there) == (0, f"Everything in {tmp_path}/out is current already.\n")


def test_build_says_what_is_wrong(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = ("--data-dir", str(tmp_path), "--out", str(tmp_path / "out"))
    assert "There is no monitor mon_x." in run("build", *place, "--monitor", "mon_x")[1]
    code, said = run("build", "--data-dir", str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    assert (code, "There is no Lastbeat in" in said) == (1, True)
    code, said = run("build", "--data-dir", str(tmp_path), "--out", str(tmp_path / "file/out"))
    assert (code, "cannot be written: Not a directory." in said) == (1, True)
    assert "LASTBEAT_INFLUXDB_URL is not set" in run("build", *place)[1]
