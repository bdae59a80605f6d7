from __future__ import annotations

from typing import Any

import pytest
from api_client import Api, fresh
from msgspec.structs import replace
from sqlalchemy import select
from world import START

from rules.accept import accept
from store.control.tables import outbox
from store.instant import iso
from store.model import SECOND, Ping
from store.rule import Match, Rule, Window


@pytest.fixture
def api() -> Api:
    return fresh()


@pytest.fixture
def monitor(api: Api) -> dict[str, Any]:
    return api.me.monitor()


@pytest.fixture
def path(monitor: dict[str, Any]) -> str:
    return f"/api/monitors/{monitor['id']}/metric-alerts"


def said(api: Api) -> list[str]:
    with api.control.read() as connection:
        return list(connection.execute(select(outbox.c.event).order_by(outbox.c.number)).scalars())[-2:]


def test_an_alert_has_the_defaults_of_the_contract(api: Api, path: str) -> None:
    made = api.me.post(path, {"metricKey": "rows", "operator": "<", "threshold": 10})
    assert made["id"].startswith("alr_")
    assert made == {
        "id": made["id"], "metricKey": "rows", "operator": "<", "threshold": 10, "channelId": None, "consecutiveTriggers": 1, "state": "ok",
        "breaches": 0, "createdAt": iso(START), "updatedAt": iso(START), "source": "api", "health": "ok", "rule": None,
    }  # fmt: skip
    assert api.me.get(f"{path}/{made['id']}") == made
    assert api.me.get(path) == [made]


@pytest.mark.parametrize("operator", [">", "<", ">=", "<=", "=", "!="])
def test_every_operator_is_taken(api: Api, path: str, operator: str) -> None:
    assert api.me.post(path, {"metricKey": "v", "operator": operator, "threshold": 0.5})["operator"] == operator


def test_a_threshold_may_be_a_text(api: Api, path: str) -> None:
    assert api.me.post(path, {"metricKey": "status", "operator": "!=", "threshold": "complete"})["threshold"] == "complete"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metricKey": ""}, "metricKey"),
        ({"metricKey": "x" * 65}, "metricKey"),
        ({"metricKey": 1}, "metricKey"),
        ({"metricKey": None}, "metricKey"),
        ({"operator": "~"}, "operator"),
        ({"operator": None}, "operator"),
        ({"operator": []}, "operator"),
        ({"threshold": "high"}, "threshold"),
        ({"threshold": None}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"threshold": [1]}, "threshold"),
        ({"threshold": ""}, "threshold"),
        ({"threshold": "x" * 1_025, "operator": "="}, "threshold"),
        ({"threshold": 10**400}, "threshold"),
        ({"consecutiveTriggers": 0}, "consecutiveTriggers"),
        ({"consecutiveTriggers": 1_001}, "consecutiveTriggers"),
        ({"consecutiveTriggers": "three"}, "consecutiveTriggers"),
        ({"consecutiveTriggers": 1.5}, "consecutiveTriggers"),
        ({"consecutiveTriggers": True}, "consecutiveTriggers"),
        ({"channelId": "ch_nobody"}, "channelId"),
        ({"channelId": ""}, "channelId"),
        ({"channelId": 5}, "channelId"),
        ({"state": "firing"}, "state"),
        ({"nope": 1}, "nope"),
    ],
)
def test_a_bad_field_is_refused_with_a_sentence_when_made_and_when_changed(api: Api, path: str, body: dict[str, Any], field: str) -> None:
    sound = {"metricKey": "v", "operator": ">", "threshold": 1}
    alert = api.me.post(path, sound)
    for refused in (api.me.post(path, sound | body, 422), api.me.patch(f"{path}/{alert['id']}", body, 422)):
        assert refused["fields"].keys() == {field}
        assert len(refused["fields"][field][0]) > 5
        assert refused["error"].startswith(f"{field}: ")
    assert api.me.get(path) == [alert]


@pytest.mark.parametrize("field", ["metricKey", "operator", "threshold"])
def test_what_makes_an_alert_is_needed(api: Api, path: str, field: str) -> None:
    sound = {"metricKey": "v", "operator": ">", "threshold": 1}
    assert api.me.post(path, {name: value for name, value in sound.items() if name != field}, 422)["fields"].keys() == {field}


def test_a_change_is_judged_with_all_that_stays(api: Api, monitor: dict[str, Any], path: str) -> None:
    alert = api.me.alert(monitor, operator="=", threshold="failed")
    assert api.me.patch(f"{path}/{alert['id']}", {"operator": ">"}, 422)["fields"].keys() == {"threshold"}
    api.now += SECOND
    changed = api.me.patch(f"{path}/{alert['id']}", {"operator": ">", "threshold": 5.5})
    assert changed == alert | {"operator": ">", "threshold": 5.5, "updatedAt": iso(START + SECOND)}


def test_an_alert_says_how_it_stands(api: Api, monitor: dict[str, Any], path: str) -> None:
    alert = api.me.alert(monitor, consecutiveTriggers=2, channelId=api.me.channel()["id"])
    states = []
    for n, value in enumerate((101.0, 102.0, 1.0)):
        api.pings(monitor, Ping(START + n, monitor["id"], numbers={"v": value}))
        states.append([(one["state"], one["breaches"]) for one in api.me.get(path)])
    assert states == [[("pending", 1)], [("firing", 2)], [("ok", 0)]]
    api.me.patch(f"{path}/{alert['id']}", {"channelId": None})
    assert api.me.get(f"{path}/{alert['id']}")["channelId"] is None


def test_a_deleted_alert_is_gone_and_what_it_had_open_is_resolved(api: Api, monitor: dict[str, Any], path: str) -> None:
    alert = api.me.alert(monitor, channelId=api.me.channel()["id"])
    api.pings(monitor, Ping(START, monitor["id"], numbers={"v": 101.0}))
    api.me.delete(f"{path}/{alert['id']}")
    assert said(api) == ["metric_alert", "metric_alert_resolved"]
    assert api.me.get(path) == []
    for method in ("GET", "DELETE"):
        reply = api.me.ask(method, f"{path}/{alert['id']}")
        assert reply.status_code == 404
        assert "no metric alert" in reply.json["error"]


def test_alerts_come_in_pages(api: Api, monitor: dict[str, Any], path: str) -> None:
    made = []
    for _ in range(3):
        api.now += SECOND
        made.append(api.me.alert(monitor))
    reply = api.me.ask("GET", f"{path}?limit=1&offset=1")
    assert (reply.json, reply.headers["X-Total-Count"]) == ([made[1]], "3")


def in_force(api: Api, *rules: Rule) -> None:
    with api.control.begin() as connection:
        accept(connection, rules, "https://lastbeat.test", START)


STUCK = Rule(
    "rule_1",
    "threshold",
    "Slow",
    "workers",
    Match(all=True),
    metric="ms",
    operator=">=",
    value=30_000.0,
    window=Window("p95", 900, 5),
    hold=600,
    labels={"severity": "warning"},
    file="10-x.yml",
    line=7,
)


def test_rules_of_files_stand_behind_the_alerts_and_say_where_they_are(api: Api, path: str) -> None:
    made = api.me.post(path, {"metricKey": "rows", "operator": "<", "threshold": 10})
    in_force(api, STUCK, Rule("rule_2", "heartbeat", "Missed", match=Match(all=True), file="10-x.yml", line=1))
    first, second = api.me.get(path)
    assert first == made
    assert second == {
        "id": "rule_1", "source": "file", "metricKey": "ms", "operator": ">=", "threshold": 30_000, "channelId": None,
        "consecutiveTriggers": 1, "state": "ok", "health": "ok", "breaches": 0, "createdAt": None, "updatedAt": None,
        "rule": {
            "name": "Slow", "group": "workers", "type": "threshold", "window": {"func": "p95", "over": 900, "minPoints": 5},
            "compare": None, "for": 600, "keepFiringFor": 0, "resolve": None, "channels": None, "labels": {"severity": "warning"},
            "annotations": {}, "file": "10-x.yml", "line": 7,
        },
    }  # fmt: skip
    assert api.me.get(f"{path}/rule_1") == second
    assert api.me.get(f"{path}?limit=1&offset=1") == [second]


def test_a_rule_of_a_file_is_changed_in_its_file_alone(api: Api, path: str) -> None:
    in_force(api, STUCK)
    sentence = "'Slow' is a rule of a file, 10-x.yml:7, and is changed there"
    assert api.me.patch(f"{path}/rule_1", {"threshold": 5}, 409)["error"] == sentence
    assert api.me.delete(f"{path}/rule_1", 409)["error"] == sentence


def test_a_rule_that_does_not_watch_the_monitor_is_not_among_its_alerts(api: Api, path: str) -> None:
    in_force(api, replace(STUCK, match=Match(tags=("elsewhere",))))
    assert api.me.get(path) == []
    api.me.get(f"{path}/rule_1", 404)
