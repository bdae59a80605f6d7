"""Whatever is sent to the ping endpoint is answered, by something that can be read, in bounded time; and what is answered as recorded is.

Each case is one connection, with one to four requests sent ahead of each other and cut into pieces, and at times noise at its end.
LASTBEAT_TEST_FUZZ_CASES says how many are tried.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote

import gevent
import pytest
from gevent import socket as gsocket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pinging import Reply, Site, parsed

from rules import actions
from store.control import projects
from store.journal import JournalReader
from store.model import Ping

CASES = int(os.environ.get("LASTBEAT_TEST_FUZZ_CASES", "400"))
PATIENCE = 20  # seconds; a case takes milliseconds
UUID = "1b4e28ba-2fa1-4d21-883f-0016d3cca427"
EXPECTED = {200, 201, 400, 403, 404, 405, 409, 413, 414, 429}


class Sent(NamedTuple):
    """A request that is whole and well-formed; only what it asks for may be nonsense."""

    method: str
    raw: bytes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    one = Site(tmp_path_factory.mktemp("fuzz"))
    world = one.world
    world.monitor(token="plain", slug="job", max_run=5)
    world.monitor(token="posts", methods="POST")
    world.monitor(token="twin-a", slug="twin")
    world.monitor(token="twin-b", slug="twin")
    paused = world.monitor(token="paused")
    with world.control.begin() as connection:
        actions.pause(connection, paused, "http://x", one.now)
        limited = projects.create(connection, "limited", "slow", one.now)
        projects.change(connection, limited.id, ping_key="slowkey")
        projects.change(connection, world.project.id, ping_key="key")
    home, world.project = world.project, limited
    world.monitor(token="slow", slug="job")
    world.project = home
    world.channel()
    yield one
    one.close()


_text = st.text(max_size=30)


def _mostly(*known: str) -> st.SearchStrategy[str]:
    usual = st.sampled_from(known)
    return st.one_of(usual, usual, usual, usual, usual, _text)


_token = _mostly("plain", "plain", "plain", "posts", "paused", "slow", "twin-a", "nobody", "")
_key = _mostly("key", "key", "slowkey", "nokey")
_slug = _mostly("job", "job", "twin", "made", "Job", "a.b", "start")
_word = _mostly("start", "fail", "log", "0", "3", "255", "256", "00", "-1", "nope", "")
_words: st.SearchStrategy[list[str]] = st.just([]) | st.lists(_word, min_size=1, max_size=1) | st.lists(_word, max_size=2)
_address = st.builds(lambda token: [token], _token) | st.builds(lambda key, slug: [key, slug], _key, _slug)


def _joined(address: list[str], words: list[str]) -> str:
    return "/ping/" + "/".join(quote(word, safe="") for word in [*address, *words])


_ascii = st.characters(min_codepoint=33, max_codepoint=126)
_ping_path = st.builds(_joined, _address, _words)
_push_path = st.builds(lambda token, rest: f"/api/push/{quote(token, safe='')}{rest}", _token, st.sampled_from(["", "/", "/x", "//"]))
_raw_path = st.builds(lambda text: f"/ping/{text}", st.text(_ascii, max_size=40))
# Half of all that is sent should be understood, or little is learned.
WORDS = ["", "/", "/start", "/fail", "/log", "/0", "/7"]
USUAL = [f"/ping/{whose}{word}" for whose in ("plain", "key/job", "slow", "posts", "paused") for word in WORDS]
_path = st.one_of(st.sampled_from(USUAL), st.sampled_from(USUAL), st.just("/api/push/plain"), _ping_path, _push_path, _raw_path)

_rid = _mostly(UUID, UUID, UUID.upper(), "zzz", "")
_metric = st.builds(lambda name, value: f"{name}:{value}", _text, st.floats() | st.integers() | _text) | _text
_field = st.one_of(
    st.tuples(st.just("rid"), _rid),
    st.tuples(st.just("metric"), _metric),
    st.tuples(st.just("create"), st.sampled_from(["1", "0", ""])),
    st.tuples(st.just("status"), st.sampled_from(["up", "down", "UP", ""]) | _text),
    st.tuples(st.just("ping"), st.sampled_from(["", "12", "-1", "1e999"]) | _text),
    st.tuples(st.just("msg"), _text),
    st.tuples(_text, _text),
)
_fields = st.lists(_field, max_size=4)
_query = st.builds(lambda fields: "&".join(f"{quote(name)}={quote(value)}" for name, value in fields), _fields)

_leaf = st.none() | st.booleans() | st.floats() | st.integers() | _text
_json = st.recursive(_leaf, lambda inner: st.lists(inner, max_size=3), max_leaves=3)
_metrics = st.dictionaries(_text, _json, max_size=5)


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


_large = st.builds(lambda size: b"x" * size, st.sampled_from([1_025, 20_000, 1_048_577]))
_body = st.one_of(st.just(b""), st.binary(max_size=60), st.builds(_dumped, _metrics), _large)
TYPES = ["", "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "a/b+json", "é"]
METHODS = [*["GET", "HEAD", "POST", "POST", "PUT"] * 4, "DELETE", "OPTIONS", "PATCH", "BREW"]
HEADERS = [
    "Accept: application/json",
    "User-Agent: ünï/1",
    "User-Agent:",
    "X-Forwarded-For: 10.0.0.1, 10.0.0.2",
    "Cookie: a=b",
    "Expect: 100-continue",
    "Connection: keep-alive",
    "Upgrade: h2c",
    "Accept-Encoding: gzip",
    "Referer: http://x/\x80",
    "X-Long: " + "y" * 3_000,
]
NOISE = [
    b"GET /ping/plain HTTP/1.1\r\n",
    b"POST /ping/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
    b"\r\n\r\n",
    b"GET /ping/plain\r\n\r\n",
    b"POST /ping/plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET  /ping/plain HTTP/1.1\r\n\r\n",
    b"GET /ping/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nab",
    b"GET /ping/" + b"x" * 70_000,
]
_extra = st.lists(st.sampled_from(HEADERS), max_size=3, unique=True)
_noise = st.one_of(st.just(b""), st.just(b""), st.binary(max_size=40), st.sampled_from(NOISE))
_cuts = st.lists(st.integers(0, 5_000), max_size=4)


@st.composite
def _requests(draw: st.DrawFn) -> Sent:
    method, path, query, body = draw(st.sampled_from(METHODS)), draw(_path), draw(_query), draw(_body)
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    chunked = version == "1.1" and draw(st.integers(0, 4)) == 0
    lines = [f"{method} {path}{'?' + query if query else ''} HTTP/{version}", "Host: x", *draw(_extra)]
    kind = draw(st.sampled_from(TYPES))
    if kind:
        lines.append(f"Content-Type: {kind}")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    elif body or draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    return Sent(method, "\r\n".join([*lines, "", ""]).encode("latin-1") + body)


def _talk(site: Site, stream: bytes, cuts: list[int]) -> bytes:
    """Send the stream in pieces, say that nothing follows, and read until the server closes."""
    edges = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    with gsocket.create_connection(site.address) as connection, gevent.Timeout(PATIENCE):
        reader = gevent.spawn(lambda: list(iter(lambda: _received(connection), b"")))
        try:
            for start, end in pairwise(edges):
                connection.sendall(stream[start:end])
                gevent.sleep(0)
            connection.shutdown(gsocket.SHUT_WR)
        except OSError:
            pass  # it has closed already, after a request that ends a connection
        return b"".join(reader.get())


def _received(connection: gsocket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionError:
        return b""


def _replies(answer: bytes, sent: list[Sent]) -> list[Reply]:
    """The answers, each read by its own length. What answers noise comes last."""
    found: list[Reply] = []
    while answer:
        head, blank, rest = answer.partition(b"\r\n\r\n")
        assert blank, answer
        reply = parsed(head + blank)
        if reply.status == 100:
            answer = rest
            continue
        headless = len(found) < len(sent) and sent[len(found)].method == "HEAD"
        length = 0 if headless else int(reply.headers["content-length"])
        assert len(rest) >= length, answer
        found.append(Reply(reply.status, reply.headers, rest[:length]))
        answer = rest[length:]
    return found


def _recorded(reply: Reply) -> bool:
    return reply.status in (200, 201) or b'"ping":"recorded"' in reply.body


_seen = 0


@settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    sent=st.lists(_requests(), min_size=1, max_size=4),
    noise=_noise,
    cuts=st.lists(st.integers(0, 5_000), max_size=4),
    pause=st.integers(0, 12),
)
def test_every_request_is_answered_and_what_is_answered_as_recorded_is(
    site: Site, sent: list[Sent], noise: bytes, cuts: list[int], pause: int
) -> None:
    global _seen
    site.pass_seconds(pause)
    journal = JournalReader(site.world.inboxes / "0.db")
    before = journal.last()
    replies = _replies(_talk(site, b"".join(one.raw for one in sent) + noise, cuts), sent)
    assert {reply.status for reply in replies} <= EXPECTED, replies
    # HEAD has no body to tell of a refusal, so what it left is read off the journal.
    silent = sum(one.method == "HEAD" and reply.status in (400, 413) for one, reply in zip(sent, replies, strict=False))
    rows = sum(isinstance(record, Ping) for _, record in journal.read(before, 100))  # the clock's leaps leave gaps among them
    journal.close()
    recorded = sum(_recorded(reply) for reply in replies)
    assert recorded <= rows <= recorded + silent, (rows, replies)
    assert replies or not sent[0].raw, "no answer at all"
    _seen += 1


def test_what_was_recorded_can_be_settled_and_shipped(site: Site) -> None:
    """Runs after the one above: a record that the engine cannot digest would stop it for good."""
    from store.deadletter import DeadLetters
    from store.points.embedded import EmbeddedPoints
    from store.ship import Ship

    assert _seen > CASES // 2
    site.beat()
    journal = JournalReader(site.world.inboxes / "0.db")
    last = journal.last()
    with site.world.control.read() as connection:
        (settled,) = connection.exec_driver_sql("SELECT seq FROM offsets WHERE reader = 'settle'").scalars().all()
    assert settled == last > CASES // 10
    pings = sum(isinstance(record, Ping) for _, record in journal.read(0, last))
    journal.close()
    root = site.world.inboxes.parent
    points = EmbeddedPoints(root / "points.db")
    ship = Ship(site.world.control, site.world.inbox, points, DeadLetters(root / "dead"))
    while ship.step(site.now):
        pass
    kept = sum(points.count_pings(monitor) for monitor in site.registry._addresses)
    points.close()
    assert kept == pings
