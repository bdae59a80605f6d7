"""A server that writes down the pings it gets, and answers as the test says."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

TOKEN = "s3cr3t-t0k3n"
LIMIT = {"Ping-Body-Limit": "10000"}


class Received(NamedTuple):
    method: str
    path: str  # without the token
    query: dict[str, str]  # without the metrics
    metrics: dict[str, float]
    headers: dict[str, str]
    body: bytes


class Told(NamedTuple):
    """One answer; it waits until `after` is set."""

    status: int = 200
    headers: dict[str, str] = LIMIT
    body: bytes = b"OK"
    after: threading.Event | None = None


class Receiver:
    """Answers are taken from `told`, first to last; once they are used up, every ping gets 200."""

    def __init__(self) -> None:
        self.pings: list[Received] = []
        self.told: list[Told] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.base}/ping/{TOKEN}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def paths(self) -> list[str]:
        return [ping.path for ping in self.pings]

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            pairs = parse_qsl(parts.query)
            metrics = [value.rpartition(":") for name, value in pairs if name == "metric"]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = receiver.told.pop(0) if receiver.told else Told()
            path = parts.path.removeprefix(f"/ping/{TOKEN}")
            query = {name: value for name, value in pairs if name != "metric"}
            numbers = {name: float(number) for name, _, number in metrics}
            receiver.pings.append(Received(self.command, path, query, numbers, dict(self.headers), body))
            if told.after is not None:
                told.after.wait(20)
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: Any) -> None:
            """The pings themselves are the log."""

    return Handler
