"""Clients that nobody here wrote: how they are run against a real server, and what has arrived there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from serving import API_KEY, Server

# Where the commands of installed packages are: `borgmatic` beside `python`.
COMMANDS = Path(sys.executable).parent
# A plan that is over soon enough for a client to try again.
PLANS = "quick: {ping_seconds: 2}\n"


def server_in(root: Path) -> Server:
    """A server that knows the plan `quick`; not started."""
    plans = root / "plans.yml"
    plans.write_text(PLANS)
    return Server(root / "data", LASTBEAT_PLANS=str(plans))


class Arrived(NamedTuple):
    """What a test expects of one ping."""

    kind: str
    log: str | None = None
    exit_status: int | None = None


class Target:
    """A monitor of a running server: where a client pings it, and what has arrived there."""

    def __init__(self, server: Server, made: dict[str, Any], key: str = API_KEY) -> None:
        """`key` is that of the project of the monitor that was `made`."""
        self._server = server
        self._key = key
        self.id = made["id"]
        self.url = str(made["pingUrl"])
        self.token = self.url.rpartition("/")[2]
        self.push_url = f"{server.base}/api/push/{self.token}"

    def pings(self, count: int) -> list[dict[str, Any]]:
        """Its pings as the API shows them, the oldest first: exactly so many."""
        found: list[dict[str, Any]] = self._server.until(lambda: len(found := self._get("/pings")) >= count and found)
        assert len(found) == count, found
        return found[::-1]

    def arrived(self, count: int) -> list[Arrived]:
        return [Arrived(ping["kind"], ping["log"], ping["exitStatus"]) for ping in self.pings(count)]

    def shown(self) -> Any:
        return self._get("")

    def becomes(self, status: str) -> None:
        """Fails unless it has this status soon."""
        self._server.until(lambda: self.shown()["status"] == status)

    def metrics(self) -> dict[str, Any]:
        """The last value of each metric key."""
        return {found["key"]: found["lastValue"] for found in self._get("/metric-keys")}

    def _get(self, path: str) -> Any:
        reply = self._server.get(f"/api/monitors/{self.id}{path}", **{"x-api-key": self._key})
        assert reply.status == 200, reply
        return reply.json


def new(server: Server, **fields: Any) -> Target:
    return Target(server, server.monitor(**fields))


def made_by_ping(server: Server, slug: str) -> Target:
    """The monitor that a ping made."""
    (made,) = [monitor for monitor in server.api("GET", f"/api/monitors?q={slug}") if monitor["slug"] == slug]
    return Target(server, made)


def on_plan(server: Server, plan: str) -> Target:
    """A new monitor in a new project on this plan."""
    key = _lastbeat(server, "project", "create", f"of the plan {plan}", "--plan", plan)["apiKey"]
    return Target(server, server.send("POST", "/api/monitors", {"name": "job"}, **{"x-api-key": key}).json, key)


@cache
def ping_key(server: Server) -> str:
    """The default project's."""
    return str(_lastbeat(server, "project", "show", "default")["pingKey"])


def _lastbeat(server: Server, *arguments: str) -> Any:
    command = [sys.executable, "-m", "lastbeat", *arguments, "--json", "--data-dir", str(server.data)]
    environ = {**os.environ, "LASTBEAT_PLANS": str(server.data.with_name("plans.yml"))}
    return json.loads(subprocess.run(command, env=environ, check=True, capture_output=True, timeout=30).stdout)


def ran(command: list[str], where: Path, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """How a command ended in the directory `where`, which is its home as well; its exit status must be `status`."""
    own = {"HOME": str(where), "PATH": f"{where}:{COMMANDS}:{os.environ['PATH']}", "PYTHONWARNINGS": "default"}
    ended = subprocess.run(
        command, cwd=where, env={**os.environ, **own, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == status, (command, ended)
    return ended


def python(script: str, where: Path) -> str:
    """What a script printed that is run as its user would, apart from this process."""
    return ran([sys.executable, "-c", script], where).stdout
