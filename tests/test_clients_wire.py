"""Clients that do not run here, by the bytes that they send: captured from the program, published by others, or read in its source."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from clients import Arrived, Target, made_by_ping, new, ping_key
from serving import Server

pytestmark = pytest.mark.server

RID = "6f0c1d2e-0000-4000-8000-00000000abcd"
PS5 = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3031"
PS7 = "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.6"
RUNITOR = "runitor/v1.4.1 (linux-amd64; +https://bdd.fi/x/runitor)"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One connection, as a client holds it."""

    def __init__(self, server: Server) -> None:
        self._host = f"127.0.0.1:{server.port}"
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = self._socket.makefile("rb")

    def send(self, text: str, path: str = "") -> None:
        self._socket.sendall(text.replace("{path}", path).replace("{host}", self._host).replace("\n", "\r\n").encode())

    def send_body(self, body: bytes) -> None:
        self._socket.sendall(body)

    def answer(self, headless: bool = False) -> Answer:
        """The next answer; the body's length is what its head says."""
        status = int(self._incoming.readline().split()[1])
        headers = {}
        while line := self._incoming.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        size = int(headers.get("content-length", 0))
        return Answer(status, headers, b"" if headless else self._incoming.read(size))

    def is_closed(self) -> bool:
        return self._incoming.read(1) == b""

    def close(self) -> None:
        self._incoming.close()
        self._socket.close()


@contextmanager
def connected(live: Server) -> Iterator[Connection]:
    connection = Connection(live)
    try:
        yield connection
    finally:
        connection.close()


class Sent(NamedTuple):
    """A request: its head with `{path}` and `{host}`, its body, and what of it is to arrive."""

    head: str
    body: str
    expected: Arrived
    agent: str | None


SUCCESS, TEMPERATURE = Arrived("success"), Arrived("success", "temperature=-7")

# GET and POST of a ping URL.
PINGS = {
    "Windows PowerShell 5.1: Invoke-RestMethod": Sent(
        f"GET {{path}} HTTP/1.1\nUser-Agent: {PS5}\nHost: {{host}}\nConnection: Keep-Alive\n\n", "", SUCCESS, PS5
    ),
    "Windows PowerShell 5.1: Invoke-RestMethod -Method Post -Body": Sent(
        f"POST {{path}} HTTP/1.1\nUser-Agent: {PS5}\nContent-Type: application/x-www-form-urlencoded\nHost: {{host}}\n"
        "Content-Length: 14\nConnection: Keep-Alive\n\n",
        "temperature=-7",
        TEMPERATURE,
        PS5,
    ),
    "PowerShell 7: Invoke-RestMethod": Sent(
        f"GET {{path}} HTTP/1.1\nHost: {{host}}\nUser-Agent: {PS7}\nAccept-Encoding: gzip, deflate, br\n\n", "", SUCCESS, PS7
    ),
    "PowerShell 7.0, which announces that there is no body": Sent(
        f"GET {{path}} HTTP/1.1\nHost: {{host}}\nUser-Agent: {PS7}\nContent-Length: 0\n\n", "", SUCCESS, PS7
    ),
    "PowerShell 7: Invoke-RestMethod -Method Post -Body": Sent(
        f"POST {{path}} HTTP/1.1\nHost: {{host}}\nUser-Agent: {PS7}\nAccept-Encoding: gzip, deflate, br\n"
        "Content-Type: application/x-www-form-urlencoded\nContent-Length: 14\n\n",
        "temperature=-7",
        TEMPERATURE,
        PS7,
    ),
    "Healthchecks' documentation: HTTP/1.0": Sent("GET {path} HTTP/1.0\nHost: hc-ping.com\n\n", "", SUCCESS, None),
    "ESP8266HTTPClient": Sent(
        "GET {path} HTTP/1.1\nHost: {host}\nUser-Agent: ESP8266HTTPClient\nConnection: keep-alive\n"
        "Accept-Encoding: identity;q=1,chunked;q=0.1,*;q=0\n\n",
        "",
        SUCCESS,
        "ESP8266HTTPClient",
    ),
    "ESP8266HTTPClient, told to speak HTTP/1.0": Sent(
        "POST {path} HTTP/1.0\nHost: {host}\nUser-Agent: ESP8266HTTPClient\nConnection: close\nContent-Length: 14\n\n",
        "temperature=-7",
        TEMPERATURE,
        "ESP8266HTTPClient",
    ),
    "Java's HttpClient, which offers HTTP/2": Sent(
        "POST {path} HTTP/1.1\nConnection: Upgrade, HTTP2-Settings\nContent-Length: 14\nHost: {host}\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\nUpgrade: h2c\nUser-Agent: Java-http-client/17.0.15\n\n",
        "temperature=-7",
        TEMPERATURE,
        "Java-http-client/17.0.15",
    ),
    "Perl's HTTP::Tiny": Sent("GET {path} HTTP/1.1\nHost: {host}\nUser-Agent: HTTP-Tiny/0.080\n\n", "", SUCCESS, "HTTP-Tiny/0.080"),
    "Go's http.Post of a body of unknown length": Sent(
        "POST {path} HTTP/1.1\nHost: {host}\nUser-Agent: Go-http-client/1.1\nTransfer-Encoding: chunked\nContent-Type: text/plain\n"
        "Accept-Encoding: gzip\n\n",
        "e\r\ntemperature=-7\r\n0\r\n\r\n",
        TEMPERATURE,
        "Go-http-client/1.1",
    ),
}
PUSHES = {
    "Windows PowerShell 5.1: Invoke-WebRequest": PINGS["Windows PowerShell 5.1: Invoke-RestMethod"],
    "PowerShell 7: Invoke-WebRequest": PINGS["PowerShell 7: Invoke-RestMethod"],
    "uptime-kuma-push, in Go": Sent(
        "GET {path} HTTP/1.1\nHost: {host}\nUser-Agent: Go-http-client/1.1\nAccept-Encoding: gzip\n\n", "", SUCCESS, "Go-http-client/1.1"
    ),
    "fetch of Node.js": Sent(
        "GET {path} HTTP/1.1\nhost: {host}\nconnection: keep-alive\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\n"
        "user-agent: node\naccept-encoding: gzip, deflate\n\n",
        "",
        SUCCESS,
        "node",
    ),
    "HttpURLConnection of Java": Sent(
        "GET {path} HTTP/1.1\nUser-Agent: Java/17.0.15\nHost: {host}\nAccept: text/html, image/gif, image/jpeg, */*; q=0.2\n"
        "Connection: keep-alive\n\n",
        "",
        SUCCESS,
        "Java/17.0.15",
    ),
}


@pytest.mark.parametrize("client", PINGS)
def test_a_ping_is_taken_as_it_comes(live: Server, client: str) -> None:
    sent, job = PINGS[client], new(live)
    with connected(live) as connection:
        connection.send(sent.head, f"/ping/{job.token}")
        connection.send_body(sent.body.encode())
        answer = connection.answer()
        assert (answer.status, answer.body) == (200, b"OK")
        if "HTTP/1.0" in sent.head:
            assert connection.is_closed()
    assert job.arrived(1) == [sent.expected]
    assert job.pings(1)[0]["userAgent"] == sent.agent
    job.becomes("up")


@pytest.mark.parametrize("client", PUSHES)
def test_a_push_is_taken_as_it_comes(live: Server, client: str) -> None:
    sent, job = PUSHES[client], new(live)
    with connected(live) as connection:
        connection.send(sent.head, f"/api/push/{job.token}?status=up&msg=OK&ping=")
        assert connection.answer().body == b'{"ok":true}'
    assert job.arrived(1) == [Arrived("success", "OK")]
    assert job.pings(1)[0]["userAgent"] == sent.agent
    job.becomes("up")


def test_windows_powershell_asks_again_over_its_connection(live: Server) -> None:
    job = new(live)
    with connected(live) as connection:
        for line in ("Connection: Keep-Alive\n", "", ""):
            connection.send(f"GET {{path}} HTTP/1.1\nUser-Agent: {PS5}\nHost: {{host}}\n{line}\n", f"/ping/{job.token}/start")
            assert connection.answer().body == b"OK"
    assert job.arrived(3) == [Arrived("start")] * 3


@pytest.mark.parametrize("waits", [True, False])
def test_windows_powershell_gets_its_interim_answer_before_it_sends_the_body(live: Server, waits: bool) -> None:
    # .NET waits for it 350 ms at most, and sends the body all the same.
    job = new(live)
    head = (
        f"POST {{path}} HTTP/1.1\nUser-Agent: {PS5}\nContent-Type: application/x-www-form-urlencoded\nHost: {{host}}\n"
        "Content-Length: 14\nExpect: 100-continue\nConnection: Keep-Alive\n\n"
    )
    with connected(live) as connection:
        connection.send(head, f"/ping/{job.token}/fail")
        interim = connection.answer() if waits else None
        connection.send_body(b"temperature=-7")
        interim = interim or connection.answer()
        assert (interim.status, interim.headers, interim.body) == (100, {}, b"")
        assert connection.answer().body == b"OK"
        connection.send(f"GET {{path}} HTTP/1.1\nUser-Agent: {PS5}\nHost: {{host}}\n\n", f"/ping/{job.token}")
        assert connection.answer().body == b"OK"
    assert job.arrived(2) == [Arrived("fail", "temperature=-7"), SUCCESS]


def test_arduino_sends_a_word_at_a_time_and_finds_the_status(live: Server) -> None:
    job = new(live)
    words = ["GET", " ", "{path}", " HTTP/1.1", "\n", "Host: ", "127.0.0.1", ":", str(live.port), "\n"]
    words += ["User-Agent", ": ", "Arduino/2.2.0", "\n", "Connection", ": ", "close", "\n", "\n"]
    with connected(live) as connection:
        for word in words:
            connection.send(word, f"/ping/{job.token}")
        answer = connection.answer()
        assert (answer.status, answer.body) == (200, b"OK")
        assert connection.is_closed()
    assert job.arrived(1) == [SUCCESS]
    assert job.pings(1)[0]["userAgent"] == "Arduino/2.2.0"


def test_the_requests_of_healthchecks_documentation(live: Server) -> None:
    job = new(live, slug="database-backup")
    by_slug = f"/ping/{ping_key(live)}/database-backup"
    for path in (f"/ping/{job.token}", by_slug):
        for word in ("", "/start", "/fail", "/1"):
            with connected(live) as connection:
                connection.send("GET {path} HTTP/1.0\nHost: hc-ping.com\n\n", path + word)
                answer = connection.answer()
                assert (answer.status, answer.body) == (200, b"OK")
                shown = {"content-type": "text/plain; charset=utf-8", "content-length": "2", "connection": "close"}
                shown |= {"access-control-allow-origin": "*", "ping-body-limit": "10000"}
                assert answer.headers.items() >= shown.items()
        with connected(live) as connection:
            connection.send("POST {path} HTTP/1.1\nHost: hc-ping.com\nContent-Type: text/plain\nContent-Length: 11\n\n", path + "/log")
            connection.send_body(b"Hello World")
            assert connection.answer().body == b"OK"
    once = [SUCCESS, Arrived("start"), Arrived("fail"), Arrived("fail", None, 1), Arrived("log", "Hello World")]
    assert job.arrived(10) == once * 2


def runitor(connection: Connection, path: str, body: bytes = b"") -> Answer:
    connection.send(
        f"POST {{path}} HTTP/1.1\nHost: {{host}}\nUser-Agent: {RUNITOR}\nContent-Length: {len(body)}\nContent-Type: text/plain\n"
        "Accept-Encoding: gzip\n\n",
        path,
    )
    connection.send_body(body)
    return connection.answer()


def ran_by_runitor(live: Server, job: Target) -> None:
    start, end = job.pings(2)
    assert (start["kind"], start["log"], end["kind"], end["exitStatus"]) == ("start", None, "fail", 3)
    assert end["log"] == "hi\n\n[runitor] exit status 3"
    assert (start["rid"], end["rid"]) == (RID, RID)
    assert end["userAgent"] == RUNITOR
    assert end["duration"] > 0
    job.becomes("down")
    assert job.shown()["running"] is False


OUTPUT = b"hi\n\n[runitor] exit status 3"


def test_runitor_learns_how_much_is_kept_and_reports_a_run(live: Server) -> None:
    job = new(live)
    with connected(live) as connection:
        start = runitor(connection, f"/ping/{job.token}/start?rid={RID}")
        assert (start.status, start.headers["ping-body-limit"]) == (200, "10000")
        assert runitor(connection, f"/ping/{job.token}/3?rid={RID}", OUTPUT).status == 200
    ran_by_runitor(live, job)


def test_runitor_makes_its_monitor_with_the_start_of_the_run(live: Server) -> None:
    path = f"/ping/{ping_key(live)}/runitor"
    with connected(live) as connection:
        assert runitor(connection, f"{path}/start?create=1&rid={RID}").status == 201
        assert runitor(connection, f"{path}/3?create=1&rid={RID}", OUTPUT).status == 200
    ran_by_runitor(live, made_by_ping(live, "runitor"))
