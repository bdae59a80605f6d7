"""Whatever is sent to whichever call: the answer is JSON with a sentence, and never a mistake of the server."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest
from api_client import Api, fresh
from world import START

from store.model import SECOND, Ping

REQUESTS = 4_000
METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "TRACE", "BREW"]
TEXTS = [
    *("", " ", "x", "Ünïcödé ✓", "\x00", "a\x00b", "\n", "\r\nX-Injected: 1", "'; DROP TABLE monitors; --", "%", "_", "%s{0}"),
    *("../../etc/passwd", "x" * 300, "🙂" * 70, "null", "true", "NaN", "1e400", "-1", "\u202e", "\ufeff", "\ud7ff", "[x", "((("),
    *("*", "-0", "0x10", "1_000"),
]
NUMBERS = [
    *(0, 1, -1, 5, 60, 600, 1.5, -0.0, 0.1, 1e308, -1e308, 5e-324, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1),
    *(10**30, 10**300),
]
TIMES = [
    *("2023-11-14T22:13:20Z", "2023-11-14", "20231114T221320", "2023-W46-2", "2023-11-14T22:13:20+25:00"),
    *("2023-11-14T22:13:20%2B01:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:59:59Z"),
    *("1970-01-01", "2262-04-11", "2262-04-12", "24:00", "-1"),
]
URLS = [
    *("http://127.0.0.1:9/", "http://[", "http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://"),
    *("//127.0.0.1:9", "ftp://127.0.0.1:9/", "javascript:alert(1)", "http://127.0.0.1:9/\n", "http://127.0.0.1:9/ü?a=b#c"),
    *("http://a:b@127.0.0.1:9/", "HTTP://127.0.0.1:9", "http:\\\\127.0.0.1:9"),
]
CRONS = [
    *("0 2 * * *", "* * * * *", "*/0 * * * *", "0 0 30 2 *", "60 * * * *", "@daily", "1 2 3", "0 0 * * 8", "0 0 L * *"),
    "0-99999999 * * * *",
]
BODIES = [
    *(b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"{}", b"[" * 50_000, b'{"a":' * 50_000, b'{"name": "\\ud800"}'),
    *(b'{"interval": 1e999}', b'{"name": NaN}', b'{"name": "a", "name": "b"}', b'\xef\xbb\xbf{"name": "x"}'),
    *(b'{"name": "' + b"x" * 100_000 + b'"}', b"name=x&interval=5"),
]
WILD = [
    "/api/monitors",
    "/api/monitors/{monitor_id}",
    "/api/monitors/{monitor_id}/metrics",
    "/api/monitors/{monitor_id}/{odd}",
    "/api/{odd}",
    "/api",
    "/readyz",
    "/metrics",
]
PARAMETERS = ["limit", "offset", "tag", "status", "q", "before", "key", "range", "from", "to", "points", "nope", "", "from[]", "limit[]"]
ASKED = [*TIMES, *map(quote, TEXTS), *map(str, NUMBERS), "up", "late", "6h", "24h", "%ff%fe", "v"]
FIELDS = {
    "monitor": ["name", "type", "interval", "gracePeriod", "schedule", "timezone", "tags", "channelIds", "slug", "nope", "", "_schema"],
    "alert": ["metricKey", "operator", "threshold", "channelId", "consecutiveTriggers", "nope"],
    "channel": ["name", "type", "config", "isDefault", "nope"],
}
SOUND: dict[str, dict[str, Any]] = {
    "monitor": {"name": "job"},
    "alert": {"metricKey": "v", "operator": ">", "threshold": 5},
    "channel": {"name": "sink", "type": "webhook", "config": {"url": URLS[0]}},
}


class Fuzz:
    """Odd requests, the same for the same seed. `calls`: the method and path of each route. `things`: ids of what exists, by kind."""

    def __init__(self, seed: int, calls: list[tuple[str, str]], things: list[dict[str, str]]) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._calls = calls
        self._things = things

    def request(self) -> tuple[str, str, dict[str, Any]]:
        method, template = self._one(self._calls) if self._maybe(0.9) else (self._one(METHODS), self._one(WILD))
        if method == "DELETE" and self._maybe(0.9):
            method = "PATCH"  # else little would be left to ask for
        odd = quote(self._one(TEXTS), safe="") if self._maybe(0.8) else quote_from_bytes(self._random.randbytes(8))
        thing = self._one(self._things)
        path = template.format(odd=odd, **{kind: found if self._maybe(0.95) else odd or "x" for kind, found in thing.items()})
        kind = "alert" if "alerts" in path else "channel" if "channels" in path else "monitor"
        details: dict[str, Any] = {"query_string": self._query()} if self._maybe(0.5 if method == "GET" else 0.1) else {}
        if method in ("POST", "PATCH", "PUT"):
            details |= self._body(kind)
        if self._maybe(0.03):
            details["headers"] = {
                self._one(["x-api-key", "Authorization"]): self._one(["", "Bearer", "Bearer lb_x", "Basic !!!", "ü", "x" * 5_000])
            }
        return method, path, details

    def _query(self) -> str:
        return "&".join(f"{self._one(PARAMETERS)}={self._one(ASKED)}" for _ in range(self._random.randrange(1, 4)))

    def _body(self, kind: str) -> dict[str, Any]:
        if self._maybe(0.1):
            types = [
                "application/json",
                "application/json",
                None,
                "text/plain",
                "multipart/form-data",
                "application/json; charset=utf-16",
                "\x00",
                "a/b/c",
            ]
            return {"data": self._one(BODIES), "content_type": self._one(types)}
        body = dict(SOUND[kind]) if self._maybe(0.8) else {}
        for _ in range(self._random.randrange(0, 3)):
            name = self._one(FIELDS[kind])
            body[name] = self._config() if name == "config" and self._maybe(0.8) else self._value()
        return {"data": json.dumps(body), "content_type": "application/json"}

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"url": self._one(URLS)}
        for name in self._random.sample(["url", "method", "headers", "secret", "format", "nope"], self._random.randrange(0, 3)):
            config[name] = self._value()
        return config

    def _value(self, depth: int = 0) -> Any:
        kind = self._random.randrange(8 if depth < 3 else 5)
        if kind < 2:
            return self._one([*TEXTS, *URLS, *CRONS, "=", "!=", "UTC", "Europe/Berlin", "America", "posix/UTC", "••••••", "whsec_x"])
        if kind < 4:
            return self._one(NUMBERS)
        if kind == 4:
            return self._one([None, True, False])
        if kind == 5:
            return [self._one(self._things)[self._one(["channel_id", "channel_id", "monitor_id"])]]
        if kind == 6:
            return [self._value(depth + 1) for _ in range(self._random.randrange(4))]
        return {self._one(TEXTS): self._value(depth + 1) for _ in range(self._random.randrange(4))}

    def _one(self, choices: list[Any]) -> Any:
        return self._random.choice(choices)

    def _maybe(self, probability: float) -> bool:
        return self._random.random() < probability


@pytest.fixture
def api() -> Api:
    return fresh()


def populated(api: Api) -> list[dict[str, str]]:
    """Monitors with pings, their alerts and channels: mine, and a stranger's."""
    things = []
    for caller in (*[api.me] * 10, api.project("theirs")):
        channel = caller.channel()
        monitor = caller.monitor(channelIds=[channel["id"]], schedule="0 2 * * *", timezone="Europe/Berlin", tags=["x"])
        alert = caller.alert(monitor, channelId=channel["id"])
        things.append({"monitor_id": monitor["id"], "alert_id": alert["id"], "channel_id": channel["id"]})
        api.pings(
            monitor, *(Ping(START - n * SECOND, monitor["id"], numbers={"v": n * 1e307}, texts={"status": "✓"}) for n in range(9, 0, -1))
        )
    return things


def calls(api: Api) -> list[tuple[str, str]]:
    """The method and the path of every route, with names in braces where an id belongs."""
    rules = [rule for rule in api.app.url_map.iter_rules() if rule.rule.startswith("/api/") and "static" not in rule.rule]
    return sorted(
        (method, re.sub("<([a-z_]+)>", r"{\1}", rule.rule)) for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.server) for n in (1, 2, 3))])
def test_no_request_makes_a_500(api: Api, seed: int) -> None:
    fuzz = Fuzz(seed, calls(api), populated(api))
    seen: Counter[int] = Counter()
    for _ in range(REQUESTS // 4):
        method, path, details = fuzz.request()
        reply = api.me.ask(method, path, **details)
        seen[reply.status_code] += 1
        told = (method, path, details, reply.text[:300])
        assert reply.status_code < 500 or (reply.status_code == 502 and path.endswith("/test")), told
        if reply.status_code >= 400 and method != "HEAD" and path.startswith("/api"):
            assert len(reply.json["error"]) > 10, told
            assert reply.status_code != 422 or reply.json["fields"], told
    assert {200, 201, 204, 400, 401, 404, 405, 415, 422} <= seen.keys(), "every kind of answer was met"
    assert seen[200] > 250
