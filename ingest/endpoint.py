"""The ping endpoint: one request in, one answer out, and in between a record that is durable before the answer says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from ingest import ping_url, push_url
from ingest.answer import Answer, Limited, Refusal, Request, Unstored, WrongMethod
from ingest.commit import Committer
from ingest.gate import Gate
from ingest.ping_url import Visit
from ingest.registry import Registry
from store.journal import JournalFull
from store.model import SECOND, Ns, Ping

PREFIXES = (ping_url.PREFIX, push_url.PREFIX)

_pings = Counter("lastbeat_pings", "Requests to ping URLs, by the status of the answer.", ["status"])
_refused_metrics = Counter("lastbeat_metrics_refused", "Recorded pings whose metrics were refused.")


class PingEndpoint:
    """Answers requests under `PREFIXES`. Called in the worker's loop; waits for nothing but the group commit and unknown URLs."""

    def __init__(self, registry: Registry, committer: Committer, gate: Gate, explained: Callable[[Exception], str] = str) -> None:
        """`explained` says to people why a ping cannot be stored."""
        self._registry = registry
        self._committer = committer
        self._gate = gate
        self._explained = explained
        self._count: Callable[[int], None] = _counting()

    def answer(self, request: Request) -> Answer:
        answer = self._pushed(request) if request.path.startswith(push_url.PREFIX) else self._pinged(request)
        self._count(answer.status)
        return answer

    def _pinged(self, request: Request) -> Answer:
        try:
            visit = self._understood(request, ping_url.METHODS, ping_url.read)
            at = self._record(visit, request)
        except Refusal as refusal:
            return ping_url.refused(refusal)
        return ping_url.recorded(visit, request, at, self._registry.standing)

    def _pushed(self, request: Request) -> Answer:
        try:
            visit = self._understood(request, push_url.METHODS, push_url.read)
            self._record(visit, request)
        except Refusal as refusal:
            return push_url.refused(refusal)
        return push_url.recorded(visit)

    def _understood(self, request: Request, methods: tuple[str, ...], read: Callable[[Request, Registry], Visit]) -> Visit:
        if request.method not in methods:
            raise WrongMethod(request.method, methods)
        try:
            return read(request, self._registry)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._committer.miss(error)
            raise Unstored(self._explained(error)) from None

    def _record(self, visit: Visit, request: Request) -> Ns:
        known, kind = visit.known, visit.signal.kind
        if known.pause:
            wait = self._gate.admit(known.id, kind, known.pause, self._committer.now())
            if wait:
                raise Limited(-(-wait // SECOND))
        # Before the commit: pings that wait for it together bring no more keys than there is room for.
        fresh = visit.payload.keys() - known.keys
        known.keys |= fresh
        try:
            at = self._committer.commit(lambda at: _ping(at, visit, request))
        except (JournalFull, sqlite3.Error, OSError) as error:
            known.keys -= fresh
            if known.pause:
                self._gate.take_back(known.id, kind, known.pause)
            raise Unstored(self._explained(error)) from None
        if visit.payload.problem is not None:
            _refused_metrics.inc()
        return at


def _ping(at: Ns, visit: Visit, request: Request) -> Ping:
    found = visit.payload
    return Ping(
        at=at,
        monitor=visit.known.id,
        kind=visit.signal.kind,
        numbers=found.numbers,
        texts=found.texts,
        log=found.log,
        problem=found.problem.sentence if found.problem else visit.note,
        exit_status=visit.signal.exit_status,
        rid=visit.rid,
        remote_addr=request.peer,
        user_agent=request.headers.get("user-agent"),
    )


def _counting() -> Callable[[int], None]:
    # Looking up a labelled counter costs more than counting: one look-up a status.
    counters: dict[int, Callable[[], None]] = {}

    def count(status: int) -> None:
        if status not in counters:
            counters[status] = _pings.labels(str(status)).inc
        counters[status]()

    return count
