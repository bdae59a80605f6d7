"""Dashboards on their way to a Grafana, which a small server stands in for: it answers as Grafana's HTTP API is documented to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from world import World

from lastbeat.cli import main

TOKEN = "glsa_0123"


class Grafana(ThreadingHTTPServer):
    """Keeps what it is sent; `fault` is the status and message with which it refuses dashboards."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.there: set[str] = set()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.fault: tuple[int, bytes] | None = None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Grafana

    def do_GET(self) -> None:
        self._answer(200 if self.path in self.server.there else 404, b"{}")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self._answer(401, b'{"message": "Invalid API key"}')
        if self.path == "/api/dashboards/db" and self.server.fault:
            return self._answer(*self.server.fault)
        self.server.sent.append((self.path, body))
        return self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    server = Grafana()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    world = World(tmp_path)
    world.monitor(name="Backup")
    yield tmp_path
    world.close()


def push(data: Path, url: str, *args: str, **environ: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["dashboards", "push", "--data-dir", str(data), "--grafana", url, *args], env=environ)
    return result.exit_code, result.output


def test_folder_datasource_and_dashboards_are_sent(grafana: Grafana, data: Path) -> None:
    where = {"LASTBEAT_INFLUXDB_URL": "http://influx.test:8086", "LASTBEAT_INFLUXDB_TOKEN": "its-own"}
    assert push(data, grafana.url + "/", LASTBEAT_GRAFANA_TOKEN=TOKEN, **where) == (
        0,
        f"3 dashboards are at {grafana.url}/dashboards/f/lastbeat\n",
    )
    (folder, made), (source, described), *dashboards = grafana.sent
    assert (folder, made) == ("/api/folders", {"title": "Lastbeat", "uid": "lastbeat"})
    assert (source, described["uid"], described["url"]) == ("/api/datasources", "lastbeat-influxql", "http://influx.test:8086")
    assert described["secureJsonData"] == {"httpHeaderValue1": "Token its-own"}
    assert {path for path, _ in dashboards} == {"/api/dashboards/db"}
    assert [body["dashboard"]["uid"] for _, body in dashboards] == ["lastbeat-overview", "lastbeat-monitor", "lastbeat-health"]
    assert all(body["overwrite"] and body["folderUid"] == "lastbeat" and body["dashboard"]["id"] is None for _, body in dashboards)


def test_what_is_there_is_left_as_it_is(grafana: Grafana, data: Path) -> None:
    grafana.there = {"/api/folders/lastbeat", "/api/datasources/uid/lastbeat-influxql"}
    (data / "token").write_text(TOKEN + "\n")
    assert push(data, grafana.url, "--token-file", str(data / "token"))[0] == 0
    assert {path for path, _ in grafana.sent} == {"/api/dashboards/db"}
    assert push(data, grafana.url, LASTBEAT_GRAFANA_TOKEN_FILE=str(data / "token"))[0] == 0


def test_a_refusal_is_told_in_grafanas_words(grafana: Grafana, data: Path) -> None:
    code, said = push(data, grafana.url, LASTBEAT_GRAFANA_TOKEN="wrong")
    assert (code, said) == (1, f"Error: Grafana at {grafana.url} answers 401 to POST /api/folders: Invalid API key.\n")
    grafana.fault = (502, b"<html>bad gateway")
    code, said = push(data, grafana.url, LASTBEAT_GRAFANA_TOKEN=TOKEN)
    assert (code, said) == (1, f"Error: Grafana at {grafana.url} answers 502 to POST /api/dashboards/db: <html>bad gateway.\n")


def test_no_grafana_and_no_token_are_sentences_too(data: Path) -> None:
    code, said = push(data, "http://127.0.0.1:1", LASTBEAT_GRAFANA_TOKEN=TOKEN)
    assert code == 1
    assert said.startswith("Error: Grafana at http://127.0.0.1:1 does not answer: ")
    code, said = push(data, "http://127.0.0.1:1")
    assert code == 2
    assert "Grafana's token is missing: give --token-file, LASTBEAT_GRAFANA_TOKEN or LASTBEAT_GRAFANA_TOKEN_FILE." in said
    assert push(data, "http://127.0.0.1:1", "--token-file", str(data / "none"))[0] == 2
