from __future__ import annotations

import multiprocessing
import sqlite3
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import gate as gate_module
from ingest.gate import Gate
from store.model import KINDS, SECOND, Kind, Ns

NOW: Ns = 1_700_000_000 * SECOND
TEN: Ns = 10 * SECOND


def at(seconds: float) -> Ns:
    return NOW + round(seconds * SECOND)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    one = Gate(tmp_path / "gate.db")
    yield one
    one.close()


def admitted(gate: Gate, *seconds: float, kind: Kind = "success", pause: Ns = TEN) -> list[float]:
    return [second for second in seconds if gate.admit("mon_1", kind, pause, at(second)) == 0]


def test_one_ping_a_pause_is_let_in(gate: Gate) -> None:
    assert admitted(gate, 0, 1, 5, 8.9, 10, 11, 19.9, 20) == [0, 10, 19.9]


@pytest.mark.parametrize(("seconds", "wait"), [(0, 9), (2.5, 6.5), (8.9, 0.1)])
def test_who_is_too_soon_is_told_how_long_it_takes(gate: Gate, seconds: float, wait: float) -> None:
    admitted(gate, 0)
    assert gate.admit("mon_1", "success", TEN, at(seconds)) == round(wait * SECOND)


def test_a_long_pause_is_kept_to_five_seconds(gate: Gate) -> None:
    pause = 600 * SECOND
    assert admitted(gate, 0, 594.9, pause=pause) == [0]
    assert gate.admit("mon_1", "success", pause, at(1)) == 594 * SECOND
    assert admitted(gate, 595, pause=pause) == [595]


def test_a_job_that_jitters_about_its_pace_is_never_refused(gate: Gate) -> None:
    beats = [n * 10 + jitter for n, jitter in enumerate([0, 0.4, -0.3, 0.5, 0, -0.4, 0.2, -0.5, 0.1])]
    assert admitted(gate, *beats) == beats


def test_being_early_does_not_add_up(gate: Gate) -> None:
    # At 9.6 s a beat the fourth is 1.2 s ahead of the plan's pace.
    assert admitted(gate, 0, 9.6, 19.2, 28.8, 38.4) == [0, 9.6, 19.2, 38.4]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_over_time_no_ping_more_is_let_in_than_there_are_pauses(tmp_path_factory: pytest.TempPathFactory, seconds: list[float]) -> None:
    gate = Gate(tmp_path_factory.mktemp("gate") / "gate.db")
    taken = admitted(gate, *sorted(seconds))
    gate.close()
    for n, first in enumerate(taken):
        for more, last in enumerate(taken[n:]):
            assert last - first >= more * 10 - 1 - 1e-6


@pytest.mark.parametrize(("before", "after", "taken"), [(600, 30, [27, 57, 594.9]), (30, 600, [595]), (600, 1, [1, 26.9, 57, 60, 594.9])])
def test_another_plan_counts_from_the_next_ping_on(gate: Gate, before: int, after: int, taken: list[float]) -> None:
    gate.admit("mon_1", "success", before * SECOND, NOW)
    pause = after * SECOND
    assert gate.admit("mon_1", "success", pause, NOW) == pause - min(pause // 10, 5 * SECOND)
    assert admitted(gate, 1, 26.9, 27, 57, 60, 594.9, 595, pause=pause) == taken


@pytest.mark.parametrize("pause", [TEN, 600 * SECOND])
def test_a_clock_that_was_put_back_keeps_nobody_out(gate: Gate, pause: Ns) -> None:
    admitted(gate, 86_400, pause=pause)
    assert admitted(gate, 0, 1, pause=pause) == [0]
    assert gate.admit("mon_1", "success", pause, at(2)) == pause - min(pause // 10, 5 * SECOND) - 2 * SECOND


def test_a_clock_that_is_tuned_lets_nobody_in_early(gate: Gate) -> None:
    admitted(gate, 2)
    assert gate.admit("mon_1", "success", TEN, at(0)) == 11 * SECOND
    assert admitted(gate, 1, 9, 11) == [11]


def test_kinds_and_monitors_are_apart(gate: Gate) -> None:
    assert [gate.admit("mon_1", kind, TEN, NOW) for kind in KINDS] == [0] * 4
    assert gate.admit("mon_2", "success", TEN, NOW) == 0
    assert gate.admit("mon_1", "log", TEN, NOW) > 0


def test_a_ping_that_is_taken_back_leaves_the_place_to_another(gate: Gate) -> None:
    gate.admit("mon_1", "success", TEN, NOW)
    gate.take_back("mon_1", "success", TEN)
    assert admitted(gate, 1, 2) == [1]


def test_a_restart_lets_nobody_in_early(tmp_path: Path) -> None:
    for _ in range(3):
        gate = Gate(tmp_path / "gate.db")
        admitted(gate, 0)
        gate.close()
    gate = Gate(tmp_path / "gate.db")
    assert admitted(gate, 8, 10) == [10]
    gate.close()


def _hammer(path: Path, taken: multiprocessing.Queue[int]) -> None:
    pytest.MonkeyPatch().setattr(gate_module, "_PATIENCE", 10)  # nobody else is as persistent as these, and this is about places
    gate = Gate(path)
    taken.put(sum(gate.admit(f"mon_{n}", "success", TEN, NOW) == 0 for n in range(3_000)))
    gate.close()


def test_of_several_workers_no_two_take_the_same_place(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken: multiprocessing.Queue[int] = context.Queue()
    workers = [context.Process(target=_hammer, args=(tmp_path / "gate.db", taken)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sum(taken.get(timeout=5) for _ in workers) == 3_000


def _open_at_once(folder: Path, rounds: int, together: Barrier, taken: multiprocessing.Queue[int]) -> None:
    for n in range(rounds):
        together.wait(30)
        gate = Gate(folder / f"{n}.db")
        taken.put(gate.admit("mon_1", "success", TEN, NOW) == 0)
        gate.close()


def test_of_several_workers_that_make_the_file_at_once_one_takes_the_place(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken: multiprocessing.Queue[int] = context.Queue()
    rounds, together = 40, context.Barrier(4)
    workers = [context.Process(target=_open_at_once, args=(tmp_path, rounds, together, taken)) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [taken.get(timeout=30) for _ in range(4 * rounds)]
    for worker in workers:
        worker.join(60)
    assert sum(found) == rounds


def test_a_file_that_another_holds_is_waited_for_once_in_a_while_and_lets_everybody_in(
    tmp_path: Path, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    admitted(gate, 0)
    other = sqlite3.connect(tmp_path / "gate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.perf_counter()
    assert admitted(gate, *range(1, 5)) == [1, 2, 3, 4]
    gate.take_back("mon_1", "success", TEN)
    assert time.perf_counter() - began < 0.5
    assert admitted(gate, 6.5) == [6.5]  # asked again, and still in vain
    assert caplog.text.count("the plans' limits cannot be kept") == 1
    other.close()
    assert admitted(gate, 9, 12, 20, 21) == [9, 12, 21]
    assert gate.refusals("mon_1") == (1, at(20))


def test_a_clock_that_was_put_back_does_not_prolong_the_time_without_a_limit(tmp_path: Path) -> None:
    gate = Gate(tmp_path / "later" / "gate.db")
    assert admitted(gate, 3_600) == [3_600]
    (tmp_path / "later").mkdir()
    assert admitted(gate, 0, 1) == [0]
    gate.close()


def test_what_was_refused_is_told_for_three_days(gate: Gate) -> None:
    assert gate.refusals("mon_1") is None
    admitted(gate, 0, 1, 2, 10)
    assert gate.refusals("mon_1") == (2, at(2))
    assert gate.refusals("mon_2") is None
    gate.step(at(3 * 86_400), TEN)
    assert gate.refusals("mon_1") == (2, at(2))
    gate.step(at(3 * 86_400 + 3), TEN)
    assert gate.refusals("mon_1") is None


def test_what_may_be_pinged_again_is_forgotten(gate: Gate, tmp_path: Path) -> None:
    gate.admit("mon_old", "success", TEN, NOW)
    gate.admit("mon_new", "success", TEN, at(60))
    assert gate.step(at(61), 62 * SECOND) is False
    assert gate.admit("mon_old", "success", 600 * SECOND, at(61)) > 0, "kept for the plan with the longest pause"
    assert gate.step(at(61), 60 * SECOND) is False
    database = sqlite3.connect(tmp_path / "gate.db")
    assert database.execute("SELECT monitor FROM places").fetchall() == [("mon_new",)]
    database.close()
    assert (tmp_path / "gate.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_begun_anew_and_one_that_cannot_be_used_keeps_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "gate.db"
    path.write_bytes(b"surely no database " * 100)
    gate = Gate(path)
    assert admitted(gate, 0, 1) == [0]
    gate.close()
    assert "is damaged, and begun anew" in caplog.text
    caplog.clear()
    nowhere = Gate(tmp_path / "missing" / "gate.db")
    assert admitted(nowhere, 0, 1, 2) == [0, 1, 2]
    assert caplog.text.count("the plans' limits cannot be kept") == 1
    assert nowhere.refusals("mon_1") is None
