from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from api_client import Api, fresh
from histories import NOON, regular
from world import START

from api.doctor import DiagnosisShape
from rules.doctor import diagnose
from store.control import gaps
from store.instant import iso
from store.model import SECOND, Gap, Kind, Ns, Ping, Schedule
from store.points import Away


@pytest.fixture
def api() -> Api:
    return fresh()


def pinged(api: Api, every: int, count: int, without: Iterable[int] = (), **fields: Any) -> str:
    """The path of a new monitor that was pinged every so many seconds, and last now."""
    monitor = api.me.monitor(**fields)
    pings = [Ping(START + n * every * SECOND, monitor["id"]) for n in range(count) if n not in without]
    api.now = START + (count - 1) * every * SECOND + 1
    api.pings(monitor, *pings)
    return f"/api/monitors/{monitor['id']}"


def test_the_doctor_says_what_the_settings_would_have_done(api: Api) -> None:
    path = pinged(api, 300, 200, interval=60, gracePeriod=30)
    answer = api.me.get(f"{path}/doctor")
    assert (answer["from"], answer["to"], answer["pings"], answer["bounded"]) == (iso(START), iso(api.now), 200, False)
    assert answer["betweenPings"] == {"count": 199, "leftOut": 0, "p50": 300, "p95": 300, "p99": 300, "longest": 300}
    assert answer["rhythm"] == {
        "text": "every 5 min",
        "every": 300,
        "jitter": 0,
        "drift": 0,
        "times": [],
        "weekdays": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "timezone": "UTC",
    }
    settings = {"interval": 60, "gracePeriod": 30, "schedule": None, "timezone": "UTC"}
    assert answer["present"] == {**settings, "alarms": 199, "missing": 0}
    assert answer["suggestion"] == {**settings, "interval": 300, "gracePeriod": 15, "alarms": 0, "missing": 0}
    assert answer["change"] == {"interval": 300, "gracePeriod": 15}
    assert [(trial["gracePeriod"], trial["alarms"]) for trial in answer["graces"]] == [(30, 199), (300, 0)]
    (finding,) = answer["findings"]
    assert finding["sentence"] == (
        "Pings come every 5 min, but one is expected every 1 min: an interval of 1 min and a grace of 30 s would have alarmed 199 times "
        "in the last 16 h 35 min; an interval of 5 min and a grace of 15 s would not have alarmed."
    )
    assert (finding["level"], finding["code"], finding["change"]) == ("warning", "expects_too_often", answer["change"])


def test_what_the_doctor_says_to_change_can_be_sent_as_it_is(api: Api) -> None:
    path = pinged(api, 300, 200, interval=60, gracePeriod=30)
    changed = api.me.patch(path, api.me.get(f"{path}/doctor")["change"])
    assert (changed["interval"], changed["gracePeriod"]) == (300, 15)
    answer = api.me.get(f"{path}/doctor")
    assert ([one["code"] for one in answer["findings"]], answer["suggestion"], answer["change"]) == (["fits"], None, None)


def test_a_schedule_of_slots_is_examined_by_its_slots(api: Api) -> None:
    path = pinged(api, 86_400, 20, schedule="13 23 * * *", gracePeriod=600)  # the world began at 22:13:20 UTC
    answer = api.me.get(f"{path}/doctor")
    assert answer["rhythm"]["text"] == "every day about 22:13 (UTC)"
    assert answer["rhythm"]["times"] == ["22:13"]
    assert [(one["level"], one["code"], one["change"]) for one in answer["findings"]] == [
        ("warning", "wrong_time_zone", {"timezone": "Europe/Berlin", "gracePeriod": 1_800})
    ]
    assert answer["present"]["alarms"] == 19


def test_only_successes_of_the_monitor_itself_are_looked_at(api: Api) -> None:
    pinged(api, 7, 30)
    api.now = START
    path = pinged(api, 300, 20)
    monitor = {"id": path.rsplit("/", 1)[1]}
    others: list[Kind] = ["start", "log", "fail"]
    api.pings(monitor, *(Ping(api.now - 10 + n, monitor["id"], kind=kind) for n, kind in enumerate(others)))
    assert api.me.get(f"{path}/doctor")["pings"] == 20


def test_what_is_older_than_thirty_days_is_left_alone(api: Api) -> None:
    path = pinged(api, 86_400, 60, interval=86_400)
    answer = api.me.get(f"{path}/doctor")
    assert (answer["pings"], answer["from"]) == (30, iso(api.now - 1 - 29 * 86_400 * SECOND))


def test_times_in_which_nobody_listened_are_left_out(api: Api) -> None:
    path = pinged(api, 300, 50, without=range(20, 26), interval=300, gracePeriod=30)
    assert api.me.get(f"{path}/doctor")["present"]["alarms"] == 1
    start, end = START + (19 * 300 + 10) * SECOND, START + (26 * 300 - 10) * SECOND
    with api.control.begin() as connection:
        gaps.add(connection, Gap(end, start, end, "restart"))
    answer = api.me.get(f"{path}/doctor")
    assert (answer["present"]["alarms"], answer["betweenPings"]["leftOut"]) == (0, 1)
    with api.control.begin() as connection:
        gaps.forget(connection, end + 1)


def test_a_monitor_that_was_paused_was_not_late(api: Api) -> None:
    path = pinged(api, 300, 20, interval=300, gracePeriod=30)
    monitor = {"id": path.rsplit("/", 1)[1]}
    api.now += 10 * SECOND
    api.me.post(f"{path}/pause", status=200)
    api.now += 86_400 * SECOND
    assert api.me.get(f"{path}/doctor")["present"]["alarms"] == 0
    api.me.post(f"{path}/resume", status=200)
    api.now += 60 * SECOND
    api.pings(monitor, Ping(api.now - 1, monitor["id"]))
    answer = api.me.get(f"{path}/doctor")
    assert (answer["present"]["alarms"], answer["betweenPings"]["leftOut"], answer["betweenPings"]["longest"]) == (0, 1, 300)


def test_a_monitor_that_was_hardly_pinged_is_told_so(api: Api) -> None:
    path = f"/api/monitors/{api.me.monitor()['id']}"
    answer = api.me.get(f"{path}/doctor")
    assert (answer["pings"], answer["betweenPings"], answer["rhythm"], answer["suggestion"], answer["graces"]) == (0, None, None, None, [])
    assert [(one["code"], one["change"]) for one in answer["findings"]] == [("too_few", None)]


def test_those_with_a_read_only_key_may_ask(api: Api) -> None:
    path = pinged(api, 300, 20)
    assert api.reader().get(f"{path}/doctor")["pings"] == 20


def test_monitors_of_others_are_unknown(api: Api) -> None:
    path = pinged(api, 300, 20)
    assert "there is no monitor" in api.project("theirs").get(f"{path}/doctor", 404)["error"]
    assert "there is no monitor" in api.me.get("/api/monitors/mon_0/doctor", 404)["error"]
    assert api.stranger.ask("GET", f"{path}/doctor").status_code == 401


def test_without_the_time_series_store_it_is_503_for_now(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pinged(api, 300, 20)

    def away(*_: object) -> list[Ns]:
        raise Away("InfluxDB does not answer", "connection refused")

    monkeypatch.setattr(api.points, "arrivals", away)
    reply = api.me.ask("GET", f"{path}/doctor")
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert "InfluxDB does not answer" in reply.json["error"]


def test_the_answer_in_the_documentation_is_a_real_one() -> None:
    page = (Path(__file__).parent.parent / "docs/doctor.md").read_text()
    shown = json.loads("".join(line for line in page.splitlines() if line.startswith("    ") and "curl" not in line))
    late = regular(60, 7, 1, late=0.02, by=40)
    assert shown == json.loads(json.dumps(DiagnosisShape().dump(diagnose(Schedule(60, 30), late, [], NOON))))
