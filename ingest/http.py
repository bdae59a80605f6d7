"""HTTP in front of the ping endpoint: pings in plain form are read from the socket here, everything else goes the way of WSGI.

gevent's pywsgi spends 170 µs on a request, most of it on an environment that a ping does not need. Nearly every ping has one plain
form, and only that form is read here. Whatever is unusual in any way (a head that has not arrived whole, an older version, a chunked
body, a repeated header) is left to pywsgi and reaches the same endpoint through `Front`, only slower.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any

import gevent
import msgspec
from gevent import getcurrent, pywsgi
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer
from gevent.threadpool import ThreadPool
from greenlet import greenlet

from ingest.answer import Answer, Request
from ingest.endpoint import PREFIXES, PingEndpoint
from ingest.head import LENGTH, MAX_BYTES, MAX_LINES, NAME, check_first_line, read_head
from ingest.payload import MAX_BODY

log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

# pywsgi's own limit of 8 KiB would refuse a push of Uptime Kuma's clients for its long message, and the heartbeat with it.
pywsgi.MAX_REQUEST_LINE = MAX_BYTES  # type: ignore[attr-defined]  # gevent's types lack it

_IDLE_SECONDS = 75
# No % in a path: what it stands for is decoded by pywsgi.
_PLAIN = re.compile(
    rb"(GET|HEAD|POST|PUT) (/(?:ping|api/push)/[!-$&->@-~]*)(?:\?([!-~]*))? HTTP/1\.1\r\n"
    rb"((?:" + NAME.encode() + rb":[^\r\n\x00]*\r\n)*)\r\n"
)
_BEYOND_ASCII = re.compile(r"[\x80-\xff]")
_PART = "the body of the request did not arrive whole; nothing was recorded"
_UNUSUAL = ("transfer-encoding", "expect", "upgrade")
_REASONS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class _Plain:
    """A ping in plain form: its request, still without a body, and how many bytes of the stream are its head and its body."""

    __slots__ = ("closes", "head_size", "headers", "method", "path", "query", "size")

    def __init__(self, method: str, path: str, query: str, headers: dict[str, str], head_size: int, size: int) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.head_size = head_size
        self.size = size
        self.closes = headers.get("connection", "").lower() == "close"


def plain_ping(buffered: bytes) -> _Plain | None:
    """The ping that `buffered` begins with; None unless it is there with its whole head and in plain form."""
    match = _PLAIN.match(buffered)
    if match is None:
        return None
    method, path, query, block = match.group(1, 2, 3, 4)
    lines = block.decode("latin-1").split("\r\n")[:-1]
    headers = {name.lower(): value.strip(" \t") for name, _, value in (line.partition(":") for line in lines)}
    size = headers.get("content-length", "0")
    if len(headers) != len(lines) or len(lines) > MAX_LINES or not LENGTH.fullmatch(size) or int(size) > MAX_BODY:
        return None
    if any(name in headers for name in _UNUSUAL) or headers.get("connection", "close").lower() not in ("close", "keep-alive"):
        return None
    return _Plain(method.decode(), path.decode(), (query or b"").decode(), headers, match.end(), int(size))


class Handler(WSGIHandler):
    """One connection. Counts as idle while it waits for the next request, so that a stopping server need not wait for it."""

    server: Server

    def handle_one_request(self) -> Any:
        buffered = self._await_request()
        ping = plain_ping(buffered) if buffered else None
        if ping is None:
            return super().handle_one_request() if buffered else None
        try:
            self.rfile.read(ping.head_size)
            body = self.rfile.read(ping.size)
            whole = len(body) == ping.size
            peer = _peer(self.client_address, ping.headers)
            request = Request(ping.method, ping.path, ping.headers, body, ping.size, peer, ping.query)
            answer = self.server.pings.answer(request) if whole else _bad_request(_PART)
            closes = ping.closes or self.server.stopping or not whole
            self.socket.sendall(_encoded(answer, ping.method == "HEAD", closes))
        except OSError:
            return None
        return None if closes else True

    def _await_request(self) -> bytes:
        self.server.idle.add(getcurrent())
        try:
            return b"" if self.server.stopping else self.rfile.peek()
        except OSError:
            return b""
        finally:
            self.server.idle.discard(getcurrent())

    def read_request(self, raw_requestline: str) -> Any:
        check_first_line(raw_requestline)
        # As Latin-1, which pywsgi takes them for, UTF-8's bytes are other letters, and some of them spaces.
        line = _BEYOND_ASCII.sub(lambda match: f"%{ord(match[0]):02X}", raw_requestline)
        if not line.startswith("HEAD "):
            return super().read_request(line)
        # pywsgi refuses a HEAD that has a body, but a ping is a heartbeat whatever its body.
        read = super().read_request(line.replace("HEAD", "GET", 1))
        self.command = "HEAD"
        return read

    def MessageClass(self, *_: Any) -> Any:  # noqa: N802  # pywsgi's name for what reads the lines behind the first
        return super().MessageClass(BytesIO(read_head(self.rfile, self.request_version or "")))

    def _connection_upgrade_requested(self) -> bool:
        return False  # there is none here; pywsgi would take all that follows for the request's body

    def _handle_client_error(self, ex: BaseException) -> Any:
        if isinstance(ex, ValueError):
            log.warning("refused a request from %s: %s", _peer(self.client_address, {}), ex)
            with suppress(OSError):
                self.socket.sendall(_encoded(_bad_request(str(ex)), headless=False, closes=True))
        elif not isinstance(ex, OSError):  # a client that is too slow or gone is no error of ours, and gets no traceback
            super()._handle_client_error(ex)  # type: ignore[misc]  # gevent's types lack it


class Server(WSGIServer):
    """Serves pings and the application on a listening socket."""

    def __init__(self, listener: socket.socket, pings: PingEndpoint, application: Callable[..., Iterable[bytes]], connections: int) -> None:
        listener.setblocking(False)  # else an accept that another worker was faster at would stop the loop
        self.connections = Pool(connections)
        super().__init__(listener, application, log=None, handler_class=Handler, spawn=self.connections)
        self.pings = pings
        self.stopping = False
        self.idle: set[greenlet] = set()

    def handle(self, client_socket: Any, address: Any) -> Any:
        # pywsgi sends head and body apart: without NODELAY the body would wait 40 ms for the client's delayed ACK.
        client_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client_socket.settimeout(_IDLE_SECONDS)
        return super().handle(client_socket, address)

    def drain(self, seconds: float) -> None:
        """Accept nothing more, answer what is being answered, let go of idle connections."""
        self.stopping = True
        self.close()
        for connection in list(self.idle):
            gevent.kill(connection)
        self.connections.join(timeout=seconds)


class Front:
    """The WSGI application in front: unusual pings to the endpoint, all else to `pages` in a thread, where it may wait for databases."""

    def __init__(self, pings: PingEndpoint, pages: Callable[[], Application], threads: ThreadPool) -> None:
        """`pages` gives the application, and may wait until it is loaded; called in a thread."""
        self._pings = pings
        self._pages = pages
        self._threads = threads

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_ping = environ["PATH_INFO"].startswith(PREFIXES)
        declared = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            # The socket belongs to this thread's loop, so the body is read here, before another thread takes over.
            body = b"" if is_ping and declared > MAX_BODY else environ["wsgi.input"].read(MAX_BODY + 1)
        except (OSError, ValueError):  # the client went away in the middle, or sends chunks that are none
            start_response("400 Bad Request", [("Content-Type", "application/json"), ("Connection", "close")])
            return [_bad_request(_PART).body]
        if is_ping:
            answer = self._pings.answer(_request(environ, body, max(declared, len(body))))
            start_response(_status(answer), [("Content-Type", answer.content_type), *answer.headers])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]
        environ |= {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "wsgi.multithread": True}
        status, headers, content = self._threads.apply(_run, (self._pages, environ))
        start_response(status, headers)
        return [content]


def _run(pages: Callable[[], Application], environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started.append((status, headers))

    chunks = pages()(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return *started[-1], content


def _request(environ: Environ, body: bytes, size: int) -> Request:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    peer, query = _peer((environ["REMOTE_ADDR"],), headers), environ["QUERY_STRING"]
    return Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, body, size, peer, query)


def _peer(address: Any, headers: dict[str, str]) -> str:
    """Who pinged: behind a proxy on this machine the first address it forwards, else the other end of the connection."""
    peer = str(address[0]) if isinstance(address, tuple) else ""
    forwarded = headers.get("x-forwarded-for")
    if forwarded and peer in ("127.0.0.1", "::1", ""):
        return forwarded.partition(",")[0].strip()[:64]
    return peer


def _bad_request(sentence: str) -> Answer:
    return Answer(400, "application/json", msgspec.json.encode({"error": sentence}), ())


def _status(answer: Answer) -> str:
    return f"{answer.status} {HTTPStatus(answer.status).phrase}"


def _encoded(answer: Answer, headless: bool, closes: bool) -> bytes:
    """The whole answer in one piece: one segment, one system call."""
    lines = [_REASONS[answer.status], _date(int(time.time()))]
    lines.append(f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n")
    lines += [f"{name}: {value}\r\n" for name, value in answer.headers]
    lines.append("Connection: close\r\n\r\n" if closes else "\r\n")
    head = "".join(lines).encode("latin-1")
    return head if headless else head + answer.body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
