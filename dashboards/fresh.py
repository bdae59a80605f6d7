"""The parts of a page that follow the facts: asked for again and again, sent only when something has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import Response, make_response, request


def fragment(facts: object, render: Callable[[], str]) -> Response:
    """The rendered part, or 304 where the browser has it. `facts` decide, by their repr: relative times are kept moving in the browser."""
    tag = hashlib.sha256(repr(facts).encode()).hexdigest()[:24]
    reply = make_response("", 304) if request.if_none_match.contains(tag) else make_response(render())
    reply.set_etag(tag)
    reply.headers["Cache-Control"] = "private, no-cache"
    return reply
