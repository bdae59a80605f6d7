"""A Lastbeat that gets monitors from elsewhere, a Healthchecks that gives some, and files as Uptime Kuma writes them."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from world import START, World

from lastbeat.cli import main
from store.control import monitors, projects, settings
from store.control.monitors import Watched
from store.model import Project

KEY = "hcw_0123456789abcdefghijABCDEFGH"
NIGHTLY = "31365bce-8da9-4729-8ff3-aaa71d56b712"
HOURLY = "803f680d-e89b-492b-82ef-2be7b774a92d"


class Home(World):
    """A world whose project is the default one, with the command line in front of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root
        with self.control.begin() as connection:
            settings.put(connection, settings.DEFAULT_PROJECT, self.project.id)

    def take(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["import", *arguments, "--data-dir", str(self.root)])

    def another(self, name: str, plan: str = "unlimited") -> Project:
        with self.control.begin() as connection:
            return projects.create(connection, name, plan, START)

    def there(self, project: Project | None = None) -> dict[str, Watched]:
        """The monitors of a project by token."""
        with self.control.read() as connection:
            found, _ = monitors.find(connection, (project or self.project).id, START, limit=10_000)
        return {watched.monitor.token: watched for watched in found}

    def ping_key(self) -> str:
        with self.control.read() as connection:
            found = projects.get(connection, self.project.id)
        assert found is not None
        return found.ping_key


def check(token: str = NIGHTLY, **fields: Any) -> dict[str, Any]:
    """A check as API v3 gives it to a read-write key; with a `schedule` it has no timeout."""
    kind = {"schedule": fields["schedule"], "tz": fields.get("tz", "UTC")} if "schedule" in fields else {"timeout": 3_600}
    common = {
        "name": "Nightly backup",
        "slug": "nightly-backup",
        "tags": "prod backup",
        "desc": "",
        "grace": 600,
        "n_pings": 7,
        "status": "up",
        "started": False,
        "last_ping": "2026-09-01T10:19:32+00:00",
        "next_ping": "2026-09-01T11:19:32+00:00",
        "manual_resume": False,
        "methods": "",
        "subject": "",
        "subject_fail": "",
        "start_kw": "",
        "success_kw": "",
        "failure_kw": "",
        "filter_subject": False,
        "filter_body": False,
        "filter_http_body": False,
        "filter_default_fail": False,
        "badge_url": "https://hc.example.org/b/2/0d7b4c3e-1c2d-4f5a-9b8c-7d6e5f4a3b2c.svg",
        "uuid": token,
        "ping_url": f"https://hc.example.org/ping/{token}",
        "update_url": f"https://hc.example.org/api/v3/checks/{token}",
        "pause_url": f"https://hc.example.org/api/v3/checks/{token}/pause",
        "resume_url": f"https://hc.example.org/api/v3/checks/{token}/resume",
        "channels": "",
    }
    return common | kind | fields


def read_only(full: dict[str, Any]) -> dict[str, Any]:
    """The same check as a read-only key sees it."""
    hidden = ("uuid", "ping_url", "update_url", "pause_url", "resume_url", "channels")
    return {name: value for name, value in full.items() if name not in hidden} | {"unique_key": "a6c7b0a8a66bed0df66abfdab3c77736861703ee"}


class Healthchecks:
    """Answers the two lists of API v3 below `prefix`. `instead`: status, headers and body of every answer; status 0: none."""

    def __init__(self, *checks: dict[str, Any], prefix: str = "") -> None:
        self.checks = list(checks)
        self.channels: list[dict[str, Any]] = []
        self.instead: tuple[int, dict[str, str], bytes] | None = None
        self.asked: list[tuple[str, str | None]] = []
        self.prefix = prefix
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, path: str, key: str | None) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, key))
        if self.instead is not None:
            return self.instead
        lists = {"/api/v3/checks/": {"checks": self.checks}, "/api/v3/channels/": {"channels": self.channels}}
        found = lists.get(path.removeprefix(self.prefix))
        if found is None:
            return 404, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>Page Not Found</h1>"
        if key != KEY:
            return 401, {"Content-Type": "application/json"}, b'{"error": "wrong api key"}'
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(healthchecks: Healthchecks) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = healthchecks.answer(self.path, self.headers.get("X-Api-Key"))
            if status == 0:
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """What was asked is in `asked`."""

    return Handler


_AROUND = """
CREATE TABLE tag (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, name VARCHAR(255) NOT NULL, color VARCHAR(255) NOT NULL,
    created_date DATETIME DEFAULT (DATETIME('now')) NOT NULL);
CREATE TABLE monitor_tag (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, monitor_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, value TEXT);
CREATE TABLE notification (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(255), config VARCHAR(255), active BOOLEAN NOT NULL DEFAULT 1,
    user_id INTEGER, is_default BOOLEAN NOT NULL DEFAULT 0);
CREATE TABLE heartbeat (id INTEGER PRIMARY KEY AUTOINCREMENT, monitor_id INTEGER NOT NULL, status SMALLINT NOT NULL,
    time DATETIME NOT NULL);
"""
_MONITOR = """
CREATE TABLE monitor (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(150), active BOOLEAN NOT NULL DEFAULT 1, user_id INTEGER,
    interval INTEGER NOT NULL DEFAULT 20, url TEXT, type VARCHAR(20), weight INTEGER DEFAULT 2000, hostname VARCHAR(255), port INTEGER,
    created_date DATETIME DEFAULT (DATETIME('now')) NOT NULL, keyword VARCHAR(255), maxretries INTEGER NOT NULL DEFAULT 0,
    ignore_tls BOOLEAN NOT NULL DEFAULT 0, upside_down BOOLEAN NOT NULL DEFAULT 0, retry_interval INTEGER NOT NULL DEFAULT 0,
    push_token VARCHAR({token}) DEFAULT NULL, resend_interval INTEGER NOT NULL DEFAULT 0, description TEXT DEFAULT NULL,
    parent INTEGER{more})
"""
VERSIONS = {
    "1.23": _MONITOR.format(token=20, more=", gamedig_given_port_only BOOLEAN NOT NULL DEFAULT 1"),
    "2.x": _MONITOR.format(token=32, more=", conditions TEXT NOT NULL DEFAULT '[]', manual_status SMALLINT, ip_family VARCHAR(4)"),
    "1.9": _MONITOR.format(token=20, more="").replace(",\n    parent INTEGER", ""),
}


class Kuma:
    """A kuma.db with the schema of a version."""

    def __init__(self, path: Path, version: str = "2.x") -> None:
        self.path = path
        self._do("PRAGMA journal_mode=WAL")
        for statement in [VERSIONS[version], *_AROUND.split(";")]:
            self._do(statement)

    def monitor(self, name: str | None = "Backup", **fields: Any) -> int:
        return self._add("monitor", {"name": name, "type": "push", "interval": 60, "push_token": "t0k3nOfBackup", **fields})

    def tag(self, monitor: int, name: str, value: str | None = None) -> None:
        tag = self._add("tag", {"name": name, "color": "#059669"})
        self._add("monitor_tag", {"monitor_id": monitor, "tag_id": tag, "value": value})

    def notification(self, name: str | None, config: str) -> None:
        self._add("notification", {"name": name, "config": config})

    def _add(self, table: str, fields: dict[str, Any]) -> int:
        return self._do(f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})", *fields.values())

    def _do(self, statement: str, *values: Any) -> int:
        # Closed each time, as by an Uptime Kuma that was stopped: nothing is left beside the file.
        with closing(sqlite3.connect(self.path)) as database, database:
            return database.execute(statement, values).lastrowid or 0
