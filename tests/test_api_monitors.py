from __future__ import annotations

from typing import Any

import pytest
from api_client import Api, fresh
from world import BASE_URL, START

from store.instant import iso
from store.model import SECOND, Ping

FIELDS = {
    "id", "name", "type", "slug", "tags", "interval", "gracePeriod", "schedule", "timezone", "status", "running", "runningSince",
    "startBy", "minRunTime", "maxRunTime", "methods", "pingUrl", "lastPingAt", "nextExpectedAt", "health", "downSince", "channelIds",
    "createdAt", "updatedAt",
}  # fmt: skip


@pytest.fixture
def api() -> Api:
    return fresh()


def names(found: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in found]


def test_a_monitor_has_the_defaults_of_the_contract(api: Api) -> None:
    made = api.me.monitor(name="Nightly")
    assert made.keys() == FIELDS
    expected: dict[str, Any] = {
        "name": "Nightly", "type": "heartbeat", "slug": None, "tags": [], "interval": 60, "gracePeriod": 30, "schedule": None,
        "timezone": "UTC", "status": "new", "running": False, "runningSince": None, "methods": "",
        "startBy": None, "minRunTime": None, "maxRunTime": None,
        "lastPingAt": None, "nextExpectedAt": None, "health": None, "downSince": None,
        "channelIds": None, "createdAt": iso(START), "updatedAt": iso(START),
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected
    assert made["id"].startswith("mon_")
    assert made["pingUrl"].startswith(f"{BASE_URL}/ping/")


def test_a_monitor_comes_back_as_it_was_defined(api: Api) -> None:
    defined = {
        "name": "Überweisung ✓", "type": "heartbeat", "interval": 86_400, "gracePeriod": 3_600, "schedule": "0 2 * * *",
        "timezone": "Europe/Berlin", "tags": ["db", "nightly"], "channelIds": [api.me.channel()["id"]], "slug": "nightly-backup",
        "startBy": 600, "minRunTime": 60, "maxRunTime": 7_200, "methods": "POST",
    }  # fmt: skip
    made = api.me.post("/api/monitors", defined)
    assert {name: made[name] for name in defined} == defined
    assert api.me.get(f"/api/monitors/{made['id']}") == made
    assert api.me.get("/api/monitors") == [made]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"type": "http"}, "type"),
        ({"interval": 0}, "interval"),
        ({"maxRunTime": 0}, "maxRunTime"),
        ({"maxRunTime": 1.5}, "maxRunTime"),
        ({"minRunTime": 0}, "minRunTime"),
        ({"minRunTime": 60, "maxRunTime": 60}, "minRunTime"),
        ({"startBy": -1}, "startBy"),
        ({"startBy": 31}, "startBy"),
        ({"startBy": 601, "gracePeriod": 600}, "startBy"),
        ({"methods": "GET"}, "methods"),
        ({"methods": None}, "methods"),
        ({"interval": -1}, "interval"),
        ({"interval": "soon"}, "interval"),
        ({"interval": 1.5}, "interval"),
        ({"interval": True}, "interval"),
        ({"interval": None}, "interval"),
        ({"interval": 10**30}, "interval"),
        ({"gracePeriod": -1}, "gracePeriod"),
        ({"gracePeriod": []}, "gracePeriod"),
        ({"schedule": "every day"}, "schedule"),
        ({"schedule": "61 * * * *"}, "schedule"),
        ({"schedule": "0 0 30 2 *"}, "schedule"),
        ({"schedule": ""}, "schedule"),
        ({"schedule": "0 2 * * *; 61 * * * *"}, "schedule"),
        ({"schedule": "* * * * *\n" * 11}, "schedule"),
        ({"schedule": 5}, "schedule"),
        ({"timezone": "Mars/Phobos"}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"timezone": {}}, "timezone"),
        ({"tags": "db"}, "tags"),
        ({"tags": ["x", ""]}, "tags.1"),
        ({"tags": ["x" * 101]}, "tags.0"),
        ({"tags": [1]}, "tags.0"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"channelIds": "ch_1"}, "channelIds"),
        ({"channelIds": ["ch_nobody"]}, "channelIds"),
        ({"channelIds": [None]}, "channelIds.0"),
        ({"channelIds": ["x"] * 101}, "channelIds"),
        ({"slug": "Über"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"slug": "x" * 101}, "slug"),
        ({"slug": "x\n"}, "slug"),
        ({"nope": 1}, "nope"),
        ({"id": "mon_1"}, "id"),
        ({"status": "up"}, "status"),
    ],
)
def test_a_bad_field_is_refused_with_a_sentence_when_made_and_when_changed(api: Api, body: dict[str, Any], field: str) -> None:
    monitor = api.me.monitor()
    for refused in (api.me.post("/api/monitors", {"name": "x"} | body, 422), api.me.patch(f"/api/monitors/{monitor['id']}", body, 422)):
        assert refused["fields"].keys() == {field}
        assert len(refused["fields"][field][0]) > 5
        assert refused["error"] == f"{field}: {refused['fields'][field][0].rstrip('.')}"
    assert api.me.get("/api/monitors") == [monitor]


def test_a_name_is_needed(api: Api) -> None:
    assert api.me.post("/api/monitors", {}, 422)["fields"].keys() == {"name"}


def test_every_bad_field_is_named_at_once(api: Api) -> None:
    refused = api.me.post("/api/monitors", {"interval": 0, "nope": 1}, 422)
    assert refused["fields"].keys() == {"name", "interval", "nope"}
    assert all(f"{field}: " in refused["error"] for field in refused["fields"])


def test_a_change_touches_what_it_names_and_nothing_else(api: Api) -> None:
    channel = api.me.channel()
    monitor = api.me.monitor(tags=["a"], slug="s", interval=120, channelIds=[channel["id"]], schedule="0 2 * * *", timezone="Europe/Berlin")
    api.now += SECOND
    changed = api.me.patch(f"/api/monitors/{monitor['id']}", {"name": "other", "gracePeriod": 5})
    assert changed == monitor | {"name": "other", "gracePeriod": 5, "updatedAt": iso(START + SECOND)}
    cleared = api.me.patch(f"/api/monitors/{monitor['id']}", {"channelIds": None, "schedule": None, "slug": None, "tags": []})
    assert cleared == changed | {"channelIds": None, "schedule": None, "slug": None, "tags": []}
    assert api.me.get(f"/api/monitors/{monitor['id']}") == cleared


def test_a_change_is_judged_with_all_that_stays(api: Api) -> None:
    monitor = api.me.monitor(schedule="0 2 * * *", timezone="Europe/Berlin")
    assert api.me.patch(f"/api/monitors/{monitor['id']}", {"timezone": "Nowhere/Here"}, 422)["fields"].keys() == {"timezone"}
    assert api.me.patch(f"/api/monitors/{monitor['id']}", {})["timezone"] == "Europe/Berlin"


def test_what_a_run_must_keep_to_fits_together_whatever_is_changed(api: Api) -> None:
    monitor = api.me.monitor(gracePeriod=600, startBy=600, minRunTime=60)
    path = f"/api/monitors/{monitor['id']}"
    shorter = api.me.patch(path, {"gracePeriod": 300}, 422)
    assert shorter["fields"] == {"startBy": ["within 600 s is later than the grace period of 300 s, in which the run must have succeeded"]}
    longer = api.me.patch(path, {"maxRunTime": 59}, 422)
    assert longer["fields"] == {"minRunTime": ["no run takes at least 60 s and at most 59 s; the longest time must be the larger one"]}
    both = api.me.patch(path, {"gracePeriod": 300, "maxRunTime": 59}, 422)
    assert both["fields"].keys() == {"startBy", "minRunTime"}
    assert api.me.patch(path, {"gracePeriod": 300, "startBy": None, "minRunTime": None, "maxRunTime": 59})["maxRunTime"] == 59


def test_several_cron_expressions_come_back_in_one_line(api: Api) -> None:
    made = api.me.monitor(schedule="0 2 * * 1-5\n0 8 * * 6,0\n")
    assert made["schedule"] == "0 2 * * 1-5; 0 8 * * 6,0"
    wrong = api.me.patch(f"/api/monitors/{made['id']}", {"schedule": "0 2 * * *; 0 0 30 2 *"}, 422)
    assert wrong["fields"] == {"schedule": ["the cron expression '0 0 30 2 *' names a date that never comes"]}


def test_a_schedule_that_cannot_be_computed_says_so_and_is_expected_at_no_time(api: Api) -> None:
    monitor = api.me.monitor(schedule="0 2 * * *")
    path = f"/api/monitors/{monitor['id']}"
    with api.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = 'Mars/Olympus' WHERE id = ?", (monitor["id"],))
    api.pings(monitor, Ping(START + SECOND, monitor["id"]))
    found = api.me.get(path)
    assert (found["status"], found["nextExpectedAt"], found["lastPingAt"]) == ("up", None, iso(START + SECOND))
    assert found["health"].startswith("the time zone 'Mars/Olympus' is not known")
    api.now += 3_602 * SECOND
    assert api.me.get(path)["status"] == "up", "and it is not late either"
    mended = api.me.patch(path, {"timezone": "UTC"})
    assert (mended["health"], mended["nextExpectedAt"]) == (None, "2023-11-15T02:00:00.000Z")


@pytest.mark.parametrize("pinged", [False, True])
@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"tags": ["db"]}, {"gracePeriod": 60}, {"interval": 120}, {"maxRunTime": 60}, {"schedule": None}]
)
def test_a_time_zone_that_is_gone_hinders_no_change_of_something_else(api: Api, change: dict[str, Any], pinged: bool) -> None:
    monitor = api.me.monitor(schedule="0 2 * * *")
    path = f"/api/monitors/{monitor['id']}"
    with api.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = 'Mars/Olympus' WHERE id = ?", (monitor["id"],))
    if pinged:
        api.pings(monitor, Ping(START + SECOND, monitor["id"]))
    changed = api.me.patch(path, change)
    assert {name: changed[name] for name in change} == change
    assert changed["timezone"] == "Mars/Olympus"


def test_slots_are_not_asked_of_a_time_zone_that_is_gone(api: Api) -> None:
    monitor = api.me.monitor(schedule="0 2 * * *")
    path = f"/api/monitors/{monitor['id']}"
    with api.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = 'Mars/Olympus' WHERE id = ?", (monitor["id"],))
    for change in ({"schedule": "0 3 * * *"}, {"timezone": "Mars/Olympus"}):
        assert api.me.patch(path, change, 422)["fields"].keys() == {"timezone"}
    assert api.me.patch(path, {"schedule": "0 3 * * *", "timezone": "UTC"})["schedule"] == "0 3 * * *"


def test_a_pinged_monitor_says_how_it_is(api: Api) -> None:
    monitor = api.me.monitor()
    path = f"/api/monitors/{monitor['id']}"
    api.pings(monitor, Ping(START + 250_000_000, monitor["id"]))
    up = api.me.get(path)
    assert (up["status"], up["lastPingAt"], up["nextExpectedAt"]) == ("up", "2023-11-14T22:13:20.250Z", "2023-11-14T22:14:20.250Z")
    api.now += 61 * SECOND
    assert api.me.get(path)["status"] == "late"
    paused = api.me.post(f"{path}/pause", status=200)
    assert (paused["status"], paused["nextExpectedAt"]) == ("paused", None)
    assert api.me.get(path) == paused
    api.now += SECOND
    resumed = api.me.post(f"{path}/resume", status=200)
    assert (resumed["status"], resumed["nextExpectedAt"]) == ("up", iso(START + 122 * SECOND))
    assert resumed["updatedAt"] == iso(api.now)


def test_a_rotated_token_gives_another_ping_url(api: Api) -> None:
    monitor = api.me.monitor()
    rotated = api.me.post(f"/api/monitors/{monitor['id']}/rotate-token", status=200)
    assert rotated["pingUrl"] != monitor["pingUrl"]
    assert rotated == monitor | {"pingUrl": rotated["pingUrl"]}
    assert api.me.get(f"/api/monitors/{monitor['id']}") == rotated


def test_a_deleted_monitor_is_gone(api: Api) -> None:
    monitor, kept = api.me.monitor(), api.me.monitor(name="kept")
    api.me.delete(f"/api/monitors/{monitor['id']}")
    api.me.delete(f"/api/monitors/{monitor['id']}", 404)
    assert "there is no monitor" in api.me.get(f"/api/monitors/{monitor['id']}", 404)["error"]
    assert api.me.get("/api/monitors") == [kept]


def test_monitors_are_found_by_tag_status_and_words(api: Api) -> None:
    first = api.me.monitor(name="Backup of db_1", tags=["db", "nightly"])
    api.me.monitor(name="Cleanup", slug="old-files", tags=["nightly"])
    api.me.monitor(name="dbx1")
    api.pings(first, Ping(START, first["id"]))
    assert names(api.me.get("/api/monitors?tag=nightly")) == ["Backup of db_1", "Cleanup"]
    assert names(api.me.get("/api/monitors?tag=night")) == []
    assert names(api.me.get("/api/monitors?status=up")) == ["Backup of db_1"]
    assert names(api.me.get("/api/monitors?status=new")) == ["Cleanup", "dbx1"]
    assert names(api.me.get("/api/monitors?q=DB_")) == ["Backup of db_1"], "an underscore is an underscore"
    assert names(api.me.get("/api/monitors?q=old-")) == ["Cleanup"]
    reply = api.me.ask("GET", "/api/monitors?tag=nightly&status=new&limit=1")
    assert (names(reply.json), reply.headers["X-Total-Count"]) == (["Cleanup"], "1")
    api.now += 61 * SECOND
    assert names(api.me.get("/api/monitors?status=late")) == ["Backup of db_1"]
    assert names(api.me.get("/api/monitors?status=up")) == []


@pytest.mark.parametrize(("query", "field"), [("status=fine", "status"), ("q=" + "x" * 201, "q"), ("tag=" + "x" * 101, "tag")])
def test_a_filter_that_cannot_be_is_refused(api: Api, query: str, field: str) -> None:
    assert api.me.get(f"/api/monitors?{query}", 422)["fields"].keys() == {field}


def test_a_run_shows_until_it_ends(api: Api) -> None:
    job = api.me.monitor()
    api.pings(job, Ping(START + SECOND, job["id"], "start"))
    api.now = START + 2 * SECOND
    shown = api.me.get(f"/api/monitors/{job['id']}")
    assert (shown["running"], shown["runningSince"], shown["status"]) == (True, iso(START + SECOND), "new")
    api.pings(job, Ping(START + 3 * SECOND, job["id"]))
    shown = api.me.get(f"/api/monitors/{job['id']}")
    assert (shown["running"], shown["runningSince"], shown["status"]) == (False, None, "up")
    assert api.me.get(f"/api/monitors/{job['id']}/metric-keys")[0]["lastValue"] == 2
