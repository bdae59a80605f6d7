"""What holds for every call of the API: keys, projects, errors, pages of lists."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from api_client import Api, fresh
from sqlalchemy.exc import OperationalError
from world import START

from store.lag import Lag, Trouble
from store.model import Ping
from store.points import Away, PointsError

MONITOR_CALLS = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/pause"),
    ("POST", "/resume"),
    ("POST", "/rotate-token"),
    ("GET", "/pings"),
    ("GET", "/metric-keys"),
    ("GET", "/metrics"),
    ("GET", "/metric-alerts"),
    ("POST", "/metric-alerts"),
]
ALERT = {"metricKey": "v", "operator": ">", "threshold": 1}


@pytest.fixture
def api() -> Api:
    return fresh()


def body_for(method: str, path: str) -> dict[str, Any]:
    return {"json": ALERT if path.endswith("metric-alerts") else {}} if method in ("POST", "PATCH") else {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": ""},
        {"x-api-key": "lb_wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer lb_wrong"},
        {"Authorization": "Basic bGI6eA=="},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/api/monitors"), ("POST", "/api/monitors"), ("GET", "/api/notification-channels")])
def test_without_a_known_key_there_is_no_answer(api: Api, headers: dict[str, str], method: str, path: str) -> None:
    reply = api.stranger.ask(method, path, headers=headers)
    assert reply.status_code == 401
    assert "key" in reply.json["error"]
    assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_either_header_brings_the_key(api: Api) -> None:
    key = api.me.headers["x-api-key"]
    assert api.stranger.get("/api/monitors", headers={"Authorization": f"Bearer {key}"}) == []
    assert api.stranger.get("/api/monitors", headers={"Authorization": f"bearer {key}"}) == []
    assert api.stranger.get("/api/monitors", headers={"X-API-Key": key}) == []


def test_a_read_only_key_reads_and_cannot_write(api: Api) -> None:
    monitor, reader = api.me.monitor(), api.reader()
    assert reader.get(f"/api/monitors/{monitor['id']}")["name"] == "job"
    refused = reader.post("/api/monitors", {"name": "x"}, 403)
    assert "'reader' is read-only" in refused["error"]
    reader.patch(f"/api/monitors/{monitor['id']}", {"name": "other"}, 403)
    reader.delete(f"/api/monitors/{monitor['id']}", 403)
    assert [each["name"] for each in api.me.get("/api/monitors")] == ["job"]


def test_projects_are_strangers(api: Api) -> None:
    mine, other = api.me.monitor(), api.project("theirs")
    api.pings(mine, Ping(START, mine["id"], numbers={"v": 1.0}))
    alert, channel = api.me.alert(mine), api.me.channel()
    calls = [(method, f"/api/monitors/{mine['id']}{rest}") for method, rest in MONITOR_CALLS]
    calls += [(method, f"/api/monitors/{mine['id']}/metric-alerts/{alert['id']}") for method in ("GET", "PATCH", "DELETE")]
    calls += [(method, f"/api/notification-channels/{channel['id']}") for method in ("GET", "PATCH", "DELETE")]
    calls += [("POST", f"/api/notification-channels/{channel['id']}/test")]
    for method, path in calls:
        reply = other.ask(method, path, **body_for(method, path))
        assert reply.status_code == 404, (method, path, reply.text)
        assert "there is no" in reply.json["error"]
    assert other.get("/api/monitors") == [] == other.get("/api/notification-channels")
    assert api.me.get("/api/monitors") == [api.me.get(f"/api/monitors/{mine['id']}")]
    assert api.me.get(f"/api/monitors/{mine['id']}/metric-alerts") == [alert]
    assert api.me.get("/api/notification-channels") == [channel]


def test_another_projects_channel_cannot_be_used(api: Api) -> None:
    channel, other = api.me.channel(), api.project("theirs")
    theirs = other.monitor()
    for refused in (
        other.post("/api/monitors", {"name": "x", "channelIds": [channel["id"]]}, 422),
        other.patch(f"/api/monitors/{theirs['id']}", {"channelIds": [channel["id"]]}, 422),
    ):
        assert refused["fields"].keys() == {"channelIds"}
    for refused in (
        other.post(f"/api/monitors/{theirs['id']}/metric-alerts", ALERT | {"channelId": channel["id"]}, 422),
        other.patch(f"/api/monitors/{theirs['id']}/metric-alerts/{other.alert(theirs)['id']}", {"channelId": channel["id"]}, 422),
    ):
        assert refused["fields"].keys() == {"channelId"}
    assert other.get(f"/api/monitors/{theirs['id']}")["channelIds"] is None
    assert len(other.get("/api/monitors")) == 1


def test_an_alert_belongs_to_its_monitor_alone(api: Api) -> None:
    first, second = api.me.monitor(), api.me.monitor()
    alert = api.me.alert(first)
    api.me.get(f"/api/monitors/{second['id']}/metric-alerts/{alert['id']}", 404)
    api.me.delete(f"/api/monitors/{second['id']}/metric-alerts/{alert['id']}", 404)
    assert api.me.get(f"/api/monitors/{first['id']}/metric-alerts/{alert['id']}") == alert


def test_an_unknown_path_is_404_in_json(api: Api) -> None:
    for path in ("/api", "/api/", "/api/nope", "/api/monitors/", "/api/monitors/x/y/z"):
        assert repr(path) in api.stranger.get(path, 404)["error"]
    assert not api.stranger.ask("GET", "/apiary").is_json, "what is not ours is answered by others"
    assert not api.stranger.ask("GET", "/nope").is_json


def test_error_pages_of_others_do_not_get_in_between(tmp_path: Path) -> None:
    api = Api(tmp_path)
    api.app.register_error_handler(404, lambda error: ("a page", 404))
    assert "error" in api.stranger.get("/api/nope", 404)
    assert "error" in api.me.get("/api/monitors/mon_nope", 404)
    assert api.stranger.ask("GET", "/nope").text == "a page"
    api.close()


def test_a_wrong_method_is_405_and_says_what_is_allowed(api: Api) -> None:
    reply = api.me.ask("PATCH", "/api/monitors")
    assert (reply.status_code, reply.json["error"]) == (
        405,
        "PATCH is not possible here, only GET, HEAD, OPTIONS, POST; /api/docs says what is",
    )
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b'{"name": NaN}', "malformed"),
        (b'{"name": "x",}', "malformed"),
        (b'{"name": "\xff"}', "utf-8"),
        (b'{"name": "\\ud800"}', "no json"),
        (b'{"interval": 1e999}', "out of range"),
        (b'{"interval": ' + b"9" * 5_000 + b"}", "out of range"),
        (b'{"name": ' + b"[" * 100_000, "recursion"),
        (b"[]", "json object"),
        (b"1", "json object"),
        (b"null", "json object"),
        (b'"name"', "json object"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_no_json_object_is_400(api: Api, method: str, body: bytes, word: str) -> None:
    path = "/api/monitors" if method == "POST" else f"/api/monitors/{api.me.monitor()['id']}"
    reply = api.me.ask(method, path, data=body, content_type="application/json")
    assert reply.status_code == 400
    assert word in reply.json["error"].lower()  # in the words of whoever reads it, of any version


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_that_is_not_called_json_is_415(api: Api, content_type: str | None) -> None:
    reply = api.me.ask("POST", "/api/monitors", data=b'{"name": "x"}', content_type=content_type)
    assert reply.status_code == 415
    assert "Content-Type: application/json" in reply.json["error"]


def test_json_by_another_name_is_taken(api: Api) -> None:
    for content_type in ("application/json; charset=utf-8", "application/merge-patch+json"):
        assert api.me.ask("POST", "/api/monitors", data=b'{"name": "x"}', content_type=content_type).status_code == 201


def test_a_body_over_a_mebibyte_is_413(api: Api) -> None:
    body = b'{"name": "' + b"x" * (1 << 20) + b'"}'
    reply = api.me.ask("POST", "/api/monitors", data=body, content_type="application/json")
    assert reply.status_code == 413
    assert "1 MiB" in reply.json["error"]


def test_a_mistake_of_ours_is_a_logged_500_that_gives_nothing_away(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = api.me.monitor()
    monkeypatch.setattr(api.points, "pings", lambda *args, **kwargs: 1 // 0)
    answer = api.me.get(f"/api/monitors/{monitor['id']}/pings", 500)
    assert answer == {"error": "this is a mistake of the server, not yours; its log says more"}
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("error", [PointsError("closed"), sqlite3.OperationalError("disk"), OperationalError("x", {}, Exception("locked"))])
def test_a_store_that_fails_is_503(api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monitor = api.me.monitor()
    monkeypatch.setattr(api.points, "pings", fail)
    reply = api.me.ask("GET", f"/api/monitors/{monitor['id']}/pings")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert "store" in reply.json["error"]


def test_a_time_series_store_that_is_away_is_named_with_what_waits_for_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise Away("InfluxDB does not answer", "http://influx.test:8086: Connection refused")

    monitor = api.me.monitor()
    monkeypatch.setattr(api.points, "pings", fail)
    monkeypatch.setattr(api.points, "buckets", fail)
    pings, metrics = f"/api/monitors/{monitor['id']}/pings", f"/api/monitors/{monitor['id']}/metrics"
    for path in (pings, metrics):
        error = api.me.get(path, 503)["error"]
        assert error == ("the time-series store cannot be asked now: InfluxDB does not answer: http://influx.test:8086: Connection refused")
    api.lag = Lag(3, START, Trouble(START, "InfluxDB does not answer", "Connection refused"))
    assert api.me.get(pings, 503)["error"] == (
        "InfluxDB does not answer since 2023-11-14T22:13:20.000Z, 3 pings are waiting (Connection refused)."
    )


def test_answers_are_not_kept_by_caches(api: Api) -> None:
    assert api.me.ask("GET", "/api/monitors").headers["Cache-Control"] == "no-store"


def test_lists_come_in_pages_with_their_total(api: Api) -> None:
    names = [f"m{n}" for n in range(5)]
    for name in names:
        api.me.monitor(name=name)
    reply = api.me.ask("GET", "/api/monitors?limit=2&offset=1")
    assert [each["name"] for each in reply.json] == ["m1", "m2"]
    assert reply.headers["X-Total-Count"] == "5"
    assert api.me.get("/api/monitors?offset=5") == []


@pytest.mark.parametrize(
    "path",
    ["/monitors", "/notification-channels", "/monitors/{id}/pings", "/monitors/{id}/metric-alerts", "/monitors/{id}/metric-keys"],
)
@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=1001", "limit=x", "limit=", "limit=1.5", "limit=" + "9" * 5_000),
        *("offset=-1", "offset=x", "offset=9223372036854775808"),
    ],
)
def test_a_page_that_cannot_be_is_refused_everywhere(api: Api, path: str, query: str) -> None:
    field = query.partition("=")[0]
    refused = api.me.get(f"/api{path.format(id=api.me.monitor()['id'])}?{query}", 422)
    assert refused["fields"].keys() == {field}
    assert refused["error"].startswith(f"{field}: ")


def test_the_longest_page_is_a_thousand(api: Api) -> None:
    assert api.me.get("/api/monitors?limit=1000&offset=9223372036854775807") == []
