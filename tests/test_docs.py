from __future__ import annotations

import re
import subprocess
import uuid
from pathlib import Path

import pytest
from serving import API_KEY, Server

from store.control import Control, projects

ROOT = Path(__file__).parent.parent
SOURCE = "\n".join(path.read_text() for folder in ("api", "ingest", "lastbeat", "rules", "store") for path in (ROOT / folder).rglob("*.py"))
METRICS = re.findall(r'(Counter|Gauge|_gauge|GaugeMetricFamily)\(\s*"(lastbeat_\w+)"', SOURCE)
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize(("kind", "name"), METRICS)
def test_every_metric_is_explained(kind: str, name: str) -> None:
    shown = f"{name}_total" if kind == "Counter" else name
    assert re.search(rf"^\| `{shown}[`{{]", (ROOT / "docs/operations.md").read_text(), re.MULTILINE), (
        f"{shown} is not in docs/operations.md"
    )


def test_no_metric_is_explained_that_is_gone() -> None:
    explained = re.findall(r"^\| `(lastbeat_\w+?)(?:_total)?[`{]", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(name for _, name in METRICS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_files_that_documents_name_exist(document: Path) -> None:
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    for link in links:
        assert (document.parent / link).exists(), f"{document.name} links to {link}"
    folders = "api|config|dashboards|ingest|lastbeat|rules|store"
    for path in re.findall(rf"`((?:{folders})/[\w/]+\.py)`", text):
        assert (ROOT / path).exists(), f"{document.name} names {path}"


@pytest.mark.server
def test_the_readmes_first_monitor_works_as_written(tmp_path: Path) -> None:
    lines = [line[4:] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("    ")]
    script = "\n".join(lines[lines.index("key=lb_…") :])
    server = Server(tmp_path / "data").start()
    try:
        script = script.replace("lb_…", API_KEY).replace("http://127.0.0.1:8000", server.base)
        ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True)
        (job,) = server.api("GET", "/api/monitors")
        assert ran.stdout.startswith('OK{"ok":true')
        keys = server.until(lambda: (k := server.api("GET", f"/api/monitors/{job['id']}/metric-keys")) and len(k) == 4 and k)
        values = {one["key"]: one["lastValue"] for one in keys}
        assert values.keys() == {"files", "seconds", "duration_s", "max_memory_bytes"}
        assert (values["files"], values["seconds"]) == (1204, 8.4)
        newest = server.until(lambda: (p := server.api("GET", f"/api/monitors/{job['id']}/pings")) and len(p) == 4 and p)
        assert [(ping["kind"], ping["exitStatus"]) for ping in newest[:2]] == [("success", 0), ("start", None)]
        assert newest[0]["log"].endswith("docs\n")
        (channel,) = server.api("GET", "/api/notification-channels")
        assert (channel["name"], channel["isDefault"]) == ("ops", True)
    finally:
        server.end()


@pytest.mark.server
def test_every_curl_in_the_page_on_pinging_works_as_written(tmp_path: Path) -> None:
    lines = [line.strip() for line in (ROOT / "docs/pinging.md").read_text().splitlines() if line.startswith("    ") and "curl" in line]
    (tmp_path / "backup.log").write_text("a line\n" * 3_000)
    server = Server(tmp_path / "data").start()
    try:
        job = server.monitor(interval=3_600)
        control = Control(server.data / "control.db")
        with control.read() as connection:
            (project,) = projects.find(connection)
        control.close()
        host, token = "https://lastbeat.example.org", job["pingUrl"].rsplit("/", 1)[1]
        stands_for = {host: server.base, "<token>": token, "<ping-key>": project.ping_key, "<uuid>": str(uuid.uuid4())}
        stands_for |= {"/usr/local/bin/backup.sh": "true", "/var/log/backup.log": str(tmp_path / "backup.log")}
        for line in lines:
            for written, real in stands_for.items():
                line = line.replace(written, real)
            subprocess.run(["bash", "-uec", line], capture_output=True, text=True, timeout=60, check=True)
        (made,) = [one for one in server.api("GET", "/api/monitors") if one["slug"] == "nightly-backup"]
        kinds = server.until(lambda: (p := server.api("GET", f"/api/monitors/{job['id']}/pings")) and len(p) == len(lines) - 1 and p)
        assert [ping["kind"] for ping in kinds].count("success") == 6
        assert server.until(lambda: server.api("GET", f"/api/monitors/{made['id']}/pings"))
        keys = {one["key"] for one in server.api("GET", f"/api/monitors/{job['id']}/metric-keys")}
        assert keys == {"rows", "seconds", "status", "duration_s", "ping_ms"}
    finally:
        server.end()
