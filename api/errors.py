"""Every error as JSON: a sentence for people in `error`, and for validation the sentences of each field in `fields`."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, default_exceptions
from werkzeug.routing import RequestRedirect

from api.parts import parts
from rules.actions import Full, Refused
from store.points import PointsError

log = logging.getLogger(__name__)

_RETRY_SECONDS = "5"
_SENTENCES = {
    413: "the body is too large; this API takes at most 1 MiB",
}


class ErrorShape(Schema):
    """What every error answers."""

    error = fields.String(required=True, metadata={"description": "A sentence for people."})
    fields_ = fields.Dict(
        data_key="fields",
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Only where fields were refused: for each of them, what is wrong with it."},
    )


def cover(blueprint: Blueprint) -> None:
    """Answer whatever the blueprint's views raise."""
    for status in default_exceptions:  # each by itself: else an application's page for a status would win over us
        blueprint.register_error_handler(status, _http)
    blueprint.register_error_handler(ValidationError, lambda error: _invalid(error.normalized_messages()))
    blueprint.register_error_handler(Refused, lambda error: _invalid(error.fields))
    blueprint.register_error_handler(Full, lambda error: _reply(403, str(error)))
    blueprint.register_error_handler(PointsError, _points_failed)
    for unusable in (OperationalError, sqlite3.OperationalError):
        blueprint.register_error_handler(unusable, _store_failed)
    blueprint.register_error_handler(Exception, _unexpected)


def answer_unrouted(app: Flask) -> None:
    """Answer in JSON under /api/ even where there is no such path, or none with that method.

    Before the request is dispatched: so it does not matter which error pages others give the application.
    """

    @app.before_request
    def unrouted() -> Response | None:
        wrong = request.routing_exception
        if wrong is None or isinstance(wrong, RequestRedirect) or not f"{request.path}/".startswith("/api/"):
            return None
        if isinstance(wrong, MethodNotAllowed):
            allowed = ", ".join(sorted(wrong.valid_methods or ()))
            return _reply(405, f"{request.method} is not possible here, only {allowed}; /api/docs says what is", wrong)
        return _reply(404, f"there is nothing at {request.path[:200]!r}; /api/docs lists what there is", wrong)


def flat(messages: Mapping[Any, Any], within: str = "") -> Iterator[tuple[str, list[str]]]:
    """Sentences by field from marshmallow's nested messages; a part of a field is named as in `config.url` and `tags.0`."""
    for key, below in messages.items():
        # What is wrong with a whole object is said about the object.
        name = within if key == "_schema" else f"{within}.{key}".lstrip(".")
        if isinstance(below, Mapping):
            yield from flat(below, name)
        else:
            yield name or "body", [str(sentence) for sentence in ([below] if isinstance(below, str) else below)]


def _invalid(messages: Mapping[Any, Any]) -> Response:
    found = dict(flat(messages))
    error = "; ".join(f"{name}: {sentence.rstrip('.')}" for name, sentences in found.items() for sentence in sentences[:1])
    return _reply(422, error, fields=found)


def _http(error: HTTPException) -> Response:
    refused = getattr(error, "data", {}).get("messages")  # what flask-smorest found wrong, by the place it stood in
    if refused:
        return _invalid({name: sentences for place in refused.values() for name, sentences in place.items()})
    status = error.code or 500
    return _reply(status, _SENTENCES.get(status) or error.description or error.name, error)


def _points_failed(error: PointsError) -> Response:
    log.warning("%s %s: %s", request.method, request.path, error)
    return _later(parts().lag().sentence(parts().clock()) or f"the time-series store cannot be asked now: {error}")


def _store_failed(error: Exception) -> Response:
    log.error("%s %s: the store failed", request.method, request.path, exc_info=error)
    return _later("the store cannot be used at the moment; nothing was changed, try again")


def _later(sentence: str) -> Response:
    reply = _reply(503, sentence)
    reply.headers["Retry-After"] = _RETRY_SECONDS
    return reply


def _unexpected(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _reply(500, "this is a mistake of the server, not yours; its log says more")


def _reply(status: int, sentence: str, error: HTTPException | None = None, **more: Any) -> Response:
    reply = jsonify({"error": sentence} | more)
    reply.status_code = status
    for name, value in error.get_headers() if error else ():
        if name != "Content-Type":
            reply.headers.add(name, value)
    return reply
