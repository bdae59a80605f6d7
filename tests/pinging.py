"""The ping endpoint behind its real HTTP server on a loopback port, over real stores, in the test's own process."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import gevent
from gevent import socket as gsocket
from gevent.threadpool import ThreadPool
from world import START, World

from ingest.commit import Committer
from ingest.endpoint import PingEndpoint
from ingest.gate import Gate
from ingest.http import Application, Front, Server
from ingest.making import Making
from ingest.registry import Registry
from ingest.stamp import Stamps
from lastbeat.provision import Provision
from store.control import projects
from store.journal import JournalReader
from store.model import SECOND, Beat, Monitor, Ns, Ping, Plan

PLANS = {"slow": Plan("slow", 10), "free": Plan("free", 600, 50), "tiny": Plan("tiny", 0, 2)}


def pages(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"page " + environ["PATH_INFO"].encode() + b" " + environ["wsgi.input"].read()]


class Reply(NamedTuple):
    """`headers` by their lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def parsed(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Reply(int(first.split()[1]), headers, body)


class Site:
    """`job` is a monitor of the default project; `path` its ping URL. `pass_seconds` moves the clock."""

    def __init__(self, root: Path, application: Callable[[], Application] = lambda: pages) -> None:
        self.world = World(root)
        self.now: Ns = START
        self.job: Monitor = self.world.monitor(name="nightly")
        self.committer = Committer(self.world.journals[0].append, ThreadPool(1), Stamps(lambda: self.now, 0))
        self.gate = Gate(root / "gate.db")
        threads = ThreadPool(2)
        making = Making(ThreadPool(1), Provision(self.world.control, PLANS, lambda: self.now))
        self.registry = Registry(self.world.control, ThreadPool(2), lambda: self.now, PLANS, making)
        self.pings = PingEndpoint(self.registry, self.committer, self.gate)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        self.server = Server(listener, self.pings, Front(self.pings, application, threads), connections=100)
        self.server.start()
        self.path = f"/ping/{self.job.token}".encode()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.address[1]}"

    @property
    def ping_key(self) -> str:
        return self.world.project.ping_key

    def talk(self, *pieces: bytes) -> bytes:
        """Send the pieces one after the other and read until the server closes or has nothing more to say."""
        with gsocket.create_connection(self.address) as connection:
            for piece in pieces:
                connection.sendall(piece)
                gevent.sleep(0.02)
            connection.settimeout(1.0)
            answer = b""
            try:
                while data := connection.recv(65_536):
                    answer += data
            except TimeoutError:
                pass
            return answer

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """One request on a connection of its own; an underscore in a header's name stands for a hyphen."""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return parsed(self.talk("\r\n".join([*lines, "", ""]).encode("latin-1") + body))

    def ping(self, suffix: str = "", method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
        """One request to the job's ping URL, a second after the one before."""
        self.pass_seconds(1)
        return self.ask(method, self.path.decode() + suffix, body, **headers)

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    def plan(self, name: str) -> None:
        """The default project is on this plan from now on."""
        with self.world.control.begin() as connection:
            projects.change(connection, self.world.project.id, plan=name)
        self.registry.step(self.now)

    def stored(self) -> list[Ping]:
        reader = JournalReader(self.world.inboxes / "0.db")
        found = [record for _, record in reader.read(0, 1_000) if isinstance(record, Ping)]
        reader.close()
        return found

    def beat(self, monitor: Monitor | None = None) -> Beat:
        """How the monitor (the job, unless told) is once all that came in is settled."""
        self.world.run((self.now - START) / SECOND + 0.5)
        return self.world.beat(monitor or self.job)

    def close(self) -> None:
        self.server.drain(2)
        self.gate.close()
        self.world.close()
