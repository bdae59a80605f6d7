"""The OpenAPI document and the page made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from api_client import Api, fresh
from world import BASE_URL

# Of the contract, what is built.
CALLS = {
    "POST /api/monitors",
    "GET /api/monitors",
    "GET /api/monitors/{monitor_id}",
    "PATCH /api/monitors/{monitor_id}",
    "DELETE /api/monitors/{monitor_id}",
    "POST /api/monitors/{monitor_id}/pause",
    "POST /api/monitors/{monitor_id}/resume",
    "POST /api/monitors/{monitor_id}/rotate-token",
    "GET /api/monitors/{monitor_id}/pings",
    "GET /api/monitors/{monitor_id}/metric-keys",
    "GET /api/monitors/{monitor_id}/metrics",
    "GET /api/monitors/{monitor_id}/doctor",
    "POST /api/monitors/{monitor_id}/metric-alerts",
    "POST /api/monitors/{monitor_id}/metric-alerts/preview",
    "GET /api/monitors/{monitor_id}/metric-alerts",
    "GET /api/monitors/{monitor_id}/metric-alerts/{alert_id}",
    "PATCH /api/monitors/{monitor_id}/metric-alerts/{alert_id}",
    "DELETE /api/monitors/{monitor_id}/metric-alerts/{alert_id}",
    "POST /api/notification-channels",
    "GET /api/notification-channels",
    "GET /api/notification-channels/{channel_id}",
    "PATCH /api/notification-channels/{channel_id}",
    "DELETE /api/notification-channels/{channel_id}",
    "POST /api/notification-channels/{channel_id}/test",
    "GET /api/plans",
}
METHODS = {"get", "post", "patch", "delete"}
TYPES = {"string", "number", "integer", "boolean", "array", "object", "null"}


@pytest.fixture(scope="module")
def api() -> Api:
    return fresh()


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.stranger.get("/api/openapi.json")
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method], [*item.get("parameters", []), *item[method].get("parameters", [])]


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects(below)


def test_the_document_lists_every_call(document: dict[str, Any]) -> None:
    assert {f"{method.upper()} {path}" for method, path, _, _ in operations(document)} == CALLS


def test_every_route_under_api_is_in_the_document(api: Api) -> None:
    routes = {
        method + " " + re.sub("<([a-z_]+)>", r"{\1}", rule.rule)
        for rule in api.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/")
    }
    assert routes - CALLS == {"GET /api/openapi.json", "GET /api/docs", "GET /api/docs/static/<path:filename>"}


def test_the_document_is_sound(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"].keys() >= {"title", "version"}
    assert document["servers"] == [{"url": BASE_URL}]
    assert {name for each in document["security"] for name in each} == document["components"]["securitySchemes"].keys()
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation, parameters in operations(document):
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert {each["name"] for each in parameters if each["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
        assert all(each["required"] and each["schema"] for each in parameters if each["in"] == "path")
        assert {each["in"] for each in parameters} <= {"path", "query"}
        assert ("requestBody" in operation) == (
            method == "patch" or (path.endswith(("monitors", "metric-alerts", "channels", "preview")) and method == "post")
        )
        assert all(answer.get("description") or "$ref" in answer for answer in operation["responses"].values())
        assert [status for status in operation["responses"] if status.startswith("2")]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [node["$ref"] for node in objects(document) if "$ref" in node]
    assert references
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_every_value_has_a_type(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["type"] == "object", name
        for field, described in schema["properties"].items():
            if "anyOf" in described or "$ref" in described:  # an object of a schema of its own, or null
                assert all("$ref" in one or one == {"type": "null"} for one in described.get("anyOf", [described])), (name, field)
                continue
            types = described["type"]
            assert set([types] if isinstance(types, str) else types) <= TYPES, (name, field)
            assert "array" not in types or described["items"], (name, field)
            re.compile(described.get("pattern", ""))


def test_lists_say_that_they_count(document: dict[str, Any]) -> None:
    for method, path, operation, parameters in operations(document):
        paged = {"limit", "offset"} <= {each["name"] for each in parameters}
        assert paged == ("X-Total-Count" in operation["responses"].get("200", {}).get("headers", {})), (method, path)


def test_a_definition_says_what_it_refuses_and_what_it_takes_for_granted(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    definition, change = schemas["MonitorDefinition"], schemas["MonitorChange"]
    assert definition["required"] == ["name"]
    assert definition["properties"]["interval"]["default"] == 60
    assert definition["properties"]["interval"]["minimum"] == 1
    assert definition["properties"]["slug"]["pattern"] == "^[a-z0-9_-]{1,100}$"
    assert "required" not in change
    assert not [field for field, described in change["properties"].items() if "default" in described]
    assert definition["properties"].keys() == change["properties"].keys()


def test_an_answer_holds_what_the_document_promises(api: Api, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    monitor = api.me.monitor()
    assert monitor.keys() == schemas["Monitor"]["properties"].keys()
    assert api.me.alert(monitor).keys() == schemas["Alert"]["properties"].keys()
    assert api.me.channel().keys() == schemas["Channel"]["properties"].keys()
    assert api.me.get("/api/nope", 404).keys() == set(schemas["Error"]["required"])


class Page(HTMLParser):
    """What a page would load, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert "style" not in dict(attrs)


def test_the_page_describes_every_call_and_loads_nothing_from_elsewhere(api: Api) -> None:
    reply = api.stranger.ask("GET", "/api/docs")
    page = Page(reply.text)
    assert reply.status_code == 200
    for call in CALLS:
        assert f"<code>{call}</code>" in reply.text
    assert not page.tags & {"script", "style", "img", "iframe"}
    assert page.addresses == ["/api/docs/static/api_docs.css", "/api/openapi.json"]
    assert "default-src 'none'; style-src 'self'" in reply.headers["Content-Security-Policy"]
    assert api.stranger.ask("GET", "/api/docs/static/api_docs.css").mimetype == "text/css"
    assert "error" in api.stranger.get("/api/docs/static/nope.css", 404)


def test_the_page_says_what_the_schemas_say(api: Api) -> None:
    text = api.stranger.ask("GET", "/api/docs").text
    assert "<td>Seconds between pings. At least 1. At most 31622400. Default: 60.</td>" in text
    assert "One of new, up, late, down, paused, unverified." in text
