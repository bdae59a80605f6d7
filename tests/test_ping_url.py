"""`/ping/…` as clients of Healthchecks know it: what that project's own tests and documentation promise, but for what Lastbeat decides
otherwise (a paused monitor stays paused, JSON that is no metrics is told so, the last bytes of a body are kept and not the first).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from pinging import Reply, Site
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from ingest import making, ping_url
from ingest.signal import Query, query
from rules import actions, runs
from store.control import Control, monitors, projects
from store.control.tables import monitors as table
from store.model import SECOND, Monitor, Schedule

A, B = "1b4e28ba-2fa1-4d21-883f-0016d3cca427", "2c5f39cb-3fb2-4e32-994f-1127e4ddb538"
UUID = "5f0c1d2e-0000-4000-8000-00000000abcd"
UNKNOWN = "6f0c1d2e-0000-4000-8000-00000000abcd"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    one.world.channel()
    yield one
    one.close()


def _job(site: Site, **fields: Any) -> Monitor:
    return site.world.monitor(**{"token": UUID, "name": "by uuid", **fields})


def _slug(site: Site, slug: str = "nightly-backup", **fields: Any) -> str:
    site.world.monitor(slug=slug, **fields)
    return f"/ping/{site.ping_key}/{slug}"


def _post(site: Site, *keys: int) -> Reply:
    body = json.dumps({f"k{key}": 1 for key in keys}, separators=(",", ":")).encode()
    return site.ask("POST", site.path.decode(), body, Content_Type="application/json")


def _kinds(site: Site) -> list[tuple[str, int | None]]:
    return [(ping.kind, ping.exit_status) for ping in site.stored()]


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT"])
def test_a_request_by_uuid_is_a_success(site: Site, method: str) -> None:
    job = _job(site)
    reply = site.ask(method, f"/ping/{UUID}")
    assert (reply.status, reply.body) == (200, b"" if method == "HEAD" else b"OK")
    assert reply.headers["ping-body-limit"] == "10000"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "no-store" in reply.headers["cache-control"]
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert _kinds(site) == [("success", None)]
    assert (site.beat(job).status, site.beat(job).last_ping_at) == ("up", site.stored()[0].at)


def test_a_slash_at_the_end_changes_nothing(site: Site) -> None:
    _job(site)
    assert [site.ask("GET", f"/ping/{UUID}{tail}").status for tail in ("/", "/start/", "/7/")] == [200] * 3
    assert _kinds(site) == [("success", None), ("start", None), ("fail", 7)]


@pytest.mark.parametrize("token", [UUID.upper(), UUID.replace("-", ""), UNKNOWN, "", "nobody", f"{UNKNOWN}/start", f"{UNKNOWN}/256"])
def test_any_other_token_is_not_found_and_nothing_more_is_said(site: Site, token: str) -> None:
    _job(site)
    reply = site.ask("GET", f"/ping/{token}")
    assert (reply.status, reply.body) == (404, b"not found")
    assert site.stored() == []


def test_a_start_is_running_until_the_success_and_is_no_ping(site: Site) -> None:
    site.ping()
    before = site.beat()
    site.ping("/start")
    beat = site.beat()
    assert (beat.last_ping_at, beat.status, beat.deadline) == (before.last_ping_at, "up", before.deadline)
    assert len(runs.running(beat.runs, site.now)) == 1
    site.ping()
    assert runs.running(site.beat().runs, site.now) == []
    with site.world.control.read() as connection:
        rows = connection.exec_driver_sql("SELECT at, seconds FROM durations").all()
    assert [tuple(row) for row in rows] == [(site.stored()[-1].at, 1.0)]


def test_a_failure_is_down_at_once_told_once_and_again_is_no_news(site: Site) -> None:
    assert site.ping("/fail", "POST", b"x").status == 200
    beat = site.beat()
    assert (beat.status, beat.down_since) == ("down", site.stored()[0].at)
    assert site.world.events() == ["monitor_down"]
    site.ping("/fail")
    assert site.beat().down_since == beat.down_since
    assert site.world.events() == ["monitor_down"]
    assert [ping.log for ping in site.stored()] == ["x", None]


@pytest.mark.parametrize(
    ("word", "status", "kinds"),
    [
        ("0", 200, [("success", 0)]),
        ("00", 200, [("success", 0)]),
        ("1", 200, [("fail", 1)]),
        ("255", 200, [("fail", 255)]),
        ("256", 400, []),
        ("9" * 300, 400, []),
        ("-1", 404, []),
        ("1.0", 404, []),
        ("start", 200, [("start", None)]),
        ("log", 200, [("log", None)]),
        ("START", 404, []),
        ("finish", 404, []),
        ("start/", 200, [("start", None)]),
    ],
)
def test_what_may_follow_the_token(site: Site, word: str, status: int, kinds: list[tuple[str, int | None]]) -> None:
    reply = site.ping(f"/{word}")
    assert reply.status == status
    assert _kinds(site) == kinds
    if status == 400:
        assert reply.json["error"].startswith("invalid url format: ")
    if status == 404:
        assert reply.json["error"].startswith(f"not found: {word!r} is no signal")


def test_a_log_counts_for_nothing_but_the_record(site: Site) -> None:
    site.ping()
    before = site.beat()
    assert site.ping("/log", "POST", b"note").status == 200
    assert site.beat() == before
    assert [(ping.kind, ping.log) for ping in site.stored()] == [("success", None), ("log", "note")]


def test_runs_that_overlap_are_both_timed(site: Site) -> None:
    for suffix in (f"/start?rid={A}", f"/start?rid={B}", f"?rid={A}", f"?rid={B}"):
        assert site.ping(suffix).status == 200
    site.beat()
    with site.world.control.read() as connection:
        seconds = connection.exec_driver_sql("SELECT seconds FROM durations ORDER BY at").scalars().all()
    assert seconds == [2.0, 2.0]
    assert [ping.rid for ping in site.stored()] == [A, B, A, B]


def test_both_of_two_over_long_runs_are_watched(site: Site) -> None:
    job = _job(site, interval=86_400, max_run=10)
    for rid in (A, B):
        site.pass_seconds(1)
        site.ask("GET", f"/ping/{UUID}/start?rid={rid}")
    site.pass_seconds(1)
    site.ask("GET", f"/ping/{UUID}?rid={B}")
    site.pass_seconds(10)
    assert site.beat(job).status == "down"
    assert site.world.said()[-1][1]["rid"] == A


@pytest.mark.parametrize("rid", ["zzz", "", A.replace("-", ""), A + "0", "%00", A.replace("b", "g")])
def test_a_rid_that_is_no_uuid_is_refused(site: Site, rid: str) -> None:
    reply = site.ping(f"?rid={rid}")
    assert reply.status == 400
    assert reply.json["error"].startswith("invalid uuid format: ")
    assert site.stored() == []


def test_a_rid_is_the_same_in_capital_letters(site: Site) -> None:
    site.ping(f"/start?rid={A}")
    assert site.ping(f"?rid={A.upper()}").status == 200
    assert [ping.rid for ping in site.stored()] == [A, A]


@pytest.mark.parametrize(
    ("end", "still_running"),
    # Unlike Healthchecks, a failure under another name is that run's alone: the contract times runs of different names apart.
    [(f"?rid={B}", True), ("", False), (f"/fail?rid={B}", True), (f"/fail?rid={A}", False), ("/fail", False), (f"?rid={A}", False)],
)
def test_which_ends_close_an_open_run(site: Site, end: str, still_running: bool) -> None:
    site.ping(f"/start?rid={A}")
    site.ping(end)
    assert bool(runs.running(site.beat().runs, site.now)) is still_running


def test_a_megabyte_of_text_is_a_success_with_its_last_bytes_kept(site: Site) -> None:
    assert site.ping("", "POST", b"a" * 999_000 + b"END" * 300).status == 200
    (ping,) = site.stored()
    assert ping.log is not None
    assert (len(ping.log), ping.log[-6:]) == (10_000, "ENDEND")


@pytest.mark.parametrize(
    ("body", "content_type", "log"),
    [
        (b"\xff\xfe\x00", "text/plain", "\ufffd\ufffd\ufffd"),
        (b"a=b", "application/x-www-form-urlencoded", "a=b"),
        (b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n--x--\r\n', "multipart/form-data; boundary=x", None),
        ("größe ✓".encode(), "text/plain", "größe ✓"),
    ],
)
def test_any_body_is_kept(site: Site, body: bytes, content_type: str, log: str | None) -> None:
    assert site.ping("", "POST", body, Content_Type=content_type).status == 200
    assert site.stored()[0].log == (log or body.decode())


def test_a_body_comes_with_every_signal(site: Site) -> None:
    for suffix in ("/start", "/fail", "/log", "/3"):
        site.ping(suffix, "POST", suffix.encode())
    assert [ping.log for ping in site.stored()] == ["/start", "/fail", "/log", "/3"]


def test_nested_json_counts_and_its_refusal_is_told(site: Site) -> None:
    beszel = {"status": "error", "systems": {"total": 5, "up": 4}, "down_systems": [{"name": "db"}]}
    reply = site.ping("", "POST", json.dumps(beszel).encode(), Content_Type="application/json")
    assert (reply.status, reply.json["ping"], reply.json["metrics"]) == (400, "recorded", "refused")
    assert "'systems' is an object" in reply.json["error"]
    assert site.stored()[0].problem == reply.json["error"]
    assert site.beat().status == "up"


def test_by_ping_key_and_slug_all_signals_go_to_the_monitor(site: Site) -> None:
    url = _slug(site)
    for suffix in ("", "/start", "/fail", "/log", "/0", "/9", "/", f"?rid={A}"):
        assert site.ask("POST", url + suffix).status == 200, suffix
    assert [ping.kind for ping in site.stored()] == ["success", "start", "fail", "log", "success", "fail", "success", "success"]
    assert site.ask("GET", url).text == "OK"


def test_an_unknown_slug_is_not_found_and_made_where_that_is_asked_for(site: Site) -> None:
    url = f"/ping/{site.ping_key}/new-job"
    assert (site.ask("GET", url).status, site.ask("GET", url).text) == (404, "not found")
    assert site.ask("GET", f"{url}?create=0").status == 404
    made = site.ask("GET", f"{url}?create=1")
    assert (made.status, made.text) == (201, "Created")
    assert (site.ask("GET", f"{url}?create=1").status, site.ask("GET", url).text) == (200, "OK")
    with site.world.control.read() as connection:
        ((monitor, _),) = monitors.by_slug(connection, site.world.project.id, "new-job")
    assert (monitor.name, monitor.schedule.interval, monitor.schedule.grace, monitor.schedule.max_run) == ("new-job", 86_400, 3_600, 3_600)
    assert {ping.monitor for ping in site.stored()} == {monitor.id}
    assert len(site.stored()) == 3


def test_a_made_monitor_is_told_in_json_too(site: Site) -> None:
    made = site.ask("POST", f"/ping/{site.ping_key}/job/start?create=1", Accept="application/json")
    assert (made.status, made.json["ok"], made.json["monitor"]["name"], made.json["monitor"]["status"]) == (201, True, "job", "new")


@pytest.mark.parametrize("suffix", ["/256?create=1", "?create=1&rid=zzz", "/nope?create=1"])
def test_no_monitor_is_made_for_a_ping_that_is_refused(site: Site, suffix: str) -> None:
    assert site.ask("GET", f"/ping/{site.ping_key}/job{suffix}").status in (400, 404)
    with site.world.control.read() as connection:
        assert monitors.by_slug(connection, site.world.project.id, "job") == []


def test_two_who_ask_for_the_same_monitor_at_once_make_one(site: Site) -> None:
    asked = [gevent.spawn(site.ask, "GET", f"/ping/{site.ping_key}/job?create=1") for _ in range(8)]
    gevent.joinall(asked)
    assert max(reply.get().status for reply in asked) == 201
    with site.world.control.read() as connection:
        assert len(monitors.by_slug(connection, site.world.project.id, "job")) == 1
    assert len(site.stored()) == 8


@pytest.mark.parametrize("slug", ["Slug", "nightly-BACKUP"])
def test_a_slug_with_capital_letters_is_malformed(site: Site, slug: str) -> None:
    _slug(site)
    reply = site.ask("GET", f"/ping/{site.ping_key}/{slug}")
    assert reply.status == 400
    assert reply.json["error"].startswith("invalid url format: ")


@pytest.mark.parametrize(
    "url", ["/ping/nokey/job?create=1", "/ping/nokey/job", "/ping/{key}/a.b?create=1", "/ping/{key}/x/start/y?create=1"]
)
def test_nothing_is_made_under_an_unknown_key_or_an_impossible_slug(site: Site, url: str) -> None:
    reply = site.ask("GET", url.format(key=site.ping_key))
    assert (reply.status, reply.text) == (404, "not found")


def test_two_monitors_with_one_slug_are_ambiguous_within_a_second(site: Site) -> None:
    url = _slug(site)
    assert site.ask("GET", url).status == 200
    _slug(site)
    site.registry.step(site.now)
    reply = site.ask("GET", url)
    assert (reply.status, reply.text) == (409, "ambiguous slug")
    assert len(site.stored()) == 1


def test_ambiguity_and_unknown_addresses_print_nothing(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    url = _slug(site)
    _slug(site)
    site.ask("GET", url)
    site.ask("GET", "/ping/no/body")
    assert capfd.readouterr() == ("", "")


def test_a_slug_of_another_project_is_not_found(site: Site) -> None:
    url = _slug(site)
    with site.world.control.begin() as connection:
        other = projects.create(connection, "other", "unlimited", 0)
    assert site.ask("GET", url.replace(site.ping_key, other.ping_key)).status == 404
    assert site.ask("GET", url).status == 200


def test_a_slug_that_is_renamed_and_a_ping_key_that_is_replaced_are_followed(site: Site) -> None:
    url = _slug(site)
    assert site.ask("GET", url).status == 200
    with site.world.control.begin() as connection:
        ((monitor, _),) = monitors.by_slug(connection, site.world.project.id, "nightly-backup")
        connection.execute(update(table).where(table.c.id == monitor.id).values(slug="renamed"))
        monitors.touch(connection, site.world.project.id)
    site.registry.step(site.now)
    assert site.ask("GET", url).status == 404
    assert site.ask("GET", url.replace("nightly-backup", "renamed")).status == 200
    with site.world.control.begin() as connection:
        projects.change(connection, site.world.project.id, ping_key="another")
    site.registry.step(site.now)
    assert site.ask("GET", url.replace("nightly-backup", "renamed")).status == 404
    assert site.ask("GET", "/ping/another/renamed").status == 200


def test_a_slug_url_is_looked_up_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url = _slug(site)
    site.ask("GET", url)
    monkeypatch.setattr(monitors, "by_slug", None)
    monkeypatch.setattr(monitors, "by_token", None)
    assert site.ask("GET", f"{url}").status == 200
    assert site.ask("GET", f"{url}/start").status == 200


def test_where_a_token_is_also_a_ping_key_the_token_goes_first(site: Site) -> None:
    _job(site)
    with site.world.control.begin() as connection:
        projects.change(connection, site.world.project.id, ping_key=UUID)
    site.world.monitor(slug="start", name="a slug like a signal")
    site.ask("GET", f"/ping/{UUID}/start")
    assert _kinds(site) == [("start", None)]


def test_whoever_waits_for_a_monitor_to_be_made_keeps_no_other_ping_waiting(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(making, "_PATIENCE", 0.3)
    other = sqlite3.connect(site.world.inboxes.parent / "control.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asked = [gevent.spawn(site.ask, "GET", f"/ping/{site.ping_key}/job-{n}?create=1") for n in range(12)]
    gevent.sleep(0.1)
    began = time.perf_counter()
    assert site.ask("GET", f"/ping/{UNKNOWN}").status == 404
    site.registry.step(site.now)
    assert time.perf_counter() - began < 0.3
    replies: list[Reply] = [one.get() for one in asked]
    other.close()
    assert {(reply.status, reply.headers["retry-after"]) for reply in replies} == {(503, "5")}
    assert {reply.json["error"].partition(": ")[2] for reply in replies} == {"8 others are being made", "others write to the control store"}
    assert site.ask("GET", f"/ping/{site.ping_key}/job-0?create=1").status == 201
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("broken", ["read", "begin"])
def test_a_control_store_that_cannot_be_used_is_our_trouble_and_no_unknown_url(
    site: Site, broken: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails(_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    url = f"/ping/{site.ping_key}/job"
    monkeypatch.setattr(Control, broken, fails)
    replies = [site.ask("GET", f"{url}?create=1")]
    if broken == "read":
        replies += [site.ask("GET", url), site.ask("GET", f"/ping/{UNKNOWN}"), site.ask("GET", f"/ping/{UNKNOWN}/start")]
    assert [(reply.status, reply.headers["retry-after"]) for reply in replies] == [(503, "5")] * len(replies)
    assert "disk I/O error" in replies[0].text
    assert capfd.readouterr() == ("", "")


def test_a_ping_key_of_nobody_costs_two_look_ups_and_makes_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    read = Control.read

    def counting(control: Control) -> Any:
        looked.append(control)
        return read(control)

    monkeypatch.setattr(Control, "read", counting)
    assert site.ask("GET", "/ping/nobody/job?create=1").status == 404
    assert len(looked) == 2


@pytest.mark.parametrize("path", ["/ping/{uuid}/start", "/ping/{key}/nightly-backup/start", "/ping/{key}/new/start"])
def test_what_an_url_says_is_understood_once(site: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _job(site)
    _slug(site)
    understood: list[str] = []

    def counting(text: str) -> Query:
        understood.append(text)
        return query(text)

    monkeypatch.setattr(ping_url, "query", counting)
    assert site.ask("GET", path.format(uuid=UUID, key=site.ping_key) + f"?create=1&rid={A}").status in (200, 201)
    assert understood == [f"create=1&rid={A}"]
    assert [ping.rid for ping in site.stored()] == [A]


def test_a_full_project_makes_no_further_monitor_and_says_why(site: Site) -> None:
    site.plan("tiny")
    assert site.ask("GET", f"/ping/{site.ping_key}/one?create=1").status == 201
    reply = site.ask("GET", f"/ping/{site.ping_key}/two?create=1")
    assert reply.status == 403
    assert "allows 2 monitors" in reply.json["error"]
    assert site.ask("GET", f"/ping/{site.ping_key}/one?create=1").status == 200


def test_a_paused_monitor_keeps_its_pings_and_stays_paused(site: Site) -> None:
    with site.world.control.begin() as connection:
        actions.pause(connection, site.job, "http://x", site.now)
    site.registry.step(site.now)
    replies: list[Reply] = [site.ping(suffix) for suffix in ("", "/fail", "/start")]
    assert [(reply.status, reply.text) for reply in replies] == [(200, "OK")] * 3
    assert (site.beat().status, len(site.stored())) == ("paused", 3)


def test_what_is_not_a_post_is_kept_without_effect_where_only_posts_count(site: Site) -> None:
    job = _job(site, methods="POST")
    for method, suffix in (("GET", ""), ("HEAD", "/fail"), ("PUT", "/start")):
        assert site.ask(method, f"/ping/{UUID}{suffix}").status == 200
    assert site.beat(job).status == "new"
    assert [(ping.kind, ping.problem) for ping in site.stored()] == [
        ("log", f"ignored: a {method} request, and this monitor takes POST only") for method in ("GET", "HEAD", "PUT")
    ]
    site.ask("POST", f"/ping/{UUID}")
    assert site.beat(job).status == "up"


@pytest.mark.parametrize(
    ("suffix", "status", "expects"),
    [("", "up", 61), ("/fail", "down", 61), ("/7", "down", 61), ("/start", "new", None), ("/log", "new", None)],
)
def test_json_tells_how_the_monitor_is(site: Site, suffix: str, status: str, expects: int | None) -> None:
    told = site.ping(suffix, Accept="application/json").json
    assert told["monitor"] == {"id": site.job.id, "name": "nightly", "status": status}
    assert told["nextExpectedAt"] == (None if expects is None else "2023-11-14T22:14:21.000Z")
    assert told["ok"] is True


def test_a_success_that_may_be_too_short_does_not_tell_that_the_monitor_is_up(site: Site) -> None:
    _job(site, schedule=Schedule(min_run=60))
    for suffix, status in (("/start", "new"), ("", "new"), ("/fail", "down")):
        told = site.ask("GET", f"/ping/{UUID}{suffix}", Accept="application/json").json
        assert told["monitor"]["status"] == status, suffix


@pytest.mark.parametrize(("suffix", "status"), [("", "up"), ("/fail", "down"), ("/log", "new")])
def test_json_is_told_all_the_same_when_nobody_can_tell_when_it_is_expected(site: Site, suffix: str, status: str) -> None:
    _job(site, schedule=Schedule(cron="0 2 * * *", timezone="Mars/Olympus"))
    told = site.ask("GET", f"/ping/{UUID}{suffix}", Accept="application/json").json
    assert (told["ok"], told["monitor"]["status"], told["nextExpectedAt"]) == (True, status, None)
    assert len(site.stored()) == 1


def test_json_is_told_all_the_same_when_the_standing_cannot_be_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    site.ping()
    monkeypatch.setattr(monitors, "among", fails)
    told = site.ping("/start", Accept="application/json").json
    assert (told["ok"], told["monitor"]["status"], told["nextExpectedAt"]) == (True, None, None)
    assert len(site.stored()) == 2


# Numbers without a body, as Cronitor's users write them.


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("metric=count:5", {"count": 5.0}),
        ("metric=count:5&metric=duration:1.2", {"count": 5.0, "duration": 1.2}),
        ("metric=error_count:0", {"error_count": 0.0}),
        ("metric=a:b:-1e3", {"a:b": -1000.0}),
        ("metric=CPU+%25:.5", {"CPU %": 0.5}),
        ("metric=gr%C3%B6%C3%9Fe:7", {"größe": 7.0}),
        (f"rid={A}&state=complete&metric=x:%2B5", {"x": 5.0}),
    ],
)
def test_numbers_may_come_in_the_query(site: Site, query: str, numbers: dict[str, float]) -> None:
    assert site.ping(f"?{query}").status == 200
    assert site.stored()[0].numbers == numbers


def test_numbers_of_body_and_query_are_taken_together_and_beside_a_log(site: Site) -> None:
    site.ping("?metric=a:1", "POST", b'{"b": 2, "c": "text"}', Content_Type="application/json")
    site.ping("/3?metric=a:1", "POST", b"it failed", Content_Type="text/plain")
    first, second = site.stored()
    assert (first.numbers, first.texts) == ({"a": 1, "b": 2}, {"c": "text"})
    assert (second.numbers, second.log, second.exit_status) == ({"a": 1}, "it failed", 3)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("metric=count", "the metric 'count' is not a name, a colon and a number"),
        ("metric=", "the metric '' is not a name"),
        ("metric=count:", "the metric 'count:' is not a name"),
        ("metric=count:five", "the metric 'count:five' is not a name"),
        ("metric=count:nan", "is not a name, a colon and a number"),
        ("metric=count:Infinity", "is not a name, a colon and a number"),
        ("metric=count:1_000", "is not a name, a colon and a number"),
        ("metric=count:%D9%A3", "is not a name, a colon and a number"),
        ("metric=count:1e999", "the value of 'count' is 1e999"),
        ("metric=:5", "the key '' is not accepted"),
        ("metric=a%00b:5", "the key 'a\\x00b' is not accepted"),
        ("metric=" + "k" * 65 + ":1", "a key is 1 to 64"),
        ("metric=a:1&metric=a:2", "the key 'a' comes twice"),
        ("metric=b:1", "the key 'b' comes twice, in the body and in the query"),
    ],
)
def test_a_bad_number_in_the_query_refuses_all_metrics_and_the_ping_counts(site: Site, query: str, sentence: str) -> None:
    reply = site.ping(f"?{query}", "POST", b'{"b": 2}')
    assert (reply.status, reply.json["ping"], reply.json["metrics"]) == (400, "recorded", "refused")
    assert sentence in reply.json["error"]
    (ping,) = site.stored()
    assert (ping.numbers, ping.problem) == ({}, reply.json["error"])
    assert site.beat().status == "up"


def test_a_query_with_too_much_in_it_is_refused_and_the_log_is_kept(site: Site) -> None:
    query = "&".join(f"metric={'k' * 40}{n}:1" for n in range(30))
    reply = site.ping(f"?{query}", "POST", b"a log", Content_Type="text/plain")
    assert reply.status == 413
    assert "1,024" in reply.json["error"]
    assert site.stored()[0].log == "a log"


def test_letters_of_a_query_may_come_as_they_are(site: Site) -> None:
    for n, name in enumerate(["ä".encode(), "à".encode(), "größe+✓".encode(), b"\xff"]):
        site.talk(b"GET %s?metric=%s:%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (site.path, name, n))
    assert [ping.numbers for ping in site.stored()] == [{"ä": 0}, {"à": 1}, {"größe ✓": 2}, {"\ufffd": 3}]


@pytest.mark.parametrize("query", ["", "?metric=oops"])
def test_a_body_whose_metrics_are_refused_is_kept_as_log_unless_it_was_sent_as_metrics(site: Site, query: str) -> None:
    assert [_post(site, *range(n, n + 50)).status for n in (0, 50)] == [200] * 2
    body = b'{"another": 1}'
    for content_type in ("text/plain", "application/json"):
        reply = site.ping(query, "POST", body, Content_Type=content_type)
        assert (reply.status, reply.json["metrics"]) == (400, "refused")
    assert [(ping.log, ping.numbers) for ping in site.stored()[2:]] == [(body.decode(), {}), (None, {})]


def test_what_a_job_has_measured_itself_goes_before_what_was_measured_of_it(site: Site) -> None:
    body = b'{"duration_s": 5, "max_memory_bytes": 7, "rows": 3}'
    assert site.ping("?metric=duration_s:9&metric=max_memory_bytes:9", "POST", body).status == 200
    assert site.stored()[0].numbers == {"duration_s": 5, "max_memory_bytes": 7, "rows": 3}
    assert site.ping("?metric=duration_s:9&metric=rows:9", "POST", body).json["error"].startswith("the key 'rows' comes twice")


# Plans.


def test_a_ping_that_is_refused_uses_no_keys_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plan("slow")
    assert _post(site, 0).status == 200
    assert _post(site, *range(100, 199)).status == 429
    site.pass_seconds(10)
    assert _post(site, 1).status == 200

    def full(_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    site.pass_seconds(10)
    with monkeypatch.context() as broken:
        broken.setattr(site.committer, "_append", full)
        assert _post(site, *range(200, 298)).status == 503
    assert _post(site, *range(2, 100)).status == 200
    site.pass_seconds(10)
    assert _post(site, 100).status == 400


def test_pings_that_wait_for_one_commit_bring_no_more_keys_than_one_after_the_other(site: Site) -> None:
    asked = [gevent.spawn(_post, site, *range(n * 40, n * 40 + 40)) for n in range(5)]
    assert sorted(one.get().status for one in asked) == [200, 200, 400, 400, 400]


def test_a_ping_that_comes_too_soon_is_429_with_the_whole_seconds_to_wait(site: Site) -> None:
    site.plan("slow")
    assert site.ask("GET", site.path.decode()).status == 200
    site.now += 2_800 * (SECOND // 1_000)
    reply = site.ask("GET", site.path.decode())
    assert (reply.status, reply.json) == (429, {"error": "rate limited", "retryAfter": 7})
    assert reply.headers["retry-after"] == "7"
    assert len(site.stored()) == 1
    site.pass_seconds(7)
    assert site.ask("GET", site.path.decode()).status == 200


def test_each_kind_of_signal_and_each_monitor_is_limited_by_itself(site: Site) -> None:
    site.plan("slow")
    other = site.world.monitor()
    suffixes = ("/start", "", "/fail", "/log")
    assert [site.ask("GET", site.path.decode() + suffix).status for suffix in suffixes] == [200] * 4
    assert [site.ask("GET", site.path.decode() + suffix).status for suffix in (*suffixes, "/0", "/1")] == [429] * 6
    assert site.ask("GET", f"/ping/{other.token}").status == 200


def test_a_ping_that_could_not_be_stored_does_not_count(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plan("slow")

    def full(_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(site.committer, "_append", full)
        assert site.ask("GET", site.path.decode()).status == 503
    assert site.ask("GET", site.path.decode()).status == 200


def test_an_unknown_or_malformed_url_uses_nothing_up(site: Site) -> None:
    site.plan("slow")
    assert site.ask("GET", site.path.decode() + "?rid=zzz").status == 400
    assert site.ask("GET", site.path.decode() + "/256").status == 400
    assert site.ask("GET", site.path.decode()).status == 200
