"""A real `lastbeat serve` on a free port and a data directory of its own, and the few requests that tests send to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from lastbeat.places import Places

API_KEY = "lb_0123456789abcdefghij"
PASSWORD = "correct horse battery"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """Not started until `start`; whatever was started is gone after `end`."""

    def __init__(self, data: Path, *args: str, **environ: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.log = data.with_suffix(".log")
        own = {"LASTBEAT_API_KEY": API_KEY, "LASTBEAT_ADMIN_PASSWORD": PASSWORD, "LASTBEAT_DATA_DIR": str(self.data)}
        self._environ = {**os.environ, **own, **environ}
        self._args = ["serve", "--port", str(self.port), *args]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command(), env=self._environ, stdout=log, stderr=log, start_new_session=True)
        self.until(lambda: self.get("/readyz").status == 200, 30)
        return self

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "lastbeat", *self._args]

    @property
    def process(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def child(self, role: str) -> psutil.Process:
        """The running child with this word on its command line: `engine` or `worker`."""
        return self.children(role)[0]

    def children(self, role: str = "child") -> list[psutil.Process]:
        return [child for child in self.process.children() if role in _words(child)]

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ask it to stop; its exit status."""
        assert self._process is not None
        self._process.send_signal(sig)
        return self._process.wait(30)

    def kill(self) -> None:
        """Kill every process at once, as a power cut would."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(Places(self.data).counters, ignore_errors=True)  # what is killed leaves it in memory

    def run_again(self) -> subprocess.CompletedProcess[str]:
        """Start it a second time beside the running one, and wait for how that ends."""
        return subprocess.run(self._command(), env=self._environ, capture_output=True, text=True, timeout=30, check=False)

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """One request; a body that is not bytes goes as JSON. No answer at all is status 0."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None and data is not body else {}
        request = urllib.request.Request(self.base + path, data, {**sent, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return Reply(reply.status, dict(reply.headers), reply.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, dict(error.headers), error.read())
        except OSError:
            return Reply(0, {}, b"")

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What the API answers to the default project's key, decoded; an error answer fails the test."""
        reply = self.send(method, path, body, **{"x-api-key": API_KEY})
        assert 200 <= reply.status < 300, (method, path, reply)
        return reply.json if reply.body else None

    def monitor(self, **fields: Any) -> Any:
        return self.api("POST", "/api/monitors", {"name": "job", **fields})

    def ping(self, monitor: Any, body: Any = None) -> Reply:
        return self.send("POST" if body is not None else "GET", "/ping/" + monitor["pingUrl"].rsplit("/", 1)[1], body)

    def status(self, monitor: Any) -> str:
        return str(self.api("GET", f"/api/monitors/{monitor['id']}")["status"])

    def until(self, true: Callable[[], Any], seconds: float = 15) -> Any:
        """Ask again and again; fails with the server's log when it does not come true in time."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, f"not within {seconds} s; the server's log ends:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.05)
        return found


def _words(process: psutil.Process) -> list[str]:
    """The words of its command line; none once it is dead, which may be at any moment."""
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
