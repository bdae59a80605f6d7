from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from world import World

from rules.channels import Message, Undelivered
from rules.outbox import Outbox
from store.control import channels
from store.control import outbox as store
from store.control.tables import outbox as table
from store.model import Channel, Notice, new_id


class Receiver:
    """A channel that does as it is told, in the sender's own threads."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.open = threading.Event()
        self.open.set()

    def send(self, config: Mapping[str, Any], message: Message) -> None:
        self.open.wait(10)
        if config["url"] in self.trouble:
            raise self.trouble[config["url"]]
        self.got.append(message.id)

    def check(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        raise NotImplementedError

    def masked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class Office:
    """The sender of a world, driven by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.receiver = Receiver()
        self.threads = ThreadPoolExecutor(16)
        self.sender = self.new_sender()

    def new_sender(self) -> Outbox:
        return Outbox(self.world.control, {"webhook": self.receiver}, self.threads, self.world.at(0))

    def say(self, channel: Channel, incident: str | None = None, at: float = 0) -> str:
        notice = Notice(new_id("msg"), channel.id, incident, 1, "test", {"n": 1}, self.world.at(at))
        with self.world.control.begin() as connection:
            store.add(connection, [notice])
        return notice.id

    def start(self, at: float) -> None:
        """Start what is due and let it land, with nobody noting how it went."""
        self.sender.step(self.world.at(at))
        self.land()

    def land(self) -> None:
        for flight in list(self.sender._flying):
            flight.exception(10)

    def run(self, at: float) -> None:
        """Start what is due, let it land, and note how it went."""
        while self.sender.step(self.world.at(at)):
            self.land()

    def rows(self) -> dict[str, Any]:
        with self.world.control.read() as connection:
            return {row.id: row for row in connection.execute(select(table))}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    world = World(tmp_path)
    one = Office(world)
    yield one
    one.receiver.open.set()
    one.threads.shutdown()
    world.close()


def test_what_is_due_is_sent_once_and_in_order(office: Office) -> None:
    channel = office.world.channel()
    said = [office.say(channel, "inc_1") for _ in range(5)]
    office.run(1)
    office.run(1_000)
    assert office.receiver.got == said
    assert {row.state for row in office.rows().values()} == {"sent"}


def test_a_failed_attempt_is_repeated_under_the_same_id_later_and_later(office: Office) -> None:
    channel = office.world.channel()
    said = office.say(channel)
    office.receiver.trouble[channel.config["url"]] = Undelivered("the receiver answered 500")
    office.run(0)
    row = office.rows()[said]
    assert (row.state, row.attempts, row.last_error) == ("pending", 1, "the receiver answered 500")
    assert office.world.at(2.5) <= row.next_at <= office.world.at(5)
    office.run(6)
    assert office.world.at(6 + 7.5) <= office.rows()[said].next_at <= office.world.at(6 + 15)
    with office.world.control.read() as connection:
        (known,) = channels.find(connection, office.world.project.id)[0]
    assert (known.last_error, known.last_error_at) == ("the receiver answered 500", office.world.at(6))
    office.receiver.trouble.clear()
    office.run(60)
    assert office.receiver.got == [said]
    with office.world.control.read() as connection:
        (known,) = channels.find(connection, office.world.project.id)[0]
    assert known.last_error is None


def test_the_receivers_own_wish_to_wait_is_granted(office: Office) -> None:
    said = office.say(channel := office.world.channel())
    office.receiver.trouble[channel.config["url"]] = Undelivered("busy", retry_after=120)
    office.run(0)
    assert office.rows()[said].next_at == office.world.at(120)


def test_a_refusal_for_good_is_set_aside_with_its_reason_and_holds_up_nobody_else(office: Office) -> None:
    channel = office.world.channel()
    first, other = office.say(channel), office.say(channel, "inc_1")
    office.receiver.trouble[channel.config["url"]] = Undelivered("the receiver answered 404", permanent=True)
    office.start(0)
    office.receiver.trouble.clear()
    third = office.say(channel)
    office.run(1)
    rows = office.rows()
    assert [(rows[i].state, rows[i].last_error) for i in (first, other)] == [("dead", "the receiver answered 404")] * 2
    assert rows[third].state == "sent"


def test_the_recovery_of_an_alarm_that_nobody_heard_is_not_sent(office: Office) -> None:
    channel, other = office.world.channel(), office.world.channel()
    alarm, recovery = office.say(channel, "inc_1"), office.say(channel, "inc_1")
    elsewhere = office.say(other, "inc_1", at=1)
    office.receiver.trouble[channel.config["url"]] = Undelivered("the receiver answered 404", permanent=True)
    office.start(0)
    office.receiver.trouble.clear()
    office.run(1)
    rows = office.rows()
    assert rows[alarm].state == rows[recovery].state == "dead"
    assert rows[recovery].last_error == "the message before it could not be delivered: the receiver answered 404"
    assert rows[elsewhere].state == "sent"


def test_what_is_still_being_sent_is_not_sent_again_when_its_lease_runs_out(office: Office) -> None:
    channel = office.world.channel()
    alarm, recovery = office.say(channel, "inc_1"), office.say(channel, "inc_1")
    office.receiver.open.clear()
    office.sender.step(office.world.at(0))
    assert office.sender.step(office.world.at(61)) is False  # or the clock was set forward
    assert len(office.sender._flying) == 1
    office.receiver.open.set()
    office.land()
    office.run(62)
    assert office.receiver.got == [alarm, recovery]


def test_after_a_day_of_failing_it_is_given_up(office: Office) -> None:
    said = office.say(channel := office.world.channel())
    office.receiver.trouble[channel.config["url"]] = Undelivered("no answer")
    office.run(0)
    office.run(86_401)
    assert office.rows()[said].state == "dead"


def test_an_error_of_our_own_is_tried_again_too(office: Office) -> None:
    said = office.say(channel := office.world.channel())
    office.receiver.trouble[channel.config["url"]] = ZeroDivisionError("division by zero")
    office.run(0)
    assert office.rows()[said].state == "pending"


def test_a_receiver_that_hangs_holds_up_nobody_else(office: Office) -> None:
    slow, quick = office.world.channel(), office.world.channel()
    for _ in range(20):
        office.say(slow)
    office.receiver.open.clear()
    office.sender.step(office.world.at(0))
    assert len(office.sender._flying) == 2
    office.say(quick)
    office.sender.step(office.world.at(1))
    assert sorted(channel.id for _, channel in office.sender._flying.values()) == sorted([slow.id, slow.id, quick.id])


def test_a_crash_between_sending_and_noting_sends_again_under_the_same_id(office: Office) -> None:
    said = office.say(office.world.channel())
    office.start(0)
    office.sender = office.new_sender()  # the old one dies before it notes anything
    office.run(1)
    assert office.receiver.got == [said, said]


def test_an_idle_round_only_reads(office: Office) -> None:
    assert office.sender.step(office.world.at(0)) is False
    with office.world.control.read() as connection:
        assert store.due(connection, office.world.at(100)) is False
