from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete
from world import START, World

from store import deadletter
from store.control import offsets, verdicts
from store.control.tables import transitions
from store.deadletter import DeadLetters
from store.inbox import Inbox
from store.lag import Lag, measure
from store.model import SECOND, Monitor, Ping, Transition
from store.points import Away, Refusal
from store.ship import Ship, ShipStates

AWAY = Away("InfluxDB does not answer", "http://127.0.0.1:8086: Connection refused")


class Shelf:
    """Keeps what it is given; while `trouble` is set it raises that, and it refuses the metrics called `poison`."""

    def __init__(self) -> None:
        self.pings: dict[tuple[str, int], Ping] = {}
        self.states: list[Transition] = []
        self.trouble: Exception | None = None
        self.after_write: Exception | None = None
        self.writes = 0

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        if self.trouble:
            raise self.trouble
        self.writes += 1
        self.pings |= {(ping.monitor, ping.at): ping for ping in pings}
        if self.after_write:
            raise self.after_write
        return [Refusal("field type conflict", "the line", ping) for ping in pings if "poison" in ping.numbers]

    def write_states(self, transitions: Sequence[Transition]) -> list[Refusal]:
        if self.trouble:
            raise self.trouble
        self.states += transitions
        return []


class Harbour:
    """A small Lastbeat whose pings are shipped to a shelf."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.monitor = self.world.monitor()
        self.shelf = Shelf()
        self.letters = root / "dead-letters.jsonl"
        self.restart()

    def restart(self) -> None:
        self.dead = DeadLetters(self.letters)
        inbox = Inbox(self.world.inboxes)
        self.ship = Ship(self.world.control, inbox, self.shelf, self.dead)  # type: ignore[arg-type]  # it is not read here
        self.states = ShipStates(self.world.control, self.shelf, self.dead)

    def pinged(self, *seconds: float, **numbers: float) -> list[Ping]:
        """Pings that were received and settled."""
        for second in seconds:
            self.world.ping(self.monitor, second, numbers=numbers)
        self.world.run(seconds[-1] + 1)
        return [Ping(self.world.at(second), self.monitor.id, numbers=numbers) for second in seconds]

    def lag(self) -> Lag:
        return measure(self.world.control, self.world.inboxes)

    def sentence(self, now: float) -> str | None:
        return self.lag().sentence(self.world.at(now))

    def fails(self, now: float) -> None:
        with pytest.raises(Away):
            self.ship.step(self.world.at(now))


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    one = Harbour(tmp_path)
    yield one
    one.world.close()


def test_settled_pings_are_shipped_once(harbour: Harbour) -> None:
    pings = harbour.pinged(1, 2, 3)
    assert harbour.ship.step(harbour.world.at(4)) is False
    assert list(harbour.shelf.pings.values()) == pings
    harbour.shelf.pings.clear()
    harbour.ship.step(harbour.world.at(5))
    assert not harbour.shelf.pings


def test_what_is_not_settled_waits(harbour: Harbour) -> None:
    harbour.world.ping(harbour.monitor, 1)
    harbour.ship.step(harbour.world.at(2))
    assert not harbour.shelf.pings
    (settled,) = harbour.pinged(3)
    harbour.world.ping(harbour.monitor, 5)
    harbour.ship.step(harbour.world.at(6))
    assert list(harbour.shelf.pings.values())[-1] == settled
    assert harbour.lag().rows == 1


def test_nothing_is_written_where_there_is_nothing_to_ship(harbour: Harbour) -> None:
    harbour.pinged(1)
    for second in range(2, 6):
        harbour.ship.step(harbour.world.at(second))
    assert harbour.shelf.writes == 1


def test_a_store_that_is_away_gets_everything_when_it_is_back(harbour: Harbour) -> None:
    harbour.shelf.trouble = AWAY
    pings = harbour.pinged(1, 2)
    harbour.fails(3)
    harbour.restart()
    pings += harbour.pinged(4)
    harbour.fails(5)
    harbour.shelf.trouble = None
    harbour.ship.step(harbour.world.at(6))
    assert list(harbour.shelf.pings.values()) == pings
    assert harbour.sentence(6) is None


def test_a_batch_whose_end_was_not_noted_is_written_again(harbour: Harbour) -> None:
    pings = harbour.pinged(1, 2)
    harbour.shelf.after_write = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        harbour.ship.step(harbour.world.at(3))
    harbour.shelf.after_write = None
    harbour.shelf.pings.clear()
    harbour.restart()
    harbour.ship.step(harbour.world.at(4))
    assert list(harbour.shelf.pings.values()) == pings


def test_everybody_is_told_since_when_and_how_many_wait(harbour: Harbour) -> None:
    harbour.shelf.trouble = AWAY
    harbour.pinged(1)
    assert harbour.sentence(1) is None
    harbour.fails(2)
    one = "InfluxDB does not answer since 2023-11-14T22:13:22.000Z, 1 ping is waiting (http://127.0.0.1:8086: Connection refused)."
    assert harbour.sentence(2) == one
    harbour.restart()
    harbour.pinged(3, 4)
    harbour.fails(5)
    assert harbour.sentence(5) == one.replace("1 ping is", "3 pings are")


def test_a_store_that_answers_but_is_behind_is_told_too(harbour: Harbour) -> None:
    harbour.pinged(1, 2)
    assert harbour.sentence(61) is None
    assert harbour.sentence(62) == "The time-series store is behind: 2 pings are waiting, the first since 2023-11-14T22:13:21.000Z."
    assert (harbour.lag().rows, harbour.lag().seconds(harbour.world.at(62))) == (2, 61.0)
    harbour.ship.step(harbour.world.at(63))
    assert harbour.lag() == Lag()
    assert harbour.lag().seconds(START) == 0.0


def test_a_refused_point_is_set_aside_with_its_reason_and_the_rest_goes_on(harbour: Harbour) -> None:
    (poison,) = harbour.pinged(1, poison=1.0)
    good = harbour.pinged(2, fine=1.0)
    harbour.ship.step(harbour.world.at(3))
    (letter,) = [json.loads(line) for line in harbour.letters.read_text().splitlines()]
    assert (letter["reason"], letter["line"]) == ("field type conflict", "the line")
    assert (letter["ping"]["monitor"], letter["ping"]["at"], letter["ping"]["numbers"]) == (harbour.monitor.id, poison.at, {"poison": 1.0})
    assert harbour.letters.stat().st_mode & 0o777 == 0o600
    assert harbour.dead.count() == 1
    assert harbour.lag() == Lag()
    assert good[0] in harbour.shelf.pings.values()


def test_the_dead_letters_are_bounded(harbour: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    assert harbour.dead.count() == 0
    refusal = Refusal("reason", "line", Ping(START, "mon_1"))
    harbour.dead.add([refusal, refusal])
    monkeypatch.setattr(deadletter, "LIMIT", harbour.letters.stat().st_size)
    harbour.dead.add([refusal])
    assert harbour.dead.count() == 2


def _moved(monitor: Monitor, number: int) -> Transition:
    return Transition(monitor.id, START + number * SECOND, "up", "down", "missed")


def test_every_transition_is_shipped_once_and_in_order(harbour: Harbour) -> None:
    moves = [_moved(harbour.monitor, n) for n in range(3)]
    with harbour.world.control.begin() as connection:
        verdicts.add_transitions(connection, moves[:2])
    harbour.shelf.trouble = AWAY
    with pytest.raises(Away):
        harbour.states.step(START)
    harbour.shelf.trouble = None
    assert harbour.states.step(START) is False
    with harbour.world.control.begin() as connection:
        verdicts.add_transitions(connection, moves[2:])
    harbour.restart()
    harbour.states.step(START)
    harbour.states.step(START)
    assert harbour.shelf.states == moves
    assert harbour.sentence(0) is None


def test_a_transition_after_the_newest_ones_were_forgotten_is_shipped_too(harbour: Harbour) -> None:
    for number in range(2):
        with harbour.world.control.begin() as connection:
            connection.execute(delete(transitions))
            verdicts.add_transitions(connection, [_moved(harbour.monitor, number)])
        harbour.states.step(START)
    assert harbour.shelf.states == [_moved(harbour.monitor, number) for number in range(2)]


def test_the_offset_of_transitions_is_no_journal_to_the_worker(harbour: Harbour) -> None:
    with harbour.world.control.begin() as connection:
        verdicts.add_transitions(connection, [_moved(harbour.monitor, 1)])
    harbour.states.step(START)
    with harbour.world.control.read() as connection:
        assert offsets.passed_by_all(connection, harbour.world.journals[0].id) == 0
