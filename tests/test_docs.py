from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from serving import API_KEY, Server

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
        keys = server.until(lambda: server.api("GET", f"/api/monitors/{job['id']}/metric-keys"))
        assert {one["key"]: one["lastValue"] for one in keys} == {"files": 1204, "seconds": 8.4}
        (channel,) = server.api("GET", "/api/notification-channels")
        assert (channel["name"], channel["isDefault"]) == ("ops", True)
    finally:
        server.end()
