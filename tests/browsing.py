"""The pages on private stores, as a browser without JavaScript meets them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse
from world import empty_control

from config.plans import shipped
from dashboards.pages import pages
from rules import actions, ledger, status
from rules.case import Case
from rules.definitions import AlertDefinition, ChannelDefinition, MonitorDefinition
from store.control import projects, settings
from store.lag import Lag
from store.model import SECOND, Alert, Channel, Monitor, Ns, Ping, Plan, Project
from store.points.embedded import EmbeddedPoints

BASE = "http://lastbeat.test"
PASSWORD = "correct horse battery staple"
# Cheap on purpose: how slow a real hash is has its own tests elsewhere.
HASH = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")


class _Compiled(BytecodeCache):
    """Templates compiled once for all apps of a run: each test has an app of its own."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.kept[bucket.key] = bucket.bytecode_to_string()


class House:
    """An app with the pages, its stores, a clock that only a test moves, and a client that is logged in after `log_in`."""

    def __init__(self, folder: Path) -> None:
        self.now: Ns = 1_795_003_200 * SECOND
        self.control = empty_control(folder)
        self.points = EmbeddedPoints(folder / "points.db")
        self.project = self._project()
        self.lag = Lag()
        self.refused: dict[str, tuple[int, Ns]] = {}
        app = self.app = Flask("house", static_folder=None)
        app.config.update(SECRET_KEY="for tests", TESTING=True)
        app.jinja_env.bytecode_cache = _Compiled()
        app.register_blueprint(
            pages(
                self.control, self.points, lambda: self.now, base_url=BASE, lag=lambda: self.lag, plans=shipped(), refusals=self.refused.get
            )
        )
        self.client: FlaskClient = app.test_client()

    def _project(self) -> Project:
        with self.control.begin() as connection:
            settings.put(connection, settings.ADMIN_PASSWORD_HASH, HASH)
            project = projects.create(connection, "default", "unlimited", self.now)
            settings.put(connection, settings.DEFAULT_PROJECT, project.id)
        return project

    def close(self) -> None:
        self.control.close()
        self.points.close()

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=BASE, headers=headers, buffered=True)

    def post(self, path: str, /, page: str = "/channels", **form: Any) -> TestResponse:
        """Send a form with the token that stands on `page`."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.get(page).text)
        assert token, f"{page} has no form"
        return self.client.post(path, base_url=BASE, data={"csrf": token[1], **form})

    def log_in(self) -> None:
        assert self.post("/login", page="/login", password=PASSWORD).status_code == 303

    def monitor(self, name: str = "Nightly backup", **fields: Any) -> Monitor:
        with self.control.begin() as connection:
            loaded = MonitorDefinition().load({"name": name, **fields})
            return actions.add_monitor(connection, self.project, Plan("unlimited"), loaded, self.now).monitor

    def channel(self, name: str = "Ops", **fields: Any) -> Channel:
        definition = {"name": name, "type": "webhook", "config": {"url": "https://hooks.example.org/x"}, **fields}
        with self.control.begin() as connection:
            return actions.add_channel(connection, self.project.id, ChannelDefinition().load(definition), self.now)

    def alert(self, monitor: Monitor, key: str, operator: str, threshold: float | str, consecutive: int = 1) -> Alert:
        definition = {"metricKey": key, "operator": operator, "threshold": threshold, "consecutiveTriggers": consecutive}
        with self.control.begin() as connection:
            return actions.add_alert(connection, monitor, AlertDefinition().load(definition), self.now)

    def ping(self, monitor: Monitor, numbers: dict[str, float] | None = None, **fields: Any) -> None:
        """One ping, now, settled and written as a point."""
        ping = Ping(self.now, monitor.id, numbers=numbers or {}, **fields)
        self._settle(monitor, [ping])
        self.points.write([ping])

    def miss(self, monitor: Monitor) -> None:
        self._settle(monitor, [])

    def _settle(self, monitor: Monitor, news: Sequence[Ping]) -> None:
        with self.control.begin() as connection:
            case: Case = ledger.load(connection, [monitor.id])[monitor.id]
            for ping in news:
                case.ping(ping)
            due = status.due(case.beat)
            if due is not None and due < self.now:
                case.miss()
            ledger.save(connection, [case], BASE, self.now)
