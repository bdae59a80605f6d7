from __future__ import annotations

import pytest
from msgspec.structs import replace
from world import START

from rules.lint import Facts, lint
from rules.rule_files import parse
from store.model import Monitor, Schedule

MINUTE = Schedule(60, 30)


def monitor(name: str, schedule: Schedule = MINUTE, project: str = "prj_web", tags: tuple[str, ...] = ()) -> Monitor:
    return Monitor(f"mon_{name}", project, name, None, tags, schedule, f"tok_{name}", START, START)


FACTS = Facts(
    START,
    {"prj_web": "web", "prj_shop": "shop"},
    [
        monitor("api", tags=("fast",)),
        monitor("nightly", Schedule(cron="0 2 * * *", timezone="Europe/Berlin"), tags=("backup",)),
        monitor("hourly", Schedule(3_600), tags=("backup",)),
        monitor("checkout", project="prj_shop"),
    ],
    {"prj_web": {"ch_1", "ops"}, "prj_shop": {"ch_2", "mail"}},
    {"mon_api": {"queue_size"}, "mon_nightly": {"rows", "duration_s"}},
)


def rules(*lines: str, interval: str = "1m") -> str:
    return f"groups:\n  - name: g\n    interval: {interval}\n    rules:\n      - alert: A\n" + "".join(
        f"        {line}\n" for line in lines
    )


def alone(*lines: str, interval: str = "1m") -> list[str]:
    return [doubt.sentence for doubt in lint(parse(rules(*lines, interval=interval)).rules)]


def among(*lines: str, facts: Facts = FACTS) -> list[str]:
    return [doubt.sentence for doubt in lint(parse(rules(*lines)).rules, facts)]


THRESHOLD = ("type: threshold", "op: gt", "value: 1")


def test_a_doubt_says_where_its_rule_stands() -> None:
    text = rules("type: heartbeat", "monitor: m", "grace: 0")
    (doubt,) = lint(parse(text, "f.yml").rules)
    assert (doubt.file, doubt.line, doubt.alert) == ("f.yml", 5, "A")
    assert str(doubt) == "f.yml:5: A: with a grace of 0 a ping that is a second late is missed; give it some time"


@pytest.mark.parametrize(
    ("lines", "sentences"),
    [
        (("type: heartbeat", "monitor: m", "grace: 1s", "for: 1s"), []),
        ((*THRESHOLD, "monitor: m", "metric: v", "for: 1s"), []),
        ((*THRESHOLD, "monitor: m", "metric: v", "window: {func: mean, over: 1m}", "for: 1m"), []),
        (
            (*THRESHOLD, "monitor: m", "metric: v", "window: {func: mean, over: 30s}"),
            ["its window of 30s is looked at every 1m: what comes in between is never seen"],
        ),
        (
            (*THRESHOLD, "monitor: m", "metric: v", "window: {func: mean, over: 1h}", "for: 59s"),
            ["`for: 59s` is less than the 1m between two looks at its window, and waits for the next"],
        ),
    ],
)
def test_some_can_be_seen_from_the_rules_alone(lines: tuple[str, ...], sentences: list[str]) -> None:
    assert alone(*lines) == sentences


def test_a_window_is_measured_by_the_interval_of_its_group() -> None:
    lines = (*THRESHOLD, "monitor: m", "metric: v", "window: {func: mean, over: 1m}")
    assert alone(*lines, interval="1m") == []
    assert alone(*lines, interval="2m") == ["its window of 1m is looked at every 2m: what comes in between is never seen"]


@pytest.mark.parametrize(
    ("lines", "sentences"),
    [
        (("type: heartbeat", "match: {all: true}"), []),
        (("type: heartbeat", "monitor: mon_api", "channels: [ops, ch_1]"), []),
        (("type: heartbeat", "monitor: nihgtly"), ["there is no monitor `nihgtly`, did you mean `nightly`?"]),
        (
            ("type: heartbeat", "match: {monitors: [api, old], except_monitors: [older]}"),
            ["there is no monitor `old`", "there is no monitor `older`"],
        ),
        (
            ("type: heartbeat", "match: {tags: [backups], except_tags: [fats]}"),
            ["no monitor has the tag `backups`, did you mean `backup`?", "no monitor has the tag `fats`, did you mean `fast`?"],
        ),
        (("type: heartbeat", "match: {monitors: [api], except_tags: [fast]}"), ["it watches no monitor"]),
        (("type: heartbeat", "monitor: api", "project: shop"), ["there is no monitor `api`"]),
        (("type: heartbeat", "match: {all: true}", "project: sho"), ["there is no project `sho`, did you mean `shop`?"]),
        (("type: heartbeat", "match: {all: true}", "project: prj_shop", "channels: [ops, mail]"), ["there is no channel `ops`"]),
        (
            ("type: heartbeat", "match: {all: true}", "channels: [ops, mial]"),
            [
                "there is no channel `ops` in the project `shop`, whose monitors it watches",
                "there is no channel `mial`, did you mean `mail`?",
            ],
        ),
        (("type: heartbeat", "monitor: api", "channels: [mail]"), ["there is no channel `mail`"]),
        ((*THRESHOLD, "match: {all: true}", "metric: queue_size"), []),
        ((*THRESHOLD, "monitor: api", "metric: queue_szie"), ["`api` never sent `queue_szie`, did you mean `queue_size`?"]),
        ((*THRESHOLD, "match: {all: true}", "metric: pressure"), ["`api` and 3 others never sent `pressure`"]),
        (("type: absent", "match: {tags: [backup]}", "metric: queue_size"), ["`nightly` and 1 other never sent `queue_size`"]),
    ],
)
def test_what_a_rule_names_is_looked_for_in_the_installation(lines: tuple[str, ...], sentences: list[str]) -> None:
    assert among(*lines) == sentences


@pytest.mark.parametrize(
    ("lines", "sentences"),
    [
        ((*THRESHOLD, "monitor: api", "metric: queue_size", "for: 1m"), []),
        ((*THRESHOLD, "monitor: api", "metric: queue_size", "for: 59s"), ["`for: 59s` is over before the next ping of `api`: one in 1m"]),
        (
            ("type: status", "match: {tags: [backup]}", "for: 5m"),
            ["`for: 5m` is over before the next ping of `nightly` and 1 other: one in 1d"],
        ),
        (("type: status", "match: {tags: [backup]}", "for: 2h"), ["`for: 2h` is over before the next ping of `nightly`: one in 1d"]),
        (("type: heartbeat", "match: {tags: [backup]}", "for: 1s"), []),
        (
            ("type: heartbeat", "match: {all: true}", "interval: 10s", "grace: 5s"),
            ["it waits for a ping in 10s, and fires before the next one of `nightly` and 3 others: one in 1d"],
        ),
        (
            ("type: heartbeat", "match: {tags: [backup]}", "interval: 30m", "grace: 29m"),
            ["it waits for a ping in 30m, and fires before the next one of `nightly` and 1 other: one in 1d"],
        ),
        (("type: heartbeat", "monitor: hourly", "interval: 30m", "grace: 30m"), []),
        (("type: heartbeat", "monitor: hourly", "interval: 20m", "grace: 1s", "consecutive: 3"), []),
        (("type: heartbeat", "monitor: hourly", "interval: 20m", "grace: 1s", "for: 40m"), []),
        (
            ("type: heartbeat", "monitor: nightly", "schedule: '0 * * * *'", "grace: 1h"),
            ["it waits for a ping in 1h, and fires before the next one of `nightly`: one in 1d"],
        ),
        (("type: heartbeat", "monitor: hourly", "schedule: '0 2 * * *'"), []),
        ((*THRESHOLD, "monitor: nightly", "metric: rows", "window: {func: mean, over: 2d}", "for: 1m"), []),
        (
            (*THRESHOLD, "monitor: nightly", "metric: rows", "window: {func: mean, over: 47h}", "for: 1m"),
            ["its window of 1d23h rarely has two pings of `nightly`: one in 1d"],
        ),
    ],
)
def test_rules_that_are_quicker_than_pings_are_named(lines: tuple[str, ...], sentences: list[str]) -> None:
    assert among(*lines) == sentences


def test_a_schedule_that_cannot_be_computed_is_passed_over() -> None:
    lost = replace(FACTS, monitors=[monitor("lost", Schedule(cron="0 2 * * *", timezone="Nowhere/Gone"))])
    assert among("type: status", "monitor: lost", "for: 1m", facts=lost) == []
    assert among("type: heartbeat", "monitor: lost", "schedule: '0 3 * * *'", facts=lost) == []
    assert among("type: heartbeat", "monitor: lost", "interval: 10s", facts=lost) == []


def test_the_rhythm_of_a_cron_schedule_is_its_shortest() -> None:
    often = replace(FACTS, monitors=[monitor("often", Schedule(cron="0 9,10 * * *"))])
    assert among("type: status", "monitor: often", "for: 59m", facts=often) == [
        "`for: 59m` is over before the next ping of `often`: one in 1h"
    ]
    assert among("type: status", "monitor: often", "for: 1h", facts=often) == []


def test_what_is_seen_alone_is_seen_among_monitors_too() -> None:
    assert among("type: heartbeat", "monitor: api", "grace: 0") == alone("type: heartbeat", "monitor: api", "grace: 0") != []
