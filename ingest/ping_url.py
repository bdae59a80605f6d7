"""The URL `/ping/…`, as Lastbeat's own clients and those of Healthchecks request it: by the monitor's token, or by ping key and slug."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ingest import payload
from ingest.answer import Ambiguous, Answer, Malformed, NoRoom, Refusal, Request, Unknown, json, text
from ingest.registry import Known, Registry
from ingest.signal import LOG, SUCCESS, Query, Signal, creates, query, signal
from rules.schedule import expected_after
from store.instant import iso
from store.model import Ns, Schedule

PREFIX: Final = "/ping/"
METHODS: Final = ("GET", "HEAD", "POST", "PUT")
_SLUG: Final = re.compile(r"[-a-zA-Z0-9_]{1,100}")


class Found(NamedTuple):
    """The monitor that is pinged, and what the URL says to it. `created`: it was made for this ping."""

    known: Known
    signal: Signal
    query: Query
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
    lone = registry.lookup(path) if "/" not in path else None
    known, said, asked, created = (
        Found(lone, SUCCESS, query(request.query)) if lone is not None else _find(path.split("/"), request.query, registry)
    )
    note = without_effect(known, request.method)
    if note is not None:
        return Visit(known, LOG, asked.rid, created=created, note=note)
    return Visit(known, said, asked.rid, brought(request, asked, known), created)


def without_effect(known: Known, method: str) -> str | None:
    """Why a ping of this method is kept as log and does nothing; None where it counts."""
    if not known.methods or method == known.methods:
        return None
    return f"ignored: a {method} request, and this monitor takes {known.methods} only"


def _find(words: list[str], text: str, registry: Registry) -> Found:
    """The monitor of an URL that is more than a token."""
    match words:
        case [token, word] if not registry.remembers(token, word) and (known := registry.lookup(token)):
            return Found(known, signal(word), query(text))
        case [key, slug] | [key, slug, _]:
            return _by_slug(key, slug, words[2] if len(words) == 3 else None, text, registry)
    raise Unknown


def _by_slug(key: str, slug: str, word: str | None, text: str, registry: Registry) -> Found:
    if not _SLUG.fullmatch(slug):
        raise Unknown
    if slug != slug.lower():
        raise Malformed("invalid url format: a slug is written in small letters")
    known = registry.lookup_slug(key, slug)
    if known is None and not creates(text):
        raise Unknown
    # All that can be refused is refused first: a monitor is not made for a ping that is not recorded.
    said, asked = signal(word), query(text)
    return Found(known, said, asked) if known is not None else Found(_made(key, slug, registry), said, asked, created=True)


def _made(key: str, slug: str, registry: Registry) -> Known:
    sentence = registry.provide(key, slug)
    if sentence is not None:
        raise NoRoom(sentence)
    known = registry.lookup_slug(key, slug)
    if known is None:
        raise Unknown
    return known


def brought(request: Request, asked: Query, known: Known) -> payload.Payload:
    """What body and query bring; metrics are taken whole or not at all."""
    if request.size > payload.MAX_BODY:
        return payload.too_large(request.size)
    content_type = request.headers.get("content-type", "")
    found = payload.read(request.body, content_type) if request.body else payload.NOTHING
    if asked.metrics:
        found = payload.together(found, payload.from_query(asked.metrics))
    if (found.numbers or found.texts) and not known.has_room(found.keys()):
        found = payload.Payload(log=found.log, problem=payload.too_many_keys())
    return found if found.problem is None else payload.kept_body(found, request.body, content_type)


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
    elif visit.signal.kind == "fail" or (visit.signal.kind == "success" and known.schedule.min_run is None):
        shown = "up" if visit.signal.kind == "success" else "down", _expected_after(known.schedule, at)
    else:
        shown = standing(known.id)
    status, expected = shown or (None, None)
    monitor = {"id": known.id, "name": known.name, "status": status}
    return {"monitor": monitor, "nextExpectedAt": None if expected is None else iso(expected)}


def _expected_after(schedule: Schedule, at: Ns) -> Ns | None:
    try:
        return expected_after(schedule, at)
    except ValueError:  # the monitor's health says why; the ping is recorded
        return None


def refused(refusal: Refusal) -> Answer:
    """In JSON with a sentence; whose monitor there is none is told in Healthchecks' words, and no others."""
    if isinstance(refusal, Unknown | Ambiguous):
        return text(refusal.status, refusal.sentence)
    return json(refusal.status, {"error": refusal.sentence, **refusal.more}, *refusal.headers)


def _speaks_json(request: Request) -> bool:
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")
