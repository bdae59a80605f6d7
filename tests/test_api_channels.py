from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from api_client import Api, fresh
from sqlalchemy import select
from world import START

from store.control.tables import channels
from store.instant import iso
from store.model import SECOND

ALL = "/api/notification-channels"
URL = "http://127.0.0.1:9/hook"  # nobody listens there
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """Takes webhooks on loopback and answers with `status`."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], Any]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def api() -> Api:
    return fresh()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def stored(api: Api, channel: dict[str, Any]) -> dict[str, Any]:
    with api.control.read() as connection:
        return dict(connection.execute(select(channels.c.config).where(channels.c.id == channel["id"])).scalar_one())


def test_a_channel_comes_back_as_it_was_made(api: Api) -> None:
    made = api.me.post(ALL, {"name": "ops", "type": "webhook", "config": {"url": URL}})
    assert made["id"].startswith("ch_")
    assert made["config"]["url"] == URL
    expected = {"name": "ops", "type": "webhook", "isDefault": False, "lastError": None, "lastErrorAt": None}
    assert {name: made[name] for name in expected} == expected
    assert made["createdAt"] == made["updatedAt"] == iso(START)
    assert api.me.get(f"{ALL}/{made['id']}") == made
    assert api.me.get(ALL) == [made]


def test_a_secret_is_never_shown_and_survives_being_sent_back_masked(api: Api) -> None:
    made = api.me.channel(config={"url": URL, "secret": SECRET})
    assert SECRET not in json.dumps([made, api.me.get(ALL), api.me.get(f"{ALL}/{made['id']}")])
    assert made["config"]["secret"]
    changed = api.me.patch(f"{ALL}/{made['id']}", {"name": "renamed", "config": made["config"]})
    assert (changed["name"], stored(api, changed)["secret"]) == ("renamed", SECRET)
    api.me.patch(f"{ALL}/{made['id']}", {"config": {"url": URL}})
    assert not stored(api, changed).get("secret"), "a config without a secret has none"


def test_a_refusal_does_not_show_the_secret_either(api: Api) -> None:
    made = api.me.channel(config={"url": URL, "secret": SECRET})
    refused = api.me.patch(f"{ALL}/{made['id']}", {"config": made["config"] | {"url": "ftp://x"}}, 422)
    assert SECRET not in json.dumps(refused)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"type": "pigeon"}, "type"),
        ({"type": None}, "type"),
        ({"config": None}, "config"),
        ({"config": "http://x"}, "config"),
        ({"config": []}, "config"),
        ({"config": {}}, "config.url"),
        ({"config": {"url": ""}}, "config.url"),
        ({"config": {"url": 5}}, "config.url"),
        ({"config": {"url": "ftp://x/"}}, "config.url"),
        ({"config": {"url": "http://"}}, "config.url"),
        ({"config": {"url": URL, "nope": 1}}, "config.nope"),
        ({"isDefault": "maybe"}, "isDefault"),
        ({"isDefault": None}, "isDefault"),
        ({"isDefault": []}, "isDefault"),
        ({"lastError": "x"}, "lastError"),
        ({"nope": 1}, "nope"),
    ],
)
def test_a_bad_field_is_refused_with_a_sentence_when_made_and_when_changed(api: Api, body: dict[str, Any], field: str) -> None:
    sound = {"name": "sink", "type": "webhook", "config": {"url": URL}}
    channel = api.me.post(ALL, sound)
    for refused in (api.me.post(ALL, sound | body, 422), api.me.patch(f"{ALL}/{channel['id']}", body, 422)):
        assert refused["fields"].keys() == {field}
        assert len(refused["fields"][field][0]) > 5
        assert refused["error"].startswith(f"{field}: ")
    assert api.me.get(ALL) == [channel]


@pytest.mark.parametrize("field", ["name", "type", "config"])
def test_what_makes_a_channel_is_needed(api: Api, field: str) -> None:
    sound = {"name": "sink", "type": "webhook", "config": {"url": URL}}
    assert api.me.post(ALL, {name: value for name, value in sound.items() if name != field}, 422)["fields"].keys() == {field}


def test_a_change_touches_what_it_names_and_nothing_else(api: Api) -> None:
    channel = api.me.channel()
    api.now += SECOND
    changed = api.me.patch(f"{ALL}/{channel['id']}", {"isDefault": True})
    assert changed == channel | {"isDefault": True, "updatedAt": iso(START + SECOND)}


def test_a_deleted_channel_is_gone_from_its_monitors(api: Api) -> None:
    channel, kept = api.me.channel(), api.me.channel(name="kept")
    monitor = api.me.monitor(channelIds=[channel["id"]])
    alert = api.me.alert(monitor, channelId=channel["id"])
    api.me.delete(f"{ALL}/{channel['id']}")
    assert api.me.get(ALL) == [kept]
    assert "there is no notification channel" in api.me.get(f"{ALL}/{channel['id']}", 404)["error"]
    assert api.me.get(f"/api/monitors/{monitor['id']}")["channelIds"] is None
    assert api.me.get(f"/api/monitors/{monitor['id']}/metric-alerts/{alert['id']}")["channelId"] is None


def test_a_test_arrives_like_a_real_notification(api: Api, receiver: Receiver) -> None:
    channel = api.me.channel(config={"url": receiver.url, "secret": SECRET})
    assert api.me.post(f"{ALL}/{channel['id']}/test", status=200) == {"ok": True}
    ((headers, body),) = receiver.taken
    assert (body["event"], body["monitor"], body["timestamp"]) == ("test", None, iso(START))
    assert headers["webhook-id"] == body["id"]
    assert headers["webhook-signature"].startswith("v1,")


def test_a_test_that_does_not_arrive_says_why(api: Api, receiver: Receiver) -> None:
    receiver.status = 500
    refusing = api.me.channel(config={"url": receiver.url})
    assert "500" in api.me.post(f"{ALL}/{refusing['id']}/test", status=502)["error"]
    absent = api.me.channel()
    assert api.me.post(f"{ALL}/{absent['id']}/test", status=502)["error"].startswith("the test was not delivered: ")
    api.me.post(f"{ALL}/ch_nobody/test", status=404)


def test_channels_come_in_pages_by_name(api: Api) -> None:
    for name in ("b", "c", "a"):
        api.me.channel(name=name)
    reply = api.me.ask("GET", f"{ALL}?limit=2")
    assert ([each["name"] for each in reply.json], reply.headers["X-Total-Count"]) == (["a", "b"], "3")
