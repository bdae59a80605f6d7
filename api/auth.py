"""Who is asking: the API key of a request, and the project that it opens."""

from __future__ import annotations

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from api.parts import parts
from rules.plans import plan_of
from store.control import projects
from store.model import Plan, Project

_READING = ("GET", "HEAD", "OPTIONS")


def authenticate() -> None:
    """Know the project of the request by its key. 401 without a known key, 403 where a read-only key wants to write."""
    key = _given()
    if not key:
        raise _unauthorized("an API key is needed: send it as the header x-api-key, or as Authorization: Bearer")
    with parts().control.read() as connection:
        found = projects.by_key(connection, key)
    if found is None:
        raise _unauthorized("this API key is not known; `lastbeat api-key` makes a new one")
    g.project, api_key = found
    g.may_write = not api_key.read_only
    if api_key.read_only and request.method not in _READING:
        raise Forbidden(f"the API key {api_key.name!r} is read-only; {request.method} needs one that may write")


def project() -> Project:
    """The project that the request's key opened."""
    found = g.project
    assert isinstance(found, Project)
    return found


def plan() -> Plan:
    """What that project may do."""
    return plan_of(parts().plans, project())


def may_write() -> bool:
    """Whether the request's key is not a read-only one."""
    return bool(g.may_write)


def _given() -> str | None:
    if key := request.headers.get("x-api-key"):
        return key.strip()
    given = request.authorization
    return given.token if given is not None and given.type == "bearer" else None


def _unauthorized(sentence: str) -> Unauthorized:
    return Unauthorized(sentence, www_authenticate=WWWAuthenticate("bearer"))
