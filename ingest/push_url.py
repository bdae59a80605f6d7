"""The URL `/api/push/<token>`, as clients of Uptime Kuma's push monitors request it: `?status=up&msg=OK&ping=12`.

Unlike there, `status=UP` is up, a paused monitor is there, and our own trouble is 503, which clients try again, and not 404.
"""

from __future__ import annotations

from typing import Final

from ingest import payload
from ingest.answer import Answer, Refusal, Request, Unknown, json
from ingest.ping_url import Visit, without_effect
from ingest.registry import Registry
from ingest.signal import LOG, SUCCESS, Signal, fields

PREFIX: Final = "/api/push/"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def read(request: Request, registry: Registry) -> Visit:
    """Whose push it is, and what it says; the body is ignored, as there. Raises Unknown."""
    token = request.path[len(PREFIX) :].removesuffix("/")
    known = registry.lookup(token) if "/" not in token else None
    if known is None:
        raise Unknown
    note = without_effect(known, request.method)
    if note is not None:
        return Visit(known, LOG, note=note)
    asked = fields(request.query)
    status, text, took = (asked.get(name, [""])[0] for name in ("status", "msg", "ping"))
    signal = SUCCESS if status.lower() in ("", "up") else Signal("fail")
    measured = payload.milliseconds(took)
    return Visit(known, signal, payload=payload.Payload(measured.numbers, {}, payload.kept(text), measured.problem))


def recorded(visit: Visit) -> Answer:
    problem = visit.payload.problem
    return _OK if problem is None else json(200, {"ok": True, "msg": f"{problem.sentence}; the push is recorded without it"})


_OK: Final = json(200, {"ok": True})


def refused(refusal: Refusal) -> Answer:
    sentence = "Monitor not found or not active." if isinstance(refusal, Unknown) else refusal.sentence
    return json(refusal.status, {"ok": False, "msg": sentence, **refusal.more}, *refusal.headers)
