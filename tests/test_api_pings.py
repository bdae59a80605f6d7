from __future__ import annotations

import pytest
from api_client import Api, fresh
from world import START

from store.instant import iso
from store.model import SECOND, Ping

RID = "6f1c1c8e-0000-4000-8000-000000000000"


@pytest.fixture
def api() -> Api:
    return fresh()


def test_a_ping_shows_all_that_is_known_of_it(api: Api) -> None:
    monitor = api.me.monitor()
    numbers, texts = {"n": 900.0, "half": 0.5, "huge": 2.0**60}, {"status": "complete"}
    whole = Ping(
        START + 5_678_000, monitor["id"], "fail", numbers, texts, "out of disk", "a key twice", 1.25, 3, RID, "192.0.2.1", "curl/8"
    )  # fmt: skip
    api.pings(monitor, whole)
    reply = api.me.ask("GET", f"/api/monitors/{monitor['id']}/pings")
    assert reply.json == [
        {
            "at": "2023-11-14T22:13:20.005Z", "kind": "fail", "metrics": {"n": 900, "half": 0.5, "huge": 2.0**60, "status": "complete"},
            "log": "out of disk", "duration": 1.25, "exitStatus": 3, "rid": RID,
            "remoteAddr": "192.0.2.1", "userAgent": "curl/8", "problem": "a key twice",
        }
    ]  # fmt: skip
    metrics = reply.json[0]["metrics"]
    assert [type(metrics[key]) for key in ("n", "half", "huge")] == [int, float, float], "900 as it was sent; no digits that a float lacks"


@pytest.mark.parametrize("key", ["cpu.load", ".x", "a..b", "a.", "a[0]", "__class__", "größe %", "'\"\\"])
def test_any_key_is_shown_as_it_came(api: Api, key: str) -> None:
    monitor = api.me.monitor()
    api.pings(monitor, Ping(START, monitor["id"], numbers={key: 1.5}), Ping(START + 1, monitor["id"], texts={key: "text"}))
    assert [ping["metrics"] for ping in api.me.get(f"/api/monitors/{monitor['id']}/pings")] == [{key: "text"}, {key: 1.5}]


def test_a_plain_ping_has_every_field(api: Api) -> None:
    monitor = api.me.monitor()
    api.pings(monitor, Ping(START, monitor["id"]))
    rest = dict.fromkeys(("log", "duration", "exitStatus", "rid", "remoteAddr", "userAgent", "problem"))
    assert api.me.get(f"/api/monitors/{monitor['id']}/pings") == [{"at": iso(START), "kind": "success", "metrics": {}} | rest]


def test_the_newest_pings_come_first_in_pages(api: Api) -> None:
    monitor, path = (made := api.me.monitor()), f"/api/monitors/{made['id']}/pings"
    api.pings(monitor, *(Ping(START + n * SECOND, monitor["id"], numbers={"n": float(n)}) for n in range(5)))
    reply = api.me.ask("GET", f"{path}?limit=2&offset=1")
    assert [each["metrics"]["n"] for each in reply.json] == [3, 2]
    assert reply.headers["X-Total-Count"] == "5"
    older = api.me.ask("GET", f"{path}?before={iso(START + 2 * SECOND)}")
    assert [each["metrics"]["n"] for each in older.json] == [1, 0]
    assert older.headers["X-Total-Count"] == "2"


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_paging_by_the_time_of_the_last_ping_meets_each_ping_once(api: Api, limit: int) -> None:
    monitor, path = (made := api.me.monitor()), f"/api/monitors/{made['id']}/pings"
    gaps = [1_000, 1_001, 250_000, 999_000, 5_000_000]  # most milliseconds have several, some have one
    stamps = [START + n // 5 * 6_251_001 + sum(gaps[: n % 5]) for n in range(200)]
    api.pings(monitor, *(Ping(at, monitor["id"], numbers={"n": float(n)}) for n, at in enumerate(stamps)))
    pages = [api.me.get(f"{path}?limit={limit}")]
    while pages[-1]:
        pages.append(api.me.get(f"{path}?limit={limit}&before={pages[-1][-1]['at']}"))
    assert [ping["metrics"]["n"] for page in pages for ping in page] == list(range(199, -1, -1))
    assert {len(page) for page in pages[: 200 // limit]} == {limit}


def test_times_have_more_digits_only_where_an_older_ping_came_in_the_same_millisecond(api: Api) -> None:
    monitor, path = (made := api.me.monitor()), f"/api/monitors/{made['id']}/pings"
    stamps = [START + 5_000, START + 6_001, START + 999_999, START + 1_000_000, START + 2_500_000]
    api.points.write([Ping(at, monitor["id"]) for at in stamps])
    shown = ["20.002Z", "20.001Z", "20.000999999Z", "20.000006001Z", "20.000Z"]
    assert [ping["at"] for ping in api.me.get(path)] == [f"2023-11-14T22:13:{second}" for second in shown]
    assert [ping["at"] for n in range(5) for ping in api.me.get(f"{path}?limit=1&offset={n}")] == [f"2023-11-14T22:13:{s}" for s in shown]


@pytest.mark.parametrize(
    "before", ["yesterday", "", "1700000000", "1969-12-31T23:59:59Z", "2263-01-01T00:00:00Z", "0001-01-01T00:00:00%2B14:00"]
)
def test_a_time_that_is_none_is_refused(api: Api, before: str) -> None:
    refused = api.me.get(f"/api/monitors/{api.me.monitor()['id']}/pings?before={before}", 422)
    assert refused["fields"].keys() == {"before"}
