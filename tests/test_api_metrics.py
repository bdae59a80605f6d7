from __future__ import annotations

from typing import Any

import pytest
from api_client import Api, fresh
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from world import START

from api.metrics import HOUR, bucket_width, window
from store.instant import iso
from store.model import SECOND, Ns, Ping


@pytest.fixture
def api() -> Api:
    return fresh()


def measured(api: Api, *samples: tuple[float, dict[str, float], dict[str, str]]) -> str:
    """The path of a monitor that sent these numbers and texts, each so many seconds from the start."""
    monitor = api.me.monitor()
    api.pings(monitor, *(Ping(START + round(at * SECOND), monitor["id"], "success", numbers, texts) for at, numbers, texts in samples))
    return f"/api/monitors/{monitor['id']}"


def test_keys_are_discovered_with_their_newest_values(api: Api) -> None:
    path = measured(api, (0, {"rows": 500.0, "load": 0.25}, {"status": "started"}), (60, {"rows": 501.0}, {"status": "complete"}))
    assert api.me.get(f"{path}/metric-keys") == [
        {"key": "load", "type": "number", "lastValue": 0.25, "lastAt": iso(START)},
        {"key": "rows", "type": "number", "lastValue": 501, "lastAt": iso(START + 60 * SECOND)},
        {"key": "status", "type": "string", "lastValue": "complete", "lastAt": iso(START + 60 * SECOND)},
    ]
    reply = api.me.ask("GET", f"{path}/metric-keys?limit=1&offset=1")
    assert ([each["key"] for each in reply.json], reply.headers["X-Total-Count"]) == (["rows"], "3")


def test_a_monitor_without_payloads_has_no_keys(api: Api) -> None:
    path = f"/api/monitors/{api.me.monitor()['id']}"
    assert api.me.get(f"{path}/metric-keys") == [] == api.me.get(f"{path}/metrics")


def test_a_series_has_averages_and_extremes_by_bucket(api: Api) -> None:
    path = measured(api, (-3600, {"v": 10.0}, {}), (-3599, {"v": 20.0}, {}), (-3598, {"v": 25.5}, {}), (-60, {"v": 7.0}, {}))
    (series,) = api.me.get(f"{path}/metrics?key=v&range=6h&points=360")
    assert series == {
        "key": "v",
        "from": iso(START - 6 * HOUR),
        "to": iso(START),
        "bucketSeconds": 60,
        "points": [
            {"t": "2023-11-14T21:13:00.000Z", "avg": 18.5, "min": 10, "max": 25.5, "count": 3},
            {"t": "2023-11-14T22:12:00.000Z", "avg": 7, "min": 7, "max": 7, "count": 1},
        ],
    }


def test_all_numeric_keys_are_shown_unless_told(api: Api) -> None:
    path = measured(api, (-1, {"a": 1.0, "b": 2.0}, {"status": "ok"}))
    assert [each["key"] for each in api.me.get(f"{path}/metrics")] == ["a", "b"]
    assert [each["key"] for each in api.me.get(f"{path}/metrics?key=b&key=a&key=b")] == ["b", "a"]


def test_an_unknown_key_has_an_empty_series(api: Api) -> None:
    path = measured(api, (-1, {"a": 1.0}, {"status": "ok"}))
    assert [(each["key"], each["points"]) for each in api.me.get(f"{path}/metrics?key=nope&key=status&key=")] == [
        ("nope", []),
        ("status", []),
        ("", []),
    ]


def test_the_default_is_a_day_in_360_points(api: Api) -> None:
    path = measured(api, (-23 * 3600, {"a": 1.0}, {}), (-25 * 3600, {"a": 1.0}, {}))
    (series,) = api.me.get(f"{path}/metrics")
    assert (series["from"], series["bucketSeconds"], len(series["points"])) == (iso(START - 24 * HOUR), 240, 1)


def test_a_time_of_ones_own_begins_with_from_and_ends_before_to(api: Api) -> None:
    path = measured(api, (-10, {"a": 1.0}, {}), (-5, {"a": 2.0}, {}), (0, {"a": 3.0}, {}))
    (series,) = api.me.get(f"{path}/metrics?from={iso(START - 10 * SECOND)}&to={iso(START)}")
    assert [(each["t"], each["avg"]) for each in series["points"]] == [(iso(START - 10 * SECOND), 1), (iso(START - 5 * SECOND), 2)]
    assert (series["from"], series["to"], series["bucketSeconds"]) == (iso(START - 10 * SECOND), iso(START), 1)
    (open_end,) = api.me.get(f"{path}/metrics?from={iso(START - 7 * SECOND)}")
    assert (open_end["to"], [each["avg"] for each in open_end["points"]]) == (iso(START), [2])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("range=1h", "range"),
        ("range=", "range"),
        ("range=6h&from=2023-11-14T00:00:00Z", "range"),
        ("to=2023-11-14T00:00:00Z", "from"),
        ("range=6h&to=2023-11-14T00:00:00Z", "from"),
        ("from=now", "from"),
        ("from=2023-11-14T00:00:00Z&to=soon", "to"),
        ("from=2023-11-14T00:00:00Z&to=2023-11-14T00:00:00Z", "from"),
        ("from=2024-11-14T00:00:00Z", "from"),
        ("from=2022-11-13T00:00:00Z&to=2023-11-15T00:00:00Z", "from"),
        ("points=0", "points"),
        ("points=1001", "points"),
        ("points=many", "points"),
        ("&".join(f"key={n}" for n in range(101)), "key"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(api: Api, query: str, field: str) -> None:
    refused = api.me.get(f"/api/monitors/{api.me.monitor()['id']}/metrics?{query}", 422)
    assert refused["fields"].keys() == {field}


def test_the_extremes_of_floats_come_back(api: Api) -> None:
    path = measured(api, (-2, {"v": 1.7e308}, {}), (-1, {"v": -1.7e308}, {}))
    (series,) = api.me.get(f"{path}/metrics?points=1")
    assert {each["min"] for each in series["points"]} | {each["max"] for each in series["points"]} == {1.7e308, -1.7e308}


@given(span=st.integers(1, 366 * 24 * HOUR), points=st.integers(1, 1_000))
def test_buckets_are_the_narrowest_whole_seconds_that_cover_the_span(span: Ns, points: int) -> None:
    width = bucket_width(span, points)
    assert width % SECOND == 0
    assert width * points >= span
    assert width == SECOND or (width - SECOND) * points < span


@pytest.mark.parametrize(("query", "hours"), [({}, 24), ({"range": "6h"}, 6), ({"range": "72h"}, 72), ({"start": START - HOUR}, 1)])
def test_a_window_ends_now_unless_told(query: dict[str, Any], hours: int) -> None:
    assert window(query, START) == (START - hours * HOUR, START)


def test_a_year_and_a_day_may_be_asked_for_at_once() -> None:
    assert window({"start": START - 366 * 24 * HOUR}, START)[1] == START
    with pytest.raises(ValidationError, match="366 days"):
        window({"start": START - 366 * 24 * HOUR - 1}, START)
