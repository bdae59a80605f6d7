"""Rules of files on what pings carry: thresholds, keys that are absent, values that do not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from world import World

from rules.channels import alertmanager
from store.control.tables import outbox
from store.model import Monitor
from store.rule import Match, Resolve, Rule

HOUR = 3_600
WORKERS = Match(tags=("worker",))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


def deep(**fields: Any) -> Rule:
    values: dict[str, Any] = {"match": WORKERS, "metric": "queue", "operator": ">", "value": 100.0}
    return Rule("rule_deep", "threshold", "QueueTooDeep", **values | fields)


def worker(world: World, **fields: Any) -> Monitor:
    return world.monitor(interval=24 * HOUR, tags=("worker",), **fields)


def sent(world: World, job: Monitor, at: float, **numbers: float) -> None:
    world.ping(job, at, numbers=numbers)
    world.run(at + 0.5)


def test_a_rule_watches_those_it_selects_and_says_what_its_annotations_say(world: World) -> None:
    job, other = worker(world, name="w1"), world.monitor(interval=HOUR, name="other")
    summary = "{{ $labels.monitor }} has {{ $value }} in {{ $labels.metric }}"
    world.follow(deep(labels={"severity": "warning"}, annotations={"summary": summary}))
    sent(world, job, 0, queue=150.0)
    sent(world, other, 1, queue=150.0)
    ((event, details),) = world.said()
    assert event == "metric_alert"
    assert details["annotations"] == {"summary": "w1 has 150 in queue"}
    assert (details["alert"], details["labels"], details["alertId"], details["value"]) == (
        "QueueTooDeep",
        {"severity": "warning"},
        "rule_deep",
        150,
    )


def test_hysteresis_holds_an_alert_until_it_is_really_well(world: World) -> None:
    job = worker(world)
    rule = deep(consecutive=3, resolve=Resolve("<=", 80.0, 2), keep_firing=300)
    world.follow(rule)
    states = []
    for minute, value in enumerate([10, 150, 150, 150, 90, 70, 70, 70, 70, 70, 70]):
        sent(world, job, minute * 60, queue=float(value))
        states.append(world.stands(rule, job).state)
    assert states == ["ok", "pending", "pending", "firing", "firing", *["recovering"] * 5, "ok"]
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_what_lasts_long_enough_fires_by_time_alone_and_not_before(world: World) -> None:
    job = worker(world)
    world.follow(deep(hold=600))
    sent(world, job, 0, queue=150.0)
    world.run(600)
    assert world.events() == []
    world.run(600.1)
    assert world.events() == ["metric_alert"]


def test_rules_have_their_turn_while_somebody_is_overdue_in_every_round(world: World) -> None:
    job = worker(world)
    world.follow(deep(hold=60))
    others = [world.monitor(interval=30 + n, grace=0) for n in range(60)]
    for other in others:
        world.ping(other, 0)
    sent(world, job, 1, queue=150.0)
    for second in range(31, 70):
        world.marks[0].set(world.at(second))
        world.settle.step(world.at(second))
        world.overdue.step(world.at(second))
    assert world.stands(deep(), job).state == "firing"


def test_a_ping_that_comes_late_to_be_settled_is_judged_by_when_it_came(world: World) -> None:
    job = worker(world)
    world.follow(deep(hold=600))
    world.ping(job, 0, numbers={"queue": 150.0})
    world.ping(job, 599, numbers={"queue": 1.0})
    world.run(5_000)  # the engine was away for as long
    assert world.events() == []
    world.ping(job, 5_001, numbers={"queue": 150.0})
    world.ping(job, 5_700, numbers={"queue": 1.0})
    world.run(9_000)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_a_key_that_is_absent_from_the_pings(world: World) -> None:
    job = worker(world)
    rule = Rule("rule_a", "absent", "MetricMissing", match=WORKERS, metric="rows", hold=HOUR)
    world.follow(rule)
    sent(world, job, 0, rows=1.0)
    for at in (600, 1_200):
        sent(world, job, at, other=1.0)
    assert world.stands(rule, job).state == "pending"
    sent(world, job, 1_800, rows=1.0)
    assert world.stands(rule, job).state == "ok"
    sent(world, job, 2_400)
    world.ping(job, 3_000, kind="log")
    world.ping(job, 3_100, kind="start")
    world.run(2_400 + HOUR)
    assert world.events() == []
    world.run(2_400 + HOUR + 0.1)
    assert world.events() == ["metric_alert"]
    sent(world, job, 6_100, rows=5.0)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_what_must_last_waits_for_the_next_sample_where_a_gap_may_have_swallowed_one(world: World) -> None:
    job = world.monitor(interval=60, grace=30, tags=("worker",))
    rule = deep(hold=300, keep_firing=300)
    world.follow(rule)
    for at in (0, 60, 120):
        sent(world, job, at, queue=150.0)
    assert world.stands(rule, job).due_at == world.at(300)
    world.gap(130, 290)
    world.run(310)
    assert world.events() == [], "it may have been well meanwhile"
    sent(world, job, 320, queue=150.0)
    assert world.events() == ["metric_alert"], "it was not, as far as anybody knows"
    sent(world, job, 380, queue=1.0)
    world.gap(400, 670)
    world.run(690)
    assert world.stands(rule, job).state == "recovering"
    sent(world, job, 700, queue=2.0)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_a_gap_in_which_no_ping_was_expected_leaves_what_lasts_alone(world: World) -> None:
    job = worker(world)
    rule = deep(hold=300)
    world.follow(rule)
    sent(world, job, 0, queue=150.0)
    world.ping(job, 50, kind="start")  # of a run that may end in the gap
    world.gap(100, 200)
    world.run(301)
    assert world.events() == ["metric_alert"]


def test_what_was_to_be_decided_before_a_gap_is_decided_as_of_then(world: World) -> None:
    job = world.monitor(interval=60, grace=600, tags=("worker",))
    rule = deep(hold=120)
    world.follow(rule)
    sent(world, job, 0, queue=150.0)
    world.gap(130, 500)
    world.run(501)
    assert world.stands(rule, job).active_at == world.at(0)
    assert world.events() == ["metric_alert"]


def test_a_value_that_is_stuck(world: World) -> None:
    job = worker(world)
    rule = Rule("rule_u", "unchanged", "Stuck", match=WORKERS, metric="offset", hold=HOUR)
    world.follow(rule)
    for minute in range(61):
        sent(world, job, minute * 60, offset=5.0)
        assert world.events() == (["metric_alert"] if minute == 60 else [])
    sent(world, job, 61 * 60, offset=6.0)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_texts_have_rules_too(world: World) -> None:
    job = worker(world)
    world.follow(deep(metric="phase", operator="!=", value="done"))
    for at, phase in enumerate(["done", "failed", "done"]):
        world.ping(job, at, texts={"phase": phase})
    world.ping(job, 5, numbers={"phase": 5.0})  # a number is not judged against a text
    world.run(6)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_a_changed_condition_counts_anew_and_keeps_what_is_open(world: World) -> None:
    job = worker(world)
    world.follow(deep(consecutive=2))
    sent(world, job, 0, queue=150.0)
    world.follow(deep(consecutive=2, value=120.0))
    sent(world, job, 1, queue=150.0)
    assert world.events() == []
    sent(world, job, 2, queue=150.0)
    assert world.events() == ["metric_alert"]
    world.follow(deep(consecutive=2, value=500.0))
    assert world.events() == ["metric_alert"]
    sent(world, job, 3, queue=150.0)
    assert world.events() == ["metric_alert", "metric_alert_resolved"]


def test_another_text_or_label_changes_nothing_that_is_counted(world: World) -> None:
    job = worker(world)
    world.follow(deep(consecutive=2))
    sent(world, job, 0, queue=150.0)
    world.follow(deep(consecutive=2, labels={"severity": "info"}, annotations={"summary": "x"}))
    sent(world, job, 1, queue=150.0)
    assert world.events() == ["metric_alert"]


def test_a_removed_rule_resolves_its_incident_with_that_reason(world: World) -> None:
    job = worker(world)
    world.follow(deep())
    sent(world, job, 0, queue=150.0)
    world.follow(at=10)
    resolved = world.said()[1][1]
    assert (resolved["reason"], resolved["value"]) == ("rule_removed", 150.0)
    with world.control.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM standings").scalar() == 0


def test_a_rule_that_becomes_one_of_another_type_is_another_rule(world: World) -> None:
    job = worker(world)
    world.follow(deep())
    sent(world, job, 0, queue=150.0)
    world.follow(Rule("rule_deep", "status", "Failing", match=WORKERS, consecutive=2), at=10)
    assert [(event, details.get("reason")) for event, details in world.said()] == [
        ("metric_alert", None),
        ("metric_alert_resolved", "rule_removed"),
    ]
    sent(world, job, 20)
    assert len(world.said()) == 2


def test_rules_and_metric_alerts_of_the_api_stand_side_by_side(world: World) -> None:
    job = worker(world)
    alert = world.alert(job, metric_key="queue", threshold=50.0)
    world.follow(deep())
    sent(world, job, 0, queue=70.0)
    assert (world.standing(alert).state, world.stands(deep(), job).state) == ("firing", "ok")
    sent(world, job, 1, queue=700.0)
    assert world.events() == ["metric_alert", "metric_alert"]
    world.follow(at=2)
    assert world.standing(alert).state == "firing"


def test_a_rule_of_one_project_watches_no_other(world: World) -> None:
    job = worker(world)
    world.follow(deep(project="default"), replace(deep(project="another"), uid="rule_2"))
    sent(world, job, 0, queue=150.0)
    assert [details["alertId"] for _, details in world.said()] == ["rule_deep"]


def test_an_alert_and_its_end_are_the_same_to_alertmanager(world: World) -> None:
    job = world.monitor()
    plain = Rule("rule_h", "heartbeat", "JobSilent", match=Match(all=True), labels={"severity": "critical"})
    world.follow(plain)
    sent(world, job, 0)
    world.run(91)
    world.follow(replace(plain, name="Renamed", labels={}))
    sent(world, job, 100)
    with world.control.read() as connection:
        payloads = list(connection.execute(select(outbox.c.payload).order_by(outbox.c.number)).scalars())
    begun, over = (alertmanager.body(payload)["alerts"][0] for payload in payloads)
    assert begun["labels"] == over["labels"]
    assert begun["fingerprint"] == over["fingerprint"]
    assert (begun["labels"]["alertname"], begun["labels"]["severity"]) == ("JobSilent", "critical")
    assert (begun["status"], over["status"]) == ("firing", "resolved")
