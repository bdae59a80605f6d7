"""The URL `/ping/…`, as Lastbeat's own clients and those of Healthchecks request it: by the monitor's token, or by ping key and slug."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ingest import payload
from ingest.answer import Ambiguous, Answer, Limited, Malformed, NoRoom, Refusal, Request, Unknown, json, text
from ingest.registry import Known, Registry
from ingest.signal import SUCCESS, Query, Signal, creates, query, signal
from rules.schedule import expected_after
from store.instant import iso
from store.model import Ns

PREFIX: Final = "/ping/"
METHODS: Final = ("GET", "HEAD", "POST", "PUT")
_SLUG: Final = re.compile(r"[-a-zA-Z0-9_]{1,100}")


class Found(NamedTuple):
    """The monitor that is pinged, and the last word of the URL. `created`: it was made for this ping."""

    known: Known
    word: str | None = None
    created: bool = False


class Visit(NamedTuple):
    """One request, understood. `note`: why it is kept without effect."""

    known: Known
    signal: Signal = SUCCESS
    rid: str | None = None
    payload: payload.Payload = payload.NOTHING
    created: bool = False
    note: str | None = None


def read(request: Request, registry: Registry) -> Visit:
    """Whose ping it is, and what it says. Raises Refusal."""
    path = request.path[len(PREFIX) :].removesuffix("/")
    known = registry.lookup(path) if "/" not in path else None
    found = Found(known) if known is not None else _find(path.split("/"), request.query, registry)
    said = signal(found.word) if found.word is not None else SUCCESS
    asked = query(request.query)
    if found.known.methods and request.method != found.known.methods:
        note = f"ignored: a {request.method} request, and this monitor takes {found.known.methods} only"
        return Visit(found.known, Signal("log"), asked.rid, created=found.created, note=note)
    return Visit(found.known, said, asked.rid, brought(request, asked, found.known), found.created)


def _find(words: list[str], text: str, registry: Registry) -> Found:
    """The monitor of an URL that is more than a token."""
    match words:
        case [token, word] if not registry.remembers(token, word) and (known := registry.lookup(token)):
            return Found(known, word)
        case [key, slug] | [key, slug, _]:
            return _by_slug(key, slug, words[2] if len(words) == 3 else None, text, registry)
    raise Unknown


def _by_slug(key: str, slug: str, word: str | None, text: str, registry: Registry) -> Found:
    if not _SLUG.fullmatch(slug):
        raise Unknown
    if slug != slug.lower():
        raise Malformed("invalid url format: a slug is written in small letters")
    known = registry.lookup_slug(key, slug)
    if known is not None:
        return Found(known, word)
    if not creates(text):
        raise Unknown
    # All that can be refused is refused first: a monitor is not made for a ping that is not recorded.
    signal(word)
    query(text)
    sentence = registry.provide(key, slug)
    if sentence is not None:
        raise NoRoom(sentence)
    known = registry.lookup_slug(key, slug)
    if known is None:
        raise Unknown
    return Found(known, word, created=True)


def brought(request: Request, asked: Query, known: Known) -> payload.Payload:
    """What body and query bring; metrics are taken whole or not at all."""
    if request.size > payload.MAX_BODY:
        return payload.too_large(request.size)
    found = payload.read(request.body, request.headers.get("content-type", "")) if request.body else payload.NOTHING
    if asked.metrics:
        found = payload.together(found, payload.from_query(asked.metrics))
    if found.numbers or found.texts:
        keys = known.keys.union(found.numbers, found.texts)
        if len(keys) > max(payload.KEYS_LIMIT, len(known.keys)):
            return payload.Payload(log=found.log, problem=payload.too_many_keys())
        known.keys = keys
    return found


def recorded(visit: Visit, request: Request, at: Ns, standing: Callable[[str], tuple[str, Ns | None] | None]) -> Answer:
    """The answer to a ping that is durable. `standing` tells how a monitor is whose status the ping does not decide."""
    found = visit.payload
    if found.problem is not None:
        return json(found.problem.status, {"error": found.problem.sentence, "ping": "recorded", "metrics": "refused"})
    status = 201 if visit.created else 200
    if not _speaks_json(request):
        return text(status, "Created") if visit.created else _OK
    stored = {"numbers": sorted(found.numbers), "strings": sorted(found.texts), "log": found.log is not None}
    return json(status, {"ok": True, **_monitor(visit, at, standing), "stored": stored})


_OK: Final = text(200, "OK")


def _monitor(visit: Visit, at: Ns, standing: Callable[[str], tuple[str, Ns | None] | None]) -> dict[str, Any]:
    known = visit.known
    shown: tuple[str | None, Ns | None] | None
    if known.paused:
        shown = "paused", None
    elif visit.signal.kind in ("success", "fail"):
        shown = "up" if visit.signal.kind == "success" else "down", expected_after(known.schedule, at)
    else:
        shown = standing(known.id)
    status, expected = shown or (None, None)
    monitor = {"id": known.id, "name": known.name, "status": status}
    return {"monitor": monitor, "nextExpectedAt": None if expected is None else iso(expected)}


def refused(refusal: Refusal) -> Answer:
    """In JSON with a sentence; whose monitor there is none is told in Healthchecks' words, and no others."""
    if isinstance(refusal, Unknown | Ambiguous):
        return text(refusal.status, refusal.sentence)
    more = {"retryAfter": refusal.seconds} if isinstance(refusal, Limited) else {}
    return json(refusal.status, {"error": refusal.sentence} | more, *refusal.headers)


def _speaks_json(request: Request) -> bool:
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")
