"""Rules on windows: one question for each shape, for all monitors together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from world import BASE_URL, World

from rules import actions, ledger
from rules.windows import Windows
from store.model import Monitor, Ns, Ping
from store.points import Away
from store.points.embedded import EmbeddedPoints
from store.rule import Compare, Match, Resolve, Rule, Standing, Window

HOUR, DAY = 3_600, 86_400
ALL = Match(all=True)


class Asked(EmbeddedPoints):
    """Counts what it is asked for, and may be away."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.questions: Counter[str] = Counter()
        self.away = False

    def window(self, func: Any, metric: str, start: Ns, end: Ns) -> Mapping[str, tuple[float, int]]:
        self.questions[metric] += 1
        if self.away:
            raise Away("InfluxDB does not answer", "Connection refused")
        return super().window(func, metric, start, end)


class Scene(World):
    """A world whose pings are points at once, and whose windows are evaluated."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.points = Asked(root / "points.db")
        self.shipped: float | None = 0.0
        self.windows = self.evaluation()
        self.channel()

    def evaluation(self) -> Windows:
        return Windows(self.control, self.points, lambda: None if self.shipped is None else self.at(self.shipped), BASE_URL)

    def sends(self, job: Monitor, at: float, **numbers: float) -> None:
        ping = Ping(self.at(at), job.id, numbers=numbers)
        self.put(ping)
        self.points.write([ping])

    def passes(self, until: float) -> None:
        """Everything until then is settled and shipped, and evaluated."""
        self.run(until)
        self.shipped = until
        self.windows.step(self.at(until))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    one = Scene(tmp_path)
    yield one
    one.points.close()
    one.close()


def slow(**fields: Any) -> Rule:
    values: dict[str, Any] = {"match": ALL, "metric": "ms", "operator": ">", "value": 100.0, "window": Window("mean", 300)}
    return Rule("rule_slow", "threshold", "Slow", **values | fields)


def test_a_window_is_judged_on_its_interval_and_not_before(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow())
    scene.passes(0)
    scene.sends(job, 10, ms=150.0)
    scene.passes(39)  # the world began 20 s behind a whole minute
    assert scene.events() == []
    scene.passes(40)
    ((event, details),) = scene.said()
    assert event == "metric_alert"
    assert {name: details[name] for name in ("function", "over", "metricKey", "operator", "threshold", "value")} == {
        "function": "mean",
        "over": 300,
        "metricKey": "ms",
        "operator": ">",
        "threshold": 100,
        "value": 150,
    }
    scene.sends(job, 50, ms=10.0)
    scene.passes(99)
    assert len(scene.said()) == 1
    scene.passes(100)
    assert scene.events() == ["metric_alert", "metric_alert_resolved"]


def test_a_thousand_rules_of_ten_shapes_ask_ten_times(scene: Scene) -> None:
    jobs = [scene.monitor(interval=DAY, name=f"job {n}") for n in range(100)]
    scene.follow(
        *(
            replace(
                slow(metric=f"key{n % 5}", window=Window("mean" if n % 2 else "max", 300), value=float(n)),
                uid=f"rule_{n}",
                match=Match(monitors=(jobs[n % 100].id,)),
            )
            for n in range(1_000)
        )
    )
    for n, job in enumerate(jobs):
        scene.sends(job, 10 + n / 1_000, **{f"key{k}": 500.5 for k in range(5)})
    scene.passes(40)
    assert sum(scene.points.questions.values()) == 10
    assert len(scene.events()) == 501
    scene.passes(100)
    assert sum(scene.points.questions.values()) == 20


def test_consecutive_counts_evaluations_and_for_counts_time(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    three, long = slow(consecutive=3), replace(slow(hold=120), uid="rule_long")
    scene.follow(three, long)
    for minute in range(4):
        scene.sends(job, 10 + 60 * minute, ms=150.0)
        scene.passes(40 + 60 * minute)
        assert scene.stands(three, job).state == ("firing" if minute >= 2 else "pending")
        assert scene.stands(long, job).state == ("firing" if minute >= 2 else "pending")


def test_an_evaluation_that_was_counted_is_not_counted_again_after_a_crash(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(consecutive=2)
    scene.follow(rule)
    scene.sends(job, 10, ms=150.0)
    scene.passes(40)
    scene.windows = scene.evaluation()
    scene.windows.step(scene.at(41))
    assert (scene.stands(rule, job).state, scene.stands(rule, job).breaches) == ("pending", 1)


def test_too_few_points_are_no_data(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow(window=Window("mean", 300, min_points=2)))
    scene.sends(job, 10, ms=150.0)
    scene.passes(40)
    assert scene.events() == []
    scene.sends(job, 50, ms=150.0)
    scene.passes(100)
    assert scene.events() == ["metric_alert"]


def test_a_store_that_does_not_answer_for_a_moment_fails_each_interval_once(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(*(replace(slow(every=every, on_error="fire"), uid=f"rule_{every}") for every in (10, 30, 60)))
    scene.sends(job, 0, ms=1.0)
    for second in (10, 20, 30):
        scene.passes(second)
    scene.points.away = True
    scene.passes(40)  # all three end
    assert scene.events() == []
    for second in (50, 60):
        scene.passes(second)
    assert scene.events() == ["metric_alert", "rules_datasource_failing"], "only the shortest has failed three times"
    assert scene.said()[0][1]["alertId"] == "rule_10"


def test_a_question_that_is_never_answered_is_told_of_once_though_others_are(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.monitor(interval=DAY)
    dear = slow(window=Window("p95", DAY), every=30)
    scene.follow(dear, replace(slow(every=10), uid="rule_often"))
    ask = Asked.window

    def window(self: Asked, func: Any, metric: str, start: Ns, end: Ns) -> Any:
        if func == "p95":
            raise Away("InfluxDB does not answer", "timed out")
        return ask(self, func, metric, start, end)

    monkeypatch.setattr(Asked, "window", window)
    for second in range(0, 600, 10):
        scene.passes(second)
    assert scene.events() == ["rules_datasource_failing"]
    scene.follow(replace(slow(every=10), uid="rule_often"), at=600)
    scene.passes(610)
    assert scene.events() == ["rules_datasource_failing", "rules_datasource_recovered"]


def test_while_the_store_is_behind_each_interval_is_looked_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    load = ledger.load

    def counted(connection: Any, ids: list[str]) -> Any:
        loads.append(len(ids))
        return load(connection, ids)

    monkeypatch.setattr(ledger, "load", counted)
    scene.monitor(interval=DAY)
    scene.follow(slow(on_error="fire"))
    scene.passes(40)
    scene.run(400)
    loads.clear()
    for second in range(400, 405):
        scene.windows.step(scene.at(second))
    assert loads == [1]


def test_an_evaluation_that_cannot_be_kept_is_made_again_and_keeps_no_other_from_its_turn(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = scene.monitor(interval=DAY)
    often = replace(slow(every=20), uid="rule_often")
    scene.follow(slow(), often)
    scene.sends(job, 10, ms=150.0)
    scene.run(40)
    scene.shipped = 40
    save, failures = ledger.save, iter([True, False])

    def failing(*arguments: Any, **more: Any) -> None:
        if next(failures, False):
            raise OSError("database is locked")
        save(*arguments, **more)

    monkeypatch.setattr(ledger, "save", failing)
    with pytest.raises(OSError, match="locked"):
        scene.windows.step(scene.at(40))
    assert [details["alertId"] for _, details in scene.said()] == ["rule_slow"]
    scene.windows.step(scene.at(41))
    assert [details["alertId"] for _, details in scene.said()] == ["rule_slow", "rule_often"]


@pytest.mark.parametrize(("choice", "events"), [("keep", 1), ("resolve", 2), ("fire", 1)])
def test_without_data_a_firing_rule_does_what_it_says(scene: Scene, choice: Any, events: int) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow(on_no_data=choice))
    scene.sends(job, 10, ms=150.0)
    scene.passes(40)
    scene.passes(1_000)
    assert len(scene.events()) == events
    if choice == "resolve":
        assert scene.said()[-1][1]["reason"] == "no_data"


def test_silence_may_fire(scene: Scene) -> None:
    job, other = scene.monitor(interval=DAY), scene.monitor(interval=DAY, tags=("other",))
    scene.follow(slow(on_no_data="fire", match=Match(all=True, except_tags=("other",))))
    scene.passes(400)
    assert scene.stands(slow(), job).state == "firing"
    assert scene.stands(slow(), other).state == "ok"
    ((_, details),) = scene.said()
    assert (details["reason"], details["value"]) == ("no_data", None)


def test_a_paused_monitor_is_not_judged(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow())
    scene.sends(job, 10, ms=150.0)
    scene.run(20)
    with scene.control.begin() as connection:
        actions.pause(connection, job, "", scene.at(20))
    scene.passes(40)
    assert scene.events() == []


@pytest.mark.parametrize(
    ("fields", "fires"),
    [
        ({"window": Window("max", 3_600), "on_no_data": "fire"}, 9_100 + 3_660),
        ({"window": Window("count", 3_600), "operator": "<", "value": 5.0}, 9_005 + 3_660),
    ],
)
def test_who_is_resumed_is_judged_when_the_window_lies_behind_the_pause(scene: Scene, fields: dict[str, Any], fires: int) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(**fields)
    scene.follow(rule)
    for second in range(10, 3_700, 300):
        scene.sends(job, second, ms=1.0)
    scene.passes(3_700)
    with scene.control.begin() as connection:
        actions.pause(connection, job, "", scene.at(3_710))
    scene.passes(9_000)
    with scene.control.begin() as connection:
        actions.resume(connection, job, "", scene.at(9_005))
    scene.passes(9_070)
    scene.sends(job, 9_100, ms=1.0)
    scene.passes(9_120)
    scene.passes(9_005 + 3_600)
    assert scene.events() == []
    scene.passes(fires)
    assert scene.events() == ["metric_alert"]


def test_who_is_well_after_a_pause_leaves_nothing_behind(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(window=Window("count", 60), operator="<", value=1.0)
    scene.follow(rule)
    with scene.control.begin() as connection:
        actions.pause(connection, job, "", scene.at(10))
        actions.resume(connection, job, "", scene.at(20))
    for second in (50, 110):
        scene.sends(job, second, ms=1.0)
        scene.passes(second + 50)
    assert scene.stands(rule, job) == Standing(rule.uid, job.id)


def test_hysteresis_works_on_windows_too(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(window=Window("max", 60), resolve=Resolve("<=", 50.0), keep_firing=120)
    scene.follow(rule)
    states = []
    for minute, value in enumerate([150, 80, 40, 150, 40, 40, 40]):
        scene.sends(job, 10 + 60 * minute, ms=float(value))
        scene.passes(40 + 60 * minute)
        states.append(scene.stands(rule, job).state)
    assert states == ["firing", "firing", "recovering", "firing", "recovering", "recovering", "ok"]
    assert scene.events() == ["metric_alert", "metric_alert_resolved"]


def test_our_own_silence_does_not_make_a_count_small(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(window=Window("count", 300), operator="<", value=5.0)
    scene.follow(rule)
    for minute in range(5):
        scene.sends(job, 10 + 60 * minute, ms=1.0)
    scene.passes(280)
    assert scene.events() == []
    scene.gap(285, 400)
    scene.sends(job, 410, ms=1.0)
    scene.passes(460)
    assert scene.events() == [], "the missing points were perhaps sent"
    scene.passes(700)
    assert scene.events() == ["metric_alert"]


def test_a_window_is_compared_with_the_one_a_day_before(scene: Scene) -> None:
    job, other = scene.monitor(interval=DAY), scene.monitor(interval=DAY)
    rule = slow(window=Window("mean", HOUR), compare=Compare(DAY, min_baseline=1.0), operator="<", value=0.5)
    scene.follow(rule)
    scene.sends(job, 1_000, ms=100.0)
    scene.sends(other, 1_001, ms=0.5)
    scene.passes(1_060)
    assert scene.events() == [], "there is no day before"
    scene.sends(job, DAY + 1_000, ms=49.0)
    scene.sends(other, DAY + 1_001, ms=0.1)
    scene.passes(DAY + 1_060)
    ((_, details),) = [said for said in scene.said() if said[0] == "metric_alert"]
    assert details["value"] == 0.49
    assert scene.points.questions["ms"] == 4


def test_a_store_that_is_away_leaves_rules_as_they_stand_and_is_told_of_once(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow())
    scene.sends(job, 10, ms=150.0)
    scene.passes(40)
    scene.points.away = True
    for minute in range(1, 8):
        scene.passes(40 + 60 * minute)
    assert scene.events() == ["metric_alert", "rules_datasource_failing"]
    assert "InfluxDB does not answer" in scene.said()[-1][1]["text"]
    scene.windows = scene.evaluation()
    scene.passes(40 + 60 * 12)
    assert len(scene.events()) == 2, "a restart does not make it news"
    scene.points.away = False
    scene.sends(job, 40 + 60 * 13, ms=1.0)
    scene.passes(41 + 60 * 13)
    scene.passes(40 + 60 * 14)
    assert sorted(scene.events()[2:]) == ["metric_alert_resolved", "rules_datasource_recovered"]


@pytest.mark.parametrize(("choice", "expected"), [("resolve", "ok"), ("fire", "firing"), ("keep", "firing")])
def test_what_a_rule_does_when_its_store_is_away(scene: Scene, choice: Any, expected: str) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow(on_error=choice))
    scene.sends(job, 10, ms=150.0)
    scene.passes(40)
    scene.points.away = True
    for minute in range(1, 5):
        scene.passes(40 + 60 * minute)
    assert scene.stands(slow(), job).state == expected


def test_a_store_that_is_behind_delays_and_does_not_invent(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    rule = slow(window=Window("count", 60), operator="<", value=1.0, on_no_data="fire")
    scene.follow(rule)
    scene.sends(job, 10, ms=1.0)
    scene.passes(40)
    assert scene.events() == []
    scene.run(200)  # settled, and not shipped
    scene.windows.step(scene.at(200))
    assert scene.events() == []
    scene.windows.step(scene.at(40 + 3 * 60 + 61))
    assert scene.events() == ["rules_datasource_failing"]
    assert "behind" in scene.said()[0][1]["text"]


def test_intervals_that_are_missed_are_evaluated_once_at_the_newest(scene: Scene) -> None:
    job = scene.monitor(interval=DAY)
    scene.follow(slow())
    scene.passes(40)
    scene.sends(job, 900, ms=150.0)
    scene.passes(1_000)
    assert scene.points.questions["ms"] == 2
    assert scene.events() == ["metric_alert"]
    assert scene.stands(slow(), job).active_at == scene.at(1_000)


def test_a_group_has_an_interval_of_its_own(scene: Scene) -> None:
    scene.follow(slow(every=10), replace(slow(every=600, metric="other"), uid="rule_2"))
    for second in range(0, 601, 10):
        scene.passes(second)
    assert scene.points.questions == {"ms": 61, "other": 2}


def test_nobody_knows_how_far_the_store_is(scene: Scene) -> None:
    scene.follow(slow())
    scene.shipped = None
    assert scene.windows.step(scene.at(1_000)) is False
    assert not scene.points.questions
