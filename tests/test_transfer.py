from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from influx import DATABASE, Influx
from world import START, World

from lastbeat.cli import main
from lastbeat.transfer import Transfer
from store.control import verdicts
from store.deadletter import DeadLetters
from store.model import SECOND, Monitor, Ping, Transition
from store.points import Away, Points, Refusal
from store.points.embedded import EmbeddedPoints
from store.points.influx import InfluxPoints


class Failing(EmbeddedPoints):
    """Takes `batches` batches, and then it is away."""

    batches = 1_000
    written = 0

    def write(self, pings: Sequence[Ping]) -> list[Refusal]:
        if self.batches == 0:
            raise Away("InfluxDB does not answer", "Connection refused")
        self.batches -= 1
        self.written += len(pings)
        return super().write(pings)


class Removal:
    """Two monitors with 2,500 pings each, and where they are to go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.world = World(root)
        self.monitors = sorted((self.world.monitor() for _ in range(2)), key=lambda monitor: monitor.id)
        self.source = EmbeddedPoints(root / "points.db")
        self.target = Failing(root / "target.db")
        for monitor in self.monitors:
            self.source.write([Ping(START + n, monitor.id, numbers={"n": float(n)}, texts={"t": str(n)}) for n in range(2_500)])

    def transfer(self) -> Transfer:
        return Transfer(self.world.control, self.source, self.target, DeadLetters(self.root / "dead.jsonl"), "a b")

    def history(self, points: Points, monitor: Monitor) -> list[Ping]:
        return points.pings(monitor.id, limit=10_000)

    def same(self, points: Points) -> bool:
        return all(self.history(self.source, monitor) == self.history(points, monitor) for monitor in self.monitors)


@pytest.fixture
def removal(tmp_path: Path) -> Iterator[Removal]:
    one = Removal(tmp_path)
    yield one
    for part in (one.source, one.target, one.world):
        part.close()


def test_every_ping_of_every_monitor_is_copied(removal: Removal) -> None:
    done: list[int] = []
    transfer = removal.transfer()
    assert transfer.total() == 5_000
    transfer.run(done.append)
    assert done == [1_000, 1_000, 500] * 2
    assert removal.same(removal.target)


@pytest.mark.parametrize(("batches", "left"), [(0, 5_000), (1, 4_000), (3, 2_500), (5, 500)])
def test_a_transfer_that_stopped_goes_on_where_it_was(removal: Removal, batches: int, left: int) -> None:
    removal.target.batches = batches
    with pytest.raises(Away):
        removal.transfer().run(lambda done: None)
    removal.target.batches, removal.target.written = 1_000, 0
    again = removal.transfer()
    assert again.total() == left
    again.run(lambda done: None)
    assert removal.target.written == left
    assert removal.same(removal.target)


def test_a_transfer_that_was_finished_begins_anew(removal: Removal) -> None:
    for _ in range(2):
        transfer = removal.transfer()
        assert transfer.total() == 5_000
        transfer.run(lambda done: None)
        transfer.finish()
    assert removal.same(removal.target)


def test_history_moves_to_influxdb_and_back(removal: Removal, tmp_path: Path) -> None:
    influx = Influx(tmp_path / "influx").start()
    first, second = removal.monitors
    with removal.world.control.begin() as connection:
        verdicts.add_transitions(connection, [Transition(first.id, START + n * SECOND, "up", "down", "missed") for n in range(3)])
    settings = ["--data-dir", str(tmp_path), "--influxdb-url", influx.url]
    out = CliRunner().invoke(main, ["points", "copy", "--from", "embedded", "--to", "influxdb", *settings])
    assert (out.exit_code, "Pings to influxdb" in out.output) == (0, True), out.output
    points = InfluxPoints(influx.url, DATABASE, "lastbeat", None, lambda: START + SECOND)
    assert removal.same(points)
    assert len(influx.rows(f"SELECT status FROM hb_state WHERE monitor = '{first.id}'")) == 3
    before = removal.history(points, second)
    while removal.source.forget(second.id, 10_000):
        pass
    out = CliRunner().invoke(main, ["points", "copy", "--from", "influxdb", "--to", "embedded", *settings])
    assert out.exit_code == 0, out.output
    assert removal.history(removal.source, second) == before
    points.close()
    influx.kill()
    out = CliRunner().invoke(main, ["points", "copy", "--from", "embedded", "--to", "influxdb", *settings])
    assert (out.exit_code, "Start it again to go on from here." in out.output) == (1, True)
    influx.end()


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--from", "embedded", "--to", "embedded"], 2, "name the same store"),
        (["--from", "embedded", "--to", "influxdb"], 2, "Which InfluxDB?"),
        (["--from", "embedded", "--to", "influxdb", "--influxdb-url", "http://127.0.0.1:9"], 1, "There is no Lastbeat in "),
    ],
)
def test_what_cannot_be_copied_is_a_sentence(tmp_path: Path, arguments: list[str], status: int, sentence: str) -> None:
    out = CliRunner().invoke(main, ["points", "copy", *arguments, "--data-dir", str(tmp_path / "nothing")])
    assert out.exit_code == status
    assert sentence in out.output
    assert not (tmp_path / "nothing").exists()
