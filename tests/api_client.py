"""The API over real stores in a temporary directory, with a clock that the test moves, asked through Flask's test client."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from world import BASE_URL, START, empty_control

from api.app import register
from config.plans import shipped
from rules import ledger
from store.control import projects
from store.lag import Lag
from store.model import Ns, Ping, Plan, Project
from store.points.embedded import EmbeddedPoints


class Caller:
    """Somebody with an API key, or (None) without."""

    def __init__(self, app: Flask, key: str | None) -> None:
        self._client = app.test_client()
        self.headers = {} if key is None else {"x-api-key": key}

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        """A werkzeug TestResponse; untyped, since its `json` may be None for a type checker."""
        return self._client.open(path, method=method, buffered=True, headers={**self.headers, **kwargs.pop("headers", {})}, **kwargs)

    def get(self, path: str, status: int = 200, **kwargs: Any) -> Any:
        """The JSON of the answer, which must have `status`; so with every other method."""
        return self._json("GET", path, status, **kwargs)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self._json("POST", path, status, json=body)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return self._json("PATCH", path, status, json=body)

    def delete(self, path: str, status: int = 204) -> Any:
        return self._json("DELETE", path, status)

    def monitor(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.post("/api/monitors", {"name": "job", **fields})
        return made

    def channel(self, **fields: Any) -> dict[str, Any]:
        body = {"name": "sink", "type": "webhook", "config": {"url": "http://127.0.0.1:9/hook"}, **fields}
        made: dict[str, Any] = self.post("/api/notification-channels", body)
        return made

    def alert(self, monitor: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {"metricKey": "v", "operator": ">", "threshold": 100, **fields}
        made: dict[str, Any] = self.post(f"/api/monitors/{monitor['id']}/metric-alerts", body)
        return made

    def _json(self, method: str, path: str, status: int, **kwargs: Any) -> Any:
        reply = self.ask(method, path, **kwargs)
        assert reply.status_code == status, (method, path, reply.status, reply.text)
        return reply.json if reply.data else None


class Api:
    """One application. `now` is what its clock says; the rest is what it is told of the other parts."""

    def __init__(self, root: Path) -> None:
        self.control = empty_control(root)
        self.points = EmbeddedPoints(root / "points.db")
        self.app = Flask("api_under_test", static_folder=None)
        register(
            self.app,
            self.control,
            self.points,
            base_url=BASE_URL,
            clock=lambda: self.now,
            trouble=lambda: self.trouble,
            rules_moved_at=lambda: self.rules_moved_at,
            lag=lambda: self.lag,
            dead_letters=lambda: self.dead_letters,
            plans=shipped() | {"tiny": Plan("tiny", 0, 3)},
        )
        self.stranger = Caller(self.app, None)
        self.begin()

    def begin(self) -> None:
        """The beginning of the world, as far as a new project can tell."""
        self.now: Ns = START
        self.trouble: str | None = None
        self.rules_moved_at: Ns | None = START
        self.lag = Lag()
        self.dead_letters = 0
        self.me = self.project("mine")

    def project(self, name: str, *, read_only: bool = False, of: Project | None = None, plan: str = "unlimited") -> Caller:
        """The holder of a new key, of a new project unless told."""
        key = projects.new_key()
        with self.control.begin() as connection:
            project = of or projects.create(connection, name, plan, START)
            projects.add_key(connection, project.id, name, key, START, read_only=read_only)
        return Caller(self.app, key)

    def reader(self) -> Caller:
        """The holder of a read-only key of my project."""
        with self.control.read() as connection:
            mine = projects.by_key(connection, self.me.headers["x-api-key"])
        assert mine is not None
        return self.project("reader", read_only=True, of=mine[0])

    def pings(self, monitor: dict[str, Any], *pings: Ping) -> None:
        """These came in, and were settled and shipped."""
        with self.control.begin() as connection:
            cases = ledger.load(connection, [monitor["id"]])
            for ping in pings:
                cases[ping.monitor].ping(ping)
            ledger.save(connection, cases.values(), BASE_URL, self.now)
        self.points.write(pings)

    def close(self) -> None:
        self.control.close()
        self.points.close()


def fresh() -> Api:
    """An application with a new project: one application serves all tests, which are as strange to each other as projects are."""
    api = _shared()
    api.begin()
    return api


@cache
def _shared() -> Api:
    root = tempfile.TemporaryDirectory(prefix="lastbeat-test-")
    api = Api(Path(root.name))
    atexit.register(root.cleanup)
    atexit.register(api.close)
    return api
