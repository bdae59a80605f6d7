"""What a threshold would have said in the past, over the API."""

from __future__ import annotations

from typing import Any

import pytest
from api_client import Api, fresh
from world import START

import rules.rehearsal.preview
from store.instant import iso
from store.model import SECOND, Ns, Ping

DAY = 86_400
ABOVE = {"metricKey": "v", "operator": ">", "threshold": 100}


@pytest.fixture
def api() -> Api:
    return fresh()


def at(seconds: float) -> Ns:
    return START + round(seconds * SECOND)


def minutely(api: Api, monitor: dict[str, Any], *values: float | str) -> None:
    """One ping a minute, and the clock a second after the last."""
    pings = [
        Ping(at(60 * n), monitor["id"], **({"texts": {"v": value}} if isinstance(value, str) else {"numbers": {"v": value}}))
        for n, value in enumerate(values)
    ]
    api.pings(monitor, *pings)
    api.now = at(60 * (len(values) - 1) + 1)


def preview(api: Api, monitor: dict[str, Any], status: int = 200, **body: Any) -> Any:
    return api.me.post(f"/api/monitors/{monitor['id']}/metric-alerts/preview", ABOVE | body, status)


def test_it_says_when_it_would_have_fired_and_keeps_nothing(api: Api) -> None:
    job = api.me.monitor()
    minutely(api, job, 1, 150, 150, 2, 3, 170)
    assert preview(api, job) == {
        "from": iso(api.now - 7 * DAY * SECOND),
        "to": iso(api.now),
        "cut": False,
        "pings": 6,
        "fired": 2,
        "firings": [
            {"from": iso(at(300)), "to": None, "value": 170},
            {"from": iso(at(60)), "to": iso(at(180)), "value": 150},
        ],
        "nowFiring": True,
    }
    assert api.me.get(f"/api/monitors/{job['id']}/metric-alerts") == []


def test_it_counts_samples_in_a_row_and_compares_texts(api: Api) -> None:
    job = api.me.monitor()
    minutely(api, job, "ok", "bad", "bad", "ok", "bad", "ok")
    found = preview(api, job, operator="=", threshold="bad", consecutiveTriggers=2)
    assert [(one["from"], one["to"], one["value"]) for one in found["firings"]] == [(iso(at(120)), iso(at(180)), "bad")]
    assert found["nowFiring"] is False


def test_it_looks_at_the_time_that_is_asked_for(api: Api) -> None:
    job = api.me.monitor()
    minutely(api, job, 150, 1, 150, 1, 150, 1)
    times: dict[str, Any] = {"from": iso(at(90)), "to": iso(at(200))}
    found = preview(api, job, **times)
    assert (found["from"], found["to"], found["pings"], found["fired"]) == (times["from"], times["to"], 2, 1)
    api.now += 2 * DAY * SECOND
    assert preview(api, job, range="24h")["pings"] == 0
    assert preview(api, job, range="30d")["fired"] == 3


def test_what_it_counted_before_counts(api: Api) -> None:
    job = api.me.monitor()
    minutely(api, job, 150, 150, 150, 1, 150)
    times: dict[str, Any] = {"from": iso(at(90)), "to": iso(at(250))}
    found = preview(api, job, **times, consecutiveTriggers=3)
    assert ([one["from"] for one in found["firings"]], found["pings"]) == ([iso(at(120))], 3)


def test_while_it_was_paused_nothing_would_have_fired(api: Api) -> None:
    job = api.me.monitor()
    minutely(api, job, 1)
    api.now = at(30)
    api.me.post(f"/api/monitors/{job['id']}/pause", status=200)
    api.pings(job, Ping(at(60), job["id"], numbers={"v": 150}))
    api.now = at(90)
    api.me.post(f"/api/monitors/{job['id']}/resume", status=200)
    api.pings(job, Ping(at(120), job["id"], numbers={"v": 160}))
    api.now = at(130)
    assert [one["value"] for one in preview(api, job)["firings"]] == [160]


def test_the_newest_firings_are_listed_and_all_are_counted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.rehearsal.preview, "LISTED", 3)
    job = api.me.monitor()
    minutely(api, job, *[150, 1] * 10)
    found = preview(api, job)
    assert (found["fired"], [one["from"] for one in found["firings"]]) == (10, [iso(at(60 * minute)) for minute in (18, 16, 14)])


def test_of_a_great_many_pings_the_newest_are_looked_at_and_it_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.rehearsal.preview, "LIMIT", 4)
    job = api.me.monitor()
    minutely(api, job, *[150, 1] * 5)
    found = preview(api, job)
    assert (found["cut"], found["from"], found["pings"], found["fired"]) == (True, iso(at(360)), 4, 2)


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({"operator": "=>"}, "operator", "Must be one of: >, <, >=, <=, =, !=."),
        ({"threshold": "bad"}, "threshold", "'bad' is a text, which > cannot compare; give a number, or use = or !="),
        ({"channelId": "ch_nobody"}, "channelId", "there is no notification channel 'ch_nobody'; create it first"),
        ({"range": "1y"}, "range", "Must be one of: 24h, 7d, 30d."),
        ({"range": "7d", "from": "2023-11-14"}, "range", "give either a range, or `from` and `to`"),
        ({"to": "2023-11-14"}, "from", "`to` needs `from`, or leave out both and give a range"),
        ({"from": "2023-11-15", "to": "2023-11-15"}, "from", "`from` must lie before `to`"),
        ({"from": "2021-11-15"}, "from", "at most 366 days can be asked for at once"),
        ({"until": "2021-11-15"}, "until", "Unknown field."),
    ],
)
def test_what_makes_no_alert_has_no_preview(api: Api, body: dict[str, Any], field: str, sentence: str) -> None:
    job = api.me.monitor()
    assert preview(api, job, 422, **body)["fields"] == {field: [sentence]}


@pytest.mark.parametrize("value", [5, 1.5, True, [], {}])
def test_a_time_that_is_no_text_is_refused(api: Api, value: Any) -> None:
    job = api.me.monitor()
    sentence = f"{value!r} is no time; write it as text, such as 2026-11-23T03:04:05Z"
    assert preview(api, job, 422, **{"from": value})["fields"] == {"from": [sentence]}


def test_others_have_no_preview(api: Api) -> None:
    job = api.project("other").monitor()
    assert preview(api, job, 404)["error"].startswith("there is no monitor")
    assert api.stranger.post(f"/api/monitors/{job['id']}/metric-alerts/preview", ABOVE, 401)["error"]
