"""Most jobs fall silent at once: their alarms are held for a while, and are never dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from world import World

from rules.channels import Message, Undelivered
from rules.outbox import Outbox
from rules.storm import LEAST, Recent, View, suspect
from store.control import settings
from store.control.tables import outbox
from store.model import SECOND, Monitor
from store.rule import Match, Rule


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    one.channel()
    yield one
    one.close()


def jobs(world: World, number: int, interval: int = 60) -> list[Monitor]:
    return [world.monitor(interval=interval, grace=30, name=f"job {n}") for n in range(number)]


def beat(world: World, those: list[Monitor], *times: float) -> None:
    for time in times:
        for n, job in enumerate(those):
            world.ping(job, time + n / 1_000)
        world.run(time + 0.5)


def states(world: World) -> dict[str, list[str]]:
    """The events in the outbox, by the state of their notices."""
    found: dict[str, list[str]] = {}
    with world.control.read() as connection:
        for row in connection.execute(select(outbox.c.state, outbox.c.event).order_by(outbox.c.number)):
            found.setdefault(row.state, []).append(row.event)
    return found


def test_when_all_fall_silent_at_once_their_alarms_are_held_and_one_message_says_so(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    assert all(world.beat(job).status == "down" for job in mine), "states are what they are"
    assert states(world) == {"held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    (_, details) = world.said()[-1]
    assert (details["count"], details["of"]) == (6, 6)
    assert "6 of 6 monitors fell silent within a minute" in details["text"]


def test_whoever_is_heard_again_in_time_was_never_told_of(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    beat(world, mine, 200)
    assert states(world) == {"superseded": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    beat(world, mine, 250, 300)
    assert states(world)["pending"] == ["ingest_suspect", "ingest_judged"]
    assert world.said()[-1][1]["text"] == "Of 6 monitors that fell silent at once, 0 are silent still."


def test_what_stays_silent_is_told_in_one_message_and_its_end_one_by_one(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    beat(world, mine[:2], 200, 250)
    world.run(272)
    assert states(world) == {
        "superseded": ["monitor_down"] * 2,
        "carried": ["monitor_down"] * 4,
        "pending": ["ingest_suspect", "monitors_down", "ingest_judged"],
    }
    told = next(details for event, details in world.said() if event == "monitors_down")
    assert told["count"] == 4
    assert sorted(monitor["name"] for monitor in told["monitors"]) == ["job 2", "job 3", "job 4", "job 5"]
    beat(world, mine[2:3], 280)
    assert states(world)["pending"][-1] == "monitor_up"


def test_those_who_fall_silent_by_a_rule_are_told_of_as_well(world: World) -> None:
    mine = [world.monitor(interval=86_400, grace=3_600, name=f"job {n}") for n in range(6)]
    world.follow(Rule("rule_often", "heartbeat", "Often", match=Match(all=True), interval=60, grace=30))
    beat(world, mine, 0, 60)
    world.run(151)
    assert states(world) == {"held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    assert (world.said()[-1][1]["count"], world.said()[-1][1]["of"]) == (6, 6)
    world.run(272)
    assert states(world)["pending"] == ["ingest_suspect", "monitors_down", "ingest_judged"]


def test_what_is_found_out_late_is_told_as_well(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(330)  # the engine was away
    assert states(world) == {"held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    world.run(451)
    assert states(world)["pending"] == ["ingest_suspect", "monitors_down", "ingest_judged"]


@pytest.mark.parametrize("left", [6, 1])
def test_whoever_is_silent_by_several_rules_is_one_monitor(world: World, left: int) -> None:
    mine = jobs(world, 6)
    often = Rule("rule_often", "heartbeat", "Often", match=Match(all=True), interval=60, grace=31)
    world.follow(Rule("rule_own", "heartbeat", "Own", match=Match(all=True)), often)
    beat(world, mine, 0, 60)
    world.run(152)
    if left == 1:
        beat(world, mine[1:], 200, 250)
    world.run(273)
    if left == 1:
        assert states(world)["pending"] == ["monitor_down"] * 2 + ["ingest_suspect", "ingest_judged"], "each as it is"
        return
    told = next(details for event, details in world.said() if event == "monitors_down")
    assert (told["count"], sorted(monitor["name"] for monitor in told["monitors"])) == (6, [f"job {n}" for n in range(6)])


def test_an_edit_lets_no_alarm_out_that_is_held(world: World) -> None:
    mine = jobs(world, 6)
    own = Rule("rule_own", "heartbeat", "Own", match=Match(all=True), hold=1)
    world.follow(own)
    beat(world, mine, 0, 60)
    world.run(152)
    assert states(world) == {"held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    world.follow(replace(own, hold=0), at=160)
    assert states(world) == {"superseded": ["monitor_down"] * 6, "held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    beat(world, mine, 200)
    assert states(world) == {"superseded": ["monitor_down"] * 12, "pending": ["ingest_suspect"]}


def test_a_storm_that_an_older_version_noted_is_one(world: World) -> None:
    with world.control.begin() as connection:
        settings.put(connection, "storm", json.dumps({"since": world.at(0), "until": world.at(60), "told": True}))
    (job,) = jobs(world, 1)
    beat(world, [job], 1)
    world.run(100)
    assert states(world)["pending"][0] == "monitor_down"


def test_a_single_alarm_that_is_left_is_told_as_it_is(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    beat(world, mine[:5], 200, 250)
    world.run(272)
    assert states(world)["pending"] == ["monitor_down", "ingest_suspect", "ingest_judged"]


def test_an_alarm_that_comes_later_is_told_at_once_when_the_storm_is_over(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    beat(world, mine, 200, 260, 320)
    world.run(321)
    beat(world, mine[1:], 380)
    world.run(411)
    assert states(world)["pending"] == ["ingest_suspect", "ingest_judged", "monitor_down"]


def test_a_few_that_fall_silent_are_told_at_once(world: World) -> None:
    mine = jobs(world, LEAST - 1)
    beat(world, mine, 0)
    world.run(91)
    assert states(world) == {"pending": ["monitor_down"] * 4}


def test_some_of_many_that_fall_silent_are_told_at_once(world: World) -> None:
    mine = jobs(world, 40)
    beat(world, mine, 0)
    beat(world, mine[6:], 60)
    world.run(91)
    assert states(world) == {"pending": ["monitor_down"] * 6}, "the others were heard"


def test_a_restart_of_the_engine_forgets_no_storm(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    world.restart()
    world.run(200)
    assert states(world) == {"held": ["monitor_down"] * 6, "pending": ["ingest_suspect"]}
    world.restart()
    world.run(272)
    assert states(world)["carried"] == ["monitor_down"] * 6


def test_failures_that_jobs_report_are_never_held(world: World) -> None:
    mine = jobs(world, 8)
    beat(world, mine, 0, 60)
    world.run(151)
    for job in mine[:2]:
        world.ping(job, 160, kind="success")
        world.ping(job, 161, kind="fail")
    world.run(162)
    assert states(world)["pending"] == ["ingest_suspect", "monitor_down", "monitor_down"]


class Inline(Executor):
    """Sends at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Undelivered as error:
            future.set_exception(error)
        return future


class Receiver:
    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.events: list[str] = []

    def send(self, config: dict[str, Any], message: Message) -> None:
        if message.event == "monitors_down" and self.fails > 0:
            self.fails -= 1
            raise Undelivered("busy", permanent=False)
        self.events.append(message.event)


def test_no_recovery_overtakes_the_message_that_tells_of_many(world: World) -> None:
    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    world.run(272)
    beat(world, mine[:1], 273)
    receiver = Receiver(fails=1)
    sender: Any = receiver
    sending = Outbox(world.control, {"webhook": sender}, Inline(), world.at(273))
    for second in range(274, 290):
        while sending.step(world.at(second)):
            pass
    assert receiver.events == ["ingest_suspect", "ingest_judged", "monitors_down", "monitor_up"]
    assert set(states(world)) == {"sent"}


def test_when_the_message_that_tells_of_many_is_dead_so_is_all_that_it_told(world: World) -> None:
    class Refusing(Receiver):
        def send(self, config: dict[str, Any], message: Message) -> None:
            if message.event == "monitors_down":
                raise Undelivered("no", permanent=True)

    mine = jobs(world, 6)
    beat(world, mine, 0, 60)
    world.run(151)
    world.run(272)
    beat(world, mine[:1], 273)
    sender: Any = Refusing()
    sending = Outbox(world.control, {"webhook": sender}, Inline(), world.at(273))
    for second in range(274, 280):
        while sending.step(world.at(second)):
            pass
    assert states(world) == {"sent": ["ingest_suspect", "ingest_judged"], "dead": ["monitor_down"] * 6 + ["monitors_down", "monitor_up"]}


@pytest.mark.parametrize(
    ("silent", "waiting", "owed", "heard", "usual", "expected"),
    [
        (5, 25, 5, 4, 0, True),
        (4, 4, 4, 0, 100, False),
        (5, 26, 5, 4, 0, False),
        (5, 25, 5, 5, 0, False),
        (1_000, 5_000, 1_000, 999, 0, True),
        (5, 1_000, 5, 0, 20, True),
        (5, 1_000, 5, 0, 19, False),
        (5, 1_000, 5, 2, 21, True),
        (5, 1_000, 5, 2, 20, False),
    ],
)
def test_what_makes_silence_suspect(silent: int, waiting: int, owed: float, heard: int, usual: int, expected: bool) -> None:
    assert suspect(View(silent, waiting, owed, heard, usual)) is expected


def test_the_last_minutes_are_counted_in_bounded_memory() -> None:
    recent = Recent()
    for tenth in range(10_000):
        recent.add(tenth * SECOND // 10, 1)
    assert recent.between(940 * SECOND, 999 * SECOND) == 600
    assert recent.between(970 * SECOND, 1_030 * SECOND) == 300
    assert recent.between(880 * SECOND, 939 * SECOND) == 600
    assert len(recent._seconds) <= 121


def test_of_many_that_ping_often_hardly_an_alarm_gets_out_before_the_others_are_held(world: World) -> None:
    """Their deadlines are spread over their interval, and within a minute before each of them many pings came."""
    mine = [world.monitor(interval=15, grace=5, name=f"job {n}") for n in range(150)]
    for turn in range(5):
        for n, job in enumerate(mine):
            world.ping(job, turn * 15 + n / 10)
    for second in range(75, 101):
        world.run(second)
    found = states(world)
    assert len(found["held"]) >= 140
    assert found["pending"].count("monitor_down") <= 10


def test_a_host_that_dies_beside_others_that_beat_at_the_same_second_is_told_of_at_once(world: World) -> None:
    mine = jobs(world, 100)
    beat(world, mine, 0, 60, 120)
    beat(world, mine[6:], 180)  # six of them are silent, and at this time of the minute nobody else ever pings
    world.run(211)
    assert states(world) == {"pending": ["monitor_down"] * 6}
