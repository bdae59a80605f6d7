from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from statistics import median

import gevent
import pytest
from gevent import socket as gsocket
from hypothesis import given
from hypothesis import strategies as st
from pinging import Site

from ingest import http
from ingest.head import read_head
from ingest.http import plain_ping
from ingest.payload import MAX_BODY


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    one.close()


CLOSE = b"Connection: close\r\n\r\n"


def test_a_plain_ping_is_answered_in_one_piece_and_durable(site: Site) -> None:
    answer = site.talk(b"GET " + site.path + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: cron\r\n" + CLOSE)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Ping-Body-Limit: 10000" in head
    assert b"\r\nDate: " in head
    assert b"Content-Type: text/plain" in head
    assert body == b"OK"
    (ping,) = site.stored()
    assert (ping.monitor, ping.kind, ping.user_agent, ping.remote_addr) == (site.job.id, "success", "cron", "127.0.0.1")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET %s HTTP/1.1\r\nHost: x\r\n" + CLOSE],
        [b"GET %s/ HTTP/1.1\r\nHost: x\r\n" + CLOSE],
        [b"GET %s?from=cron HTTP/1.1\r\nHost: x\r\n" + CLOSE],
        [b"GET %s HT", b"TP/1.1\r\nHos", b"t: x\r\n" + CLOSE],
        [b"GET %s HTTP/1.0\r\n\r\n"],
        [b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + CLOSE],
        [b"PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" + CLOSE, b"text"],
        [b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + CLOSE, b"3\r\nabc\r\n0\r\n\r\n"],
        [b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + CLOSE, b"ok"],
        [b"GET %s HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\n" + CLOSE],
    ],
)
def test_every_form_of_ping_is_recorded_once(site: Site, pieces: list[bytes]) -> None:
    answer = site.talk(pieces[0].replace(b"%s", site.path), *pieces[1:])
    assert b" 200 OK\r\n" in answer
    assert answer.endswith(b"OK")
    assert len(site.stored()) == 1


def test_a_connection_serves_many_pings_also_sent_ahead_and_mixed_with_pages(site: Site) -> None:
    ping = b"GET " + site.path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET " + site.path + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE
    answer = site.talk(ping * 3 + b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n" + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert b"page /list" in answer
    assert len(site.stored()) == 4


def test_head_gets_the_head_alone(site: Site) -> None:
    answer = site.talk(b"HEAD " + site.path + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    assert b"Content-Length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert len(site.stored()) == 1


def test_other_methods_are_refused_with_those_that_work(site: Site) -> None:
    answer = site.talk(b"DELETE " + site.path + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD, POST, PUT\r\n" in answer
    assert site.stored() == []


@pytest.mark.parametrize("path", [b"/ping/nobody", b"/ping/", b"/ping/%FF", b"/ping/a/b/c"])
def test_unknown_urls_say_nothing(site: Site, path: bytes) -> None:
    answer = site.talk(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b"\r\n\r\nnot found")


def test_metrics_are_stored_and_told_back_in_json(site: Site) -> None:
    body = b'{"a": 1, "s": "x"}'
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (site.path, len(body))
    answer = site.talk(head + CLOSE + body)
    assert b'"stored":{"numbers":["a"],"strings":["s"],"log":false}' in answer
    assert b'"nextExpectedAt":"2023-11-14T22:14:20.000Z"' in answer
    (ping,) = site.stored()
    assert (ping.numbers, ping.texts) == ({"a": 1.0}, {"s": "x"})


def test_a_bad_body_is_a_heartbeat_all_the_same(site: Site) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n" % site.path
    answer = site.talk(head + CLOSE + b"[1]")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"ping":"recorded","metrics":"refused"' in answer
    (ping,) = site.stored()
    assert ping.problem
    assert ping.numbers == {}


def test_a_body_beyond_every_limit_is_a_heartbeat_all_the_same(site: Site) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % (site.path, MAX_BODY + 1)
    answer = site.talk(head + CLOSE, b"x" * (MAX_BODY + 1))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert len(site.stored()) == 1


def test_the_hundred_and_first_key_is_refused(site: Site) -> None:
    def send(*keys: int) -> bytes:
        body = ("{" + ",".join(f'"k{k}":1' for k in keys) + "}").encode()
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (site.path, len(body))
        return site.talk(head + CLOSE + body)

    for first in (0, 50):
        assert b" 200 OK" in send(*range(first, first + 50))
    assert b"at most 100" in send(100)
    assert b" 200 OK" in send(5, 99)
    assert [len(ping.numbers) for ping in site.stored()] == [50, 50, 0, 2]


@pytest.mark.parametrize("path", [b"/ping/%s", b"/api/monitors"])
@pytest.mark.parametrize(
    "sent",
    [
        b"Content-Length: 100\r\n\r\nhalf",
        b"X: 1\r\nX: 2\r\nContent-Length: 100\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n50\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalfway\r\n",
    ],
)
def test_a_body_that_does_not_arrive_whole_is_no_request(site: Site, path: bytes, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with gsocket.create_connection(site.address) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n%s" % (path.replace(b"/ping/%s", site.path), sent))
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b'{"error":"the body of the request did not arrive whole; nothing was recorded"}')
    assert site.stored() == []
    assert "Traceback" not in capfd.readouterr().err


def test_a_client_that_is_gone_in_the_middle_leaves_no_trace(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    for sent in (b"half a he", b"X: y\r\n\r\n", b"Content-Length: 100\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n50\r\nhalf"):
        with gsocket.create_connection(site.address) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing it is a reset
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: x\r\n%s" % (site.path, sent))
            gevent.sleep(0.02)
    gevent.sleep(0.05)
    assert [ping.log for ping in site.stored()] == [None]
    assert capfd.readouterr().err == ""


AMBIGUOUS = [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n",
    b"Content-Length: 1_0\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: \x0b5\r\n",
    b"Content-Length: \xb2\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: " + b"1" * 5_000 + b"\r\n",
    b"Content-Length : 5\r\n",
    b" Content-Length: 5\r\n",
    b"(Content-Length: 5\r\n",
    b"X: folded\r\n Content-Length: 5\r\n",
    b"X: a\rContent-Length: 5\r\n",
    b"X: a\nContent-Length: 5\r\n",
    b"X: a\x00b\r\n",
    b"Host: other\r\n",
    b"no colon\r\n",
    b": no name\r\n",
    b"".join(b"H%d: x\r\n" % n for n in range(101)),
    b"X: " + b"x" * 66_000 + b"\r\n",
]


@pytest.mark.parametrize("lines", AMBIGUOUS)
def test_a_head_that_a_proxy_may_read_otherwise_is_refused(site: Site, lines: bytes, caplog: pytest.LogCaptureFixture) -> None:
    answer = site.talk(b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n0\r\n\r\nGET %s HTTP/1.1\r\n\r\n" % (site.path, lines, site.path))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer
    assert site.stored() == []
    (said,) = caplog.messages
    assert said.startswith("refused a request from 127.0.0.1: ")
    assert "\n" not in said


@pytest.mark.parametrize(
    "first",
    [b"GET %s\r\n", b"GET  %s HTTP/1.1\r\n", b"GET\x0b%s HTTP/1.1\r\n", b"GET %s HTTP/1.1\n", b"GET %s HTTP/2.0\r\n", b"\x16\x03\x01\r\n"],
)
def test_a_first_line_that_is_none_is_refused(site: Site, first: bytes) -> None:
    answer = site.talk(first.replace(b"%s", site.path) + b"Host: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert site.stored() == []


def test_secrets_in_a_refused_head_are_not_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for head in (b"GET %s HTTP/1.1\nX: y\n\n" % site.path, b"GET / HTTP/1.1\r\nX-API-Key: hush\nX: y\r\n\r\n"):
        assert site.talk(head).startswith(b"HTTP/1.1 400 ")
    assert len(caplog.messages) == 2
    assert site.job.token not in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_head_that_is_cut_off_is_no_ping(site: Site, version: bytes) -> None:
    with gsocket.create_connection(site.address) as connection:
        connection.sendall(b"GET %s HTTP/%s\r\nHost: x\r\n" % (site.path, version))
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1)
        answer = connection.recv(65_536)
        assert connection.recv(1) == b""
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the head ends before its blank line" in answer
    assert site.stored() == []


def test_chunks_in_http_1_0_are_refused(site: Site) -> None:
    answer = site.talk(b"POST %s HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % site.path)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_an_escaped_path_is_the_same_path_however_it_is_read(site: Site) -> None:
    escaped = b"/ping/%%%02x%s" % (site.path[6], site.path[7:])
    for version in (b"1.1", b"1.0"):
        assert b" 200 OK\r\n" in site.talk(b"GET %s?q=%%20 HTTP/%s\r\nHost: x\r\n" % (escaped, version) + CLOSE)
    assert len(site.stored()) == 2


def test_a_wish_for_another_protocol_is_ignored(site: Site) -> None:
    answer = site.talk(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % site.path)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(site.stored()) == 1


def test_a_full_disk_is_503_and_never_404(site: Site) -> None:
    site.world.journals[0].close()
    answer = site.talk(b"GET " + site.path + b" HTTP/1.1\r\nHost: x\r\n" + CLOSE)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in answer
    assert site.committer.trouble is not None


def test_a_request_for_a_page_brings_its_body_along(site: Site) -> None:
    answer = site.talk(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + CLOSE + b"a=b")
    assert answer.endswith(b"page /form a=b")


def test_draining_lets_idle_connections_go(site: Site) -> None:
    with gsocket.create_connection(site.address) as idle:
        gevent.sleep(0.05)
        site.server.drain(5)
        idle.settimeout(2)
        assert idle.recv(1) == b""


PIECES = [
    b"A",
    b"content-length",
    b"Transfer-Encoding",
    b"host",
    b":",
    b" ",
    b"\t",
    b"5",
    b"x",
    b"\x0b",
    b"\xa0",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
]


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES)).map(b"".join)))
def test_what_is_read_as_a_plain_ping_the_strict_reader_reads_alike(noise: bytes) -> None:
    first = b"GET /ping/x HTTP/1.1\r\n"
    found = plain_ping(first + noise + b"\r\n\r\n")
    if found is not None:
        lines = read_head(BytesIO(noise + b"\r\n\r\n"), "HTTP/1.1").decode("latin-1").split("\r\n")[:-2]
        assert found.headers == {line.partition(":")[0].lower(): line.partition(":")[2][1:] for line in lines}
        assert found.size == int(found.headers.get("content-length", 0)) <= MAX_BODY


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ping/x HTTP/1.1\r\nHost: x\r\n",
        b"GET /ping/x HTTP/1.1\nHost: x\n\n",
        b"GET  /ping/x HTTP/1.1\r\n\r\n",
        b"GET /list HTTP/1.1\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /ping/x HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
        b"GET /ping/x HTTP/1.1\r\nConnection: Upgrade\r\n\r\n",
        b"GET /ping/x HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET /ping/x HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET /ping/%78 HTTP/1.1\r\n\r\n",
    ],
)
def test_whatever_is_unusual_is_left_to_the_library(head: bytes) -> None:
    assert plain_ping(head) is None


def test_a_connection_on_which_nothing_comes_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_IDLE_SECONDS", 0.05)
    with gsocket.create_connection(site.address) as silent, gsocket.create_connection(site.address) as half:
        half.sendall(b"GET /monitors HTTP/1.1\r\nHos")
        for connection in (silent, half):
            connection.settimeout(2)
            while connection.recv(1_024):
                pass


def test_the_body_of_a_page_does_not_wait_for_the_clients_acknowledgement(site: Site) -> None:
    took: list[float] = []
    with gsocket.create_connection(site.address) as connection:
        for _ in range(9):
            began = time.perf_counter()
            connection.sendall(b"GET /monitors HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"page /monitors "):
                answer += connection.recv(1_024)
            took.append(time.perf_counter() - began)
    assert median(took) < 0.03, "a client delays its acknowledgement by 40 ms"


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_head_with_a_body_is_a_ping_and_gets_no_body_back(site: Site, version: bytes) -> None:
    # The Expect header sends the second the way of the library, as the first goes by its version.
    sent = b"HEAD %s HTTP/%s\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" % (site.path, version) + CLOSE
    answer = site.talk(sent, b"text")
    assert b" 200 OK\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert site.stored()[0].log == "text"
