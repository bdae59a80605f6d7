"""`/api/push/<token>` as clients of Uptime Kuma know it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pinging import Site

from rules import actions


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    one.close()


def _url(site: Site) -> str:
    return f"/api/push/{site.job.token}"


def test_the_url_that_kuma_shows_is_a_success(site: Site) -> None:
    reply = site.ask("GET", f"{_url(site)}?status=up&msg=OK&ping=")
    assert (reply.status, reply.json) == (200, {"ok": True})
    assert reply.headers["access-control-allow-origin"] == "*"
    (ping,) = site.stored()
    assert (ping.kind, ping.log, ping.numbers) == ("success", "OK", {})
    assert site.beat().status == "up"


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("", "success"),
        ("?status=up", "success"),
        ("?status=UP", "success"),
        ("?status=Up", "success"),
        ("?status=", "success"),
        ("?status=down", "fail"),
        ("?status=DOWN", "fail"),
        ("?status=0", "fail"),
        ("?status=up%20", "fail"),
        ("?status=up&status=down", "success"),
    ],
)
def test_up_in_any_letters_is_up_and_all_else_is_down(site: Site, query: str, kind: str) -> None:
    assert site.ask("GET", _url(site) + query).json == {"ok": True}
    assert site.stored()[0].kind == kind


@pytest.mark.parametrize(
    ("ping", "numbers"),
    [
        ("", {}),
        ("12", {"ping_ms": 12.0}),
        ("12.5", {"ping_ms": 12.5}),
        ("0", {"ping_ms": 0.0}),
        ("1e3", {"ping_ms": 1000.0}),
        ("34ms", {"ping_ms": 34.0}),
        ("+7", {"ping_ms": 7.0}),
        ("abc", {}),
        ("null", {}),
        ("NaN", {}),
    ],
)
def test_a_number_of_milliseconds_is_a_metric(site: Site, ping: str, numbers: dict[str, float]) -> None:
    assert site.ask("GET", f"{_url(site)}?status=up&ping={ping}").json == {"ok": True}
    assert site.stored()[0].numbers == numbers


@pytest.mark.parametrize("ping", ["-1", "1e12", "1e999"])
def test_an_impossible_duration_is_told_and_the_push_counts(site: Site, ping: str) -> None:
    reply = site.ask("GET", f"{_url(site)}?ping={ping}")
    assert (reply.status, reply.json["ok"]) == (200, True)
    assert "no number of milliseconds" in reply.json["msg"]
    assert site.stored()[0].problem
    assert site.beat().status == "up"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [b"", b'{"a": ', b'{"a": 1}', b"x" * 200_000])
def test_any_method_and_any_body_will_do(site: Site, method: str, body: bytes) -> None:
    reply = site.ask(method, f"{_url(site)}/?msg=hi", body, Content_Type="application/json")
    assert reply.status == 200
    (ping,) = site.stored()
    assert (ping.kind, ping.log, ping.numbers, ping.problem) == ("success", "hi", {}, None)


def test_a_method_that_is_none_of_those_is_refused(site: Site) -> None:
    reply = site.ask("OPTIONS", _url(site))
    assert (reply.status, reply.json["ok"]) == (405, False)
    assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize("token", ["", "nobody", "a/b", "%FF", "{token}/start", "{token}/0"])
def test_who_is_not_known_is_told_so_in_kumas_words(site: Site, token: str) -> None:
    reply = site.ask("GET", f"/api/push/{token.format(token=site.job.token)}")
    assert (reply.status, reply.json) == (404, {"ok": False, "msg": "Monitor not found or not active."})
    assert site.stored() == []


def test_a_paused_monitor_is_there(site: Site) -> None:
    with site.world.control.begin() as connection:
        actions.pause(connection, site.job, "http://x", site.now)
    site.registry.step(site.now)
    assert site.ask("GET", _url(site)).json == {"ok": True}
    assert site.beat().status == "paused"


def test_what_is_not_a_post_is_kept_without_effect_where_only_posts_count(site: Site) -> None:
    job = site.world.monitor(methods="POST")
    for method in ("GET", "PUT"):
        assert site.ask(method, f"/api/push/{job.token}?status=down&msg=no&ping=5").json == {"ok": True}
    assert [(ping.kind, ping.log, ping.numbers, ping.problem) for ping in site.stored()] == [
        ("log", None, {}, f"ignored: a {method} request, and this monitor takes POST only") for method in ("GET", "PUT")
    ]
    assert site.beat(job).status == "new"
    site.ask("POST", f"/api/push/{job.token}?status=down&msg=no")
    assert site.beat(job).status == "down"


def test_our_trouble_is_503_which_clients_try_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ask("GET", _url(site))

    def fails(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(site.committer, "_append", fails)
        reply = site.ask("GET", _url(site))
    assert (reply.status, reply.json["ok"], reply.headers["retry-after"]) == (503, False, "5")
    assert "disk I/O error" in reply.json["msg"]
    monkeypatch.setattr(site.registry, "_read", fails)
    assert site.ask("GET", "/api/push/unknown").status == 503


def test_pushes_are_limited_by_the_plan(site: Site) -> None:
    site.plan("slow")
    assert [site.ask("GET", f"{_url(site)}?status={status}").status for status in ("up", "down", "up")] == [200, 200, 429]
    reply = site.ask("GET", _url(site))
    assert (reply.json, reply.headers["retry-after"]) == ({"ok": False, "msg": "rate limited", "retryAfter": 9}, "9")


def test_a_message_is_kept_to_its_last_bytes(site: Site) -> None:
    site.ask("GET", f"{_url(site)}?status=down&msg=" + "x" * 40_000 + "%E2%9C%93")
    (ping,) = site.stored()
    assert ping.log is not None
    assert (len(ping.log.encode()), ping.log[-1]) == (10_000, "✓")
    assert site.ask("GET", f"{_url(site)}?msg=" + "x" * 70_000).status == 414
