"""The compose file and the image: what can be known of them without Docker, which runs neither here nor in CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from serving import API_KEY, Server

from config.settings import SETTINGS, load
from dashboards.grafana.provisioning import files

ROOT = Path(__file__).parent.parent
SOURCE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
NAMES = re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
SECRET = re.compile(r"TOKEN|PASSWORD|KEY$")


def substituted(source: str, environ: dict[str, str]) -> str:
    """The variables filled in as Compose does it; KeyError for one that must be given and is not."""

    def value(found: re.Match[str]) -> str:
        name, operator, word = found.groups()
        return environ[name] if operator == ":?" else environ.get(name) or word

    return re.sub(r"\$\{(\w+)(:\?|:-)([^}]*)\}", value, source)


FILLED = substituted(SOURCE, {name: f"{name.lower()}-0123456789abcdef" for name, _ in NAMES})
COMPOSE: dict[str, Any] = yaml.safe_load(FILLED)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = SERVICES["lastbeat"]


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Source and mode by target."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    return {target: (source, *mode, "rw")[:2] for source, target, *mode in parts}


def test_the_compose_specification_accepts_the_file() -> None:
    PyCompose.from_yaml(FILLED).validate()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("restart:", "restrat:"), ("condition: service_healthy", "condition: service_fine"), ("127.0.0.1:3000:3000", "127.0.0.1:3000:http")],
)
def test_the_compose_specification_refuses_a_mistake(right: str, wrong: str) -> None:
    assert right in FILLED
    with pytest.raises(ValueError, match=r"services\."):
        PyCompose.from_yaml(FILLED.replace(right, wrong, 1)).validate()


def test_what_a_service_refers_to_is_there() -> None:
    used: set[str] = set()
    for name, service in SERVICES.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[other], f"{name} waits for {other}, which never says that it is healthy"
        named = {source for source, _ in mounts(service).values() if not source.startswith(".")}
        assert named <= set(COMPOSE["volumes"])
        used |= named
        for source, mode in mounts(service).values():
            assert not source.startswith(".") or ((ROOT / source).is_dir() and mode == "ro")
    assert used == set(COMPOSE["volumes"])


def test_every_server_has_a_health_check_and_starts_again() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] == "unless-stopped"
        assert ("healthcheck" in service) == (name != "first-job")  # which serves nothing
        for address in service.get("ports", []):
            assert address.startswith("127.0.0.1:")


def test_images_are_of_one_version_each() -> None:
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.search(r":\d+\.\d+\.\d+(-[\w-]+)?$", image), f"{image} may be another one tomorrow"


def test_every_secret_comes_from_the_environment_file_and_none_is_in_the_example() -> None:
    for service in yaml.safe_load(SOURCE)["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{(\w+):\?[^}]+\}", value), f"{name} is no secret of .env"
    assert set(re.findall(r"\$\{(\w+):\?", SOURCE)) == {name for name, _ in NAMES}
    assert {value for _, value in NAMES} == {""}
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_command_in_the_example_makes_an_environment_that_lastbeat_takes(tmp_path: Path) -> None:
    command = re.search(r"^#   (awk .*) > \.env$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert command is not None
    made = subprocess.run(command[1], shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S602
    values = dict(re.findall(r"^(\w+)=(\w{40})$", made, re.MULTILINE))
    assert list(values) == [name for name, _ in NAMES]
    assert len(set(values.values())) == len(values)
    filled = yaml.safe_load(substituted(SOURCE, values))
    settings = load({}, filled["services"]["lastbeat"]["environment"] | {"LASTBEAT_DATA_DIR": str(tmp_path)})
    assert settings.influxdb_token == values["INFLUXDB_TOKEN"]


def test_the_environment_of_lastbeat_is_made_of_its_settings() -> None:
    known = {setting.variable for setting in SETTINGS}
    assert set(OURS["environment"]) <= known
    assert set(re.findall(r"(LASTBEAT_\w+)=", DOCKERFILE)) <= known
    influx = SERVICES["influxdb"]["environment"]
    assert OURS["environment"]["LASTBEAT_INFLUXDB_BUCKET"] == influx["DOCKER_INFLUXDB_INIT_BUCKET"] == influx["INFLUXDB_DB"]
    assert OURS["environment"]["LASTBEAT_INFLUXDB_ORG"] == influx["DOCKER_INFLUXDB_INIT_ORG"]
    assert OURS["environment"]["LASTBEAT_INFLUXDB_TOKEN"] == influx["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"]


def test_lastbeat_is_not_root_and_writes_only_into_its_volumes() -> None:
    owner = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert owner != ("0", "0")
    made = dict(re.findall(r"install -d -o (?:\d+) -g (?:\d+) -m (\d+) (/\S+)", DOCKERFILE))
    assert re.findall(r"install -d -o (\d+) -g (\d+)", DOCKERFILE) == [owner] * len(made)
    data = re.search(r"LASTBEAT_DATA_DIR=(\S+)", DOCKERFILE)
    assert data is not None
    assert set(made.values()) == {data[1], OURS["environment"]["LASTBEAT_DASHBOARDS_DIR"]} == set(mounts(OURS))
    for service in (OURS, SERVICES["first-job"]):
        assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert SERVICES["first-job"]["user"] == ":".join(owner)


def test_nothing_is_mounted_over_the_program() -> None:
    program = Path("/opt/lastbeat")
    assert f"COPY --from=build {program} {program}" in DOCKERFILE
    for target in [*mounts(OURS), *OURS["tmpfs"]]:
        assert not Path(target).is_relative_to(program)
        assert not program.is_relative_to(target)


def test_grafana_finds_under_the_same_path_what_lastbeat_writes() -> None:
    written, grafana = OURS["environment"]["LASTBEAT_DASHBOARDS_DIR"], SERVICES["grafana"]
    assert mounts(grafana)[written] == (mounts(OURS)[written][0], "ro")
    environment = grafana["environment"]
    assert environment["GF_PATHS_PROVISIONING"] == f"{written}/provisioning"
    assert environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == f"{written}/dashboards/lastbeat-overview.json"
    provisioned = files("http://influxdb:8086", "lastbeat", authenticated=True, dashboards=Path(written) / "dashboards")
    last = list(provisioned)[-1]
    assert f"{written}/provisioning/{last}" in OURS["healthcheck"]["test"][1]  # once it is there, all of them are
    (variable,) = set(re.findall(r"\$(\w+)", "".join(provisioned.values())))
    assert environment[variable] == OURS["environment"]["LASTBEAT_INFLUXDB_TOKEN"]


def test_the_image_is_built_from_all_that_the_wheel_needs_and_from_nothing_else() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE)) | {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"}
    folders = re.findall(r"^    lastbeat\.\w+ = (\w+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)  # of `package_dir`
    assert folders
    assert copied >= {"lastbeat", *folders}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert allowed == copied


@pytest.mark.server
def test_the_first_job_makes_its_monitor_once_and_pings_it(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    command = [sys.executable, str(ROOT / "examples/first_job.py"), server.base]
    try:
        server.start()
        for _ in range(2):
            job = subprocess.Popen(command, env={**os.environ, "LASTBEAT_API_KEY": API_KEY})
            server.until(lambda: [one["status"] for one in server.api("GET", "/api/monitors")] == ["up"])
            job.kill()
            job.wait(10)
        (monitor,) = server.api("GET", "/api/monitors?q=first-job")
        keys = {one["key"] for one in server.api("GET", f"/api/monitors/{monitor['id']}/metric-keys")}
        assert keys == {"load_1m", "disk_free_bytes", "last_ping_ms"}
    finally:
        server.end()
