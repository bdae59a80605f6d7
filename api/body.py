"""The JSON object in a request's body."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

LARGEST = 1 << 20


def json_object() -> dict[str, Any]:
    """Read the body. 415 where it is not called JSON, 413 where it is over 1 MiB, 400 where it is no JSON object."""
    request.max_content_length = LARGEST
    raw = request.get_data()
    if not request.is_json:
        given = f"not {request.mimetype[:60]!r}" if request.mimetype else "and says nothing of its type"
        raise UnsupportedMediaType(f"the body must be JSON with the header Content-Type: application/json, {given}")
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no JSON that can be read: {error}") from None
    if not isinstance(found, dict):
        raise BadRequest('the body must be a JSON object, such as {"name": "backup"}')
    return found
