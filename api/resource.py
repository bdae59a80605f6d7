"""How a resource declares its calls, and the OpenAPI document that comes of it: the seam to flask-smorest, which has no types.

The schemas that a call names are those that read its query and its body and write its answer; the document is made from nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response
from flask_smorest import Api, Blueprint
from marshmallow import Schema

from api import errors
from api.auth import authenticate
from api.body import json_object
from api.paging import TOTAL, PageQuery
from api.shapes import Instant, Number

View = TypeVar("View", bound=Callable[..., Any])

_KEYS = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


class Resource:
    """One kind of thing, and the calls on it. Every call needs an API key; its errors are JSON."""

    def __init__(self, name: str, description: str) -> None:
        self.blueprint = Blueprint(name, __name__, description=description)
        self.blueprint.before_request(authenticate)
        self.blueprint.after_request(_private)
        errors.cover(self.blueprint)

    def call(
        self,
        method: str,
        path: str,
        *,
        answers: Schema | None = None,
        status: int = 200,
        query: type[Schema] | None = None,
        body: type[Schema] | None = None,
        change_of: type[Schema] | None = None,
    ) -> Callable[[View], View]:
        """Declare what answers `method path`; the docstring of the view is the description of the call.

        The view gets first what was asked for: the loaded `query`, or the loaded `body`, or the object of the body as it came where it
        holds a `change_of` a definition. Then what stands in the path.
        """

        def declare(view: View) -> View:
            called: Callable[..., Any] = view
            headers = None
            if query is not None:
                called = self.blueprint.arguments(query, location="query")(called)
                headers = _COUNTED if issubclass(query, PageQuery) else None
            if body is not None:
                called = self._documented(_first(called, lambda: body().load(json_object())), body())
            if change_of is not None:
                called = self._documented(_first(called, json_object), change_of(partial=True))
            called = self.blueprint.response(status, answers, headers=headers)(called)
            self.blueprint.route(path, methods=[method])(called)
            return view

        return declare

    def _documented(self, called: Callable[..., Any], body: Schema) -> Callable[..., Any]:
        content = {"application/json": {"schema": body}}
        declared: Callable[..., Any] = self.blueprint.doc(requestBody={"required": True, "content": content})(called)
        for status in (400, 413, 415, 422):
            declared = self.blueprint.alt_response(status, schema=errors.ErrorShape)(declared)
        return declared


_COUNTED = {TOTAL: {"description": "How many there are in all.", "schema": {"type": "integer"}}}


class _Documented(Api):  # type: ignore[misc]  # flask-smorest has no types
    ERROR_SCHEMA = errors.ErrorShape

    def _register_error_handlers(self) -> None:
        """Not flask-smorest's own, which would answer the errors of the pages as well."""


def document(app: Flask, resources: Iterable[Resource], base_url: str) -> dict[str, Any]:
    """Register the resources with the application, and describe them: an OpenAPI 3.1 document."""
    api = _Documented(
        app,
        spec_kwargs={
            "title": "Lastbeat",
            "version": "1",  # of the API: it rises when a call changes its meaning
            "openapi_version": "3.1.0",
            "servers": [{"url": base_url}],
            "security": [{name: []} for name in _KEYS],
            "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_named),
        },
    )
    api.register_field(Instant, "string", "date-time")
    api.register_field(Number, "number", None)
    for name, scheme in _KEYS.items():
        api.spec.components.security_scheme(name, scheme)
    for resource in resources:
        api.register_blueprint(resource.blueprint)
    found: dict[str, Any] = api.spec.to_dict()
    for name, schema in found["components"]["schemas"].items():
        for described in schema["properties"].values():
            if name.endswith(_CHANGE):
                described.pop("default", None)  # what a change leaves out stays as it is
            if "pattern" in described:  # JSON Schema knows no \Z, and finds a pattern anywhere
                described["pattern"] = "^" + described["pattern"].replace(r"\Z", "$")
    return found


_CHANGE = "Change"


def _named(schema: Any) -> str:
    found = schema if isinstance(schema, type) else type(schema)
    name = found.__name__.removesuffix("Shape").removesuffix("Query")
    return name.replace("Definition", _CHANGE) if getattr(schema, "partial", None) else name


def _first(called: Callable[..., Any], read: Callable[[], Any]) -> Callable[..., Any]:
    @wraps(called)
    def reading(*args: Any, **kwargs: Any) -> Any:
        return called(read(), *args, **kwargs)

    return reading


def _private(reply: Response) -> Response:
    reply.headers["Cache-Control"] = "no-store"  # answers hold ping URLs, which are secrets
    reply.headers["X-Content-Type-Options"] = "nosniff"
    return reply
