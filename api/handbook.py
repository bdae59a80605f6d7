"""The OpenAPI document at `/api/openapi.json`, and the same to read at `/api/docs`: a page of our own that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any, NamedTuple

from flask import Blueprint, Response, jsonify, make_response, render_template

from api import errors

Document = dict[str, Any]

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Entry(NamedTuple):
    """A parameter, or a field of a body."""

    name: str
    type: str
    notes: str


class Call(NamedTuple):
    """One operation of the API."""

    method: str
    path: str
    summary: str
    parameters: list[Entry]
    fields: list[Entry]
    status: str
    answer: str


def handbook(document: Document) -> Blueprint:
    """Serves the document, and the page that is made from it."""
    blueprint = Blueprint("handbook", __name__, template_folder="templates", static_folder="static", static_url_path="/api/docs/static")
    errors.cover(blueprint)

    @blueprint.get("/api/openapi.json")
    def openapi() -> Response:
        return jsonify(document)

    @blueprint.get("/api/docs")
    def docs() -> Response:
        shapes = {name: _fields(document, schema) for name, schema in document["components"]["schemas"].items()}
        reply = make_response(
            render_template("api_docs.html", resources=chapters(document), shapes=shapes, server=document["servers"][0]["url"])
        )
        reply.headers["Content-Security-Policy"] = _POLICY
        return reply

    return blueprint


def chapters(document: Document) -> list[tuple[Document, list[Call]]]:
    """Each tag of the document with its calls, in their order."""
    every = [
        (operation["tags"], _call(document, method, path, operation, item.get("parameters", [])))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    ]
    return [(tag, [call for tags, call in every if tag["name"] in tags]) for tag in document["tags"]]


def _call(document: Document, method: str, path: str, operation: Document, shared: list[Document]) -> Call:
    parameters = [
        Entry(each["name"], _type(each["schema"]), _notes(each["schema"], each.get("description"), each.get("required", False)))
        for each in (*shared, *operation.get("parameters", []))
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    status = next(status for status in operation["responses"] if status.startswith("2"))
    answer = operation["responses"][status].get("content", {}).get("application/json", {}).get("schema")
    fields = _fields(document, _resolved(document, body)) if body else []
    return Call(method.upper(), path, operation.get("summary", ""), parameters, fields, status, _type(answer) if answer else "nothing")


def _fields(document: Document, schema: Document) -> list[Entry]:
    required = schema.get("required", [])
    return [
        Entry(name, _type(each), _notes(each, each.get("description"), name in required)) for name, each in schema["properties"].items()
    ]


def _resolved(document: Document, schema: Document) -> Document:
    if "$ref" not in schema:
        return schema
    found: Document = document["components"]["schemas"][_name(schema)]
    return found


def _name(schema: Document) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _type(schema: Document) -> str:
    if "$ref" in schema:
        return _name(schema)
    types = schema.get("type", "any")
    words = [f"list of {_type(schema['items'])}" if word == "array" else word for word in ([types] if isinstance(types, str) else types)]
    return " or ".join(words)


def _notes(schema: Document, description: str | None, required: bool) -> str:
    """Everything else that is known of a value, in words."""
    notes = [description or "", "Required." if required else ""]
    if "enum" in schema:
        notes.append("One of " + ", ".join(str(value) for value in schema["enum"]) + ".")
    for key, words in (("minimum", "At least"), ("maximum", "At most"), ("default", "Default:")):
        if schema.get(key) not in (None, []):
            notes.append(f"{words} {schema[key]}.")
    return " ".join(note for note in notes if note)
