"""The ping endpoint: one request in, one answer out, and in between a record that is durable before the answer says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from ingest import payload
from ingest.commit import Committer
from ingest.registry import Known, Registry
from rules import schedule
from store.instant import iso
from store.journal import JournalFull
from store.model import Ns, Ping

PREFIX = "/ping/"
METHODS = ("GET", "HEAD", "POST", "PUT")

_pings = Counter("lastbeat_pings", "Requests to ping URLs, by the status of the answer.", ["status"])
_refused_metrics = Counter("lastbeat_metrics_refused", "Recorded pings whose metrics were refused.")

_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
# What Healthchecks' clients read, and what lets a browser's script ping.
_HEADERS = (("Ping-Body-Limit", str(payload.LOG_LIMIT)), ("Access-Control-Allow-Origin", "*"), ("Cache-Control", "no-store"))
_RETRY_SECONDS = 5


class Request(NamedTuple):
    """A request to a ping URL. `headers` have lower-case names; `size` is the body's, which may be more than was read of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    peer: str


class Answer(NamedTuple):
    """What is sent back; the body of an answer to HEAD is left out by the server."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = _HEADERS


class PingEndpoint:
    """Answers requests under `/ping/`. Called in the worker's loop; waits for nothing but the group commit and unknown tokens."""

    def __init__(self, registry: Registry, committer: Committer, explained: Callable[[Exception], str] = str) -> None:
        """`explained` says to people why a ping cannot be stored."""
        self._registry = registry
        self._committer = committer
        self._explained = explained
        self._count: Callable[[int], None] = _counting()

    def answer(self, request: Request) -> Answer:
        answer = self._answer(request)
        self._count(answer.status)
        return answer

    def _answer(self, request: Request) -> Answer:
        if request.method not in METHODS:
            return _error(405, f"{request.method} is no way to ping; use {', '.join(METHODS)}", ("Allow", ", ".join(METHODS)))
        token = request.path[len(PREFIX) :].removesuffix("/")
        try:
            known = self._registry.lookup(token) if "/" not in token else None
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._committer.miss(error)
            return self._unstored(error)
        if known is None:
            return Answer(404, _TEXT, b"not found")
        found = self._read(known, request)
        try:
            at = self._committer.commit(lambda at: _ping(at, known, found, request))
        except (JournalFull, sqlite3.Error, OSError) as error:
            return self._unstored(error)
        if found.problem is not None:
            _refused_metrics.inc()
            return _refused(found.problem)
        return _recorded(known, found, request, at)

    def _read(self, known: Known, request: Request) -> payload.Payload:
        if request.size > payload.MAX_BODY:
            return payload.too_large(request.size)
        found = payload.read(request.body, request.headers.get("content-type", ""))
        if found.numbers or found.texts:
            keys = known.keys.union(found.numbers, found.texts)
            if len(keys) > max(payload.KEYS_LIMIT, len(known.keys)):
                return payload.Payload(problem=payload.too_many_keys())
            known.keys = keys
        return found

    def _unstored(self, error: Exception) -> Answer:
        return _error(503, self._explained(error), ("Retry-After", str(_RETRY_SECONDS)))


def _ping(at: Ns, known: Known, found: payload.Payload, request: Request) -> Ping:
    return Ping(
        at=at,
        monitor=known.id,
        numbers=found.numbers,
        texts=found.texts,
        log=found.log,
        problem=found.problem.sentence if found.problem else None,
        remote_addr=request.peer,
        user_agent=request.headers.get("user-agent"),
    )


def _recorded(known: Known, found: payload.Payload, request: Request, at: Ns) -> Answer:
    if not _speaks_json(request):
        return Answer(200, _TEXT, b"OK")
    expected = None if known.paused else iso(schedule.expected_after(known.schedule, at))
    told = {
        "ok": True,
        "monitor": {"id": known.id, "name": known.name, "status": "paused" if known.paused else "up"},
        "stored": {"numbers": sorted(found.numbers), "strings": sorted(found.texts), "log": found.log is not None},
        "nextExpectedAt": expected,
    }
    return Answer(200, _JSON, msgspec.json.encode(told))


def _speaks_json(request: Request) -> bool:
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")


def _refused(problem: payload.Problem) -> Answer:
    told = {"error": problem.sentence, "ping": "recorded", "metrics": "refused"}
    return Answer(problem.status, _JSON, msgspec.json.encode(told))


def _error(status: int, sentence: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, _JSON, msgspec.json.encode({"error": sentence}), (*_HEADERS, *headers))


def _counting() -> Callable[[int], None]:
    # Looking up a labelled counter costs more than counting: one look-up a status.
    counters: dict[int, Callable[[], None]] = {}

    def count(status: int) -> None:
        if status not in counters:
            counters[status] = _pings.labels(str(status)).inc
        counters[status]()

    return count
