from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from gevent.event import Event

from ingest.commit import Committer, Trouble
from ingest.stamp import Stamps
from store.journal import decode
from store.model import SECOND, Gap, Ns, Ping, Record


class Disk:
    """Keeps batches, or refuses them while `broken`; stands for the thread too, so that a test can hold it."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.broken = False
        self.failures = 0
        self.free = Event()
        self.free.set()

    def append(self, records: Sequence[bytes]) -> None:
        if self.broken or self.failures:
            self.failures -= not self.broken
            raise OSError("no space left on device")
        self.batches.append([decode(record) for record in records])

    def apply(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        gevent.sleep(0)
        self.free.wait()
        return work(*arguments)

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]


@dataclass
class Moved:
    """How a clock goes that somebody moves."""

    stepped: Ns = 0
    lead: Ns = 0
    slowed: Ns = 0


class Worker:
    """A committer on a clock that the test moves, in seconds."""

    def __init__(self, missed: Trouble | None = None, at: float = 100, stepped: int = 0) -> None:
        self.now = at
        self.disk = Disk()
        stamps = Stamps(lambda: round(self.now * SECOND), 0)
        self.course = Moved(stepped * SECOND)
        self.committer = Committer(self.disk.append, self.disk, stamps, missed, self.course)  # type: ignore[arg-type]  # all of a pool that is used

    def ping(self, monitor: str = "m") -> Ns:
        return self.committer.commit(lambda at: Ping(at, monitor))

    def mark(self, at: float) -> float:
        self.now = at
        return self.committer.mark() / SECOND

    def troubled(self) -> bool:
        return self.committer.trouble is not None

    def gaps(self) -> list[tuple[float, float, str]]:
        return [(g.start / SECOND, g.end / SECOND, g.reason) for g in self.disk.records if isinstance(g, Gap)]


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.001)


def test_requests_that_come_while_one_is_written_share_the_next_commit() -> None:
    worker = Worker()
    worker.disk.free.clear()
    first = gevent.spawn(worker.ping, "first")
    gevent.sleep(0.01)
    waiting = [gevent.spawn(worker.ping, f"m{n}") for n in range(10)]
    gevent.sleep(0.01)
    worker.disk.free.set()
    gevent.joinall([first, *waiting], raise_error=True, timeout=5)
    assert [len(batch) for batch in worker.disk.batches] == [1, 10]
    stamps = [record.at for record in worker.disk.records]
    assert stamps == sorted(set(stamps))


def test_the_mark_stays_before_what_is_not_durable_yet() -> None:
    worker = Worker()
    worker.disk.free.clear()
    ping = gevent.spawn(worker.ping)
    gevent.sleep(0.01)
    worker.now = 100.2
    assert worker.committer.mark() < round(100.1 * SECOND)
    worker.disk.free.set()
    at = ping.get()
    assert worker.committer.mark() > at


def test_a_mark_of_an_idle_worker_writes_nothing() -> None:
    worker = Worker()
    assert [worker.mark(100 + n / 4) for n in range(8)] == [about(100 + n / 4) for n in range(8)]
    assert worker.disk.batches == []


def test_what_was_missed_before_the_start_is_on_record_ahead_of_the_first_ping() -> None:
    worker = Worker(Trouble(50 * SECOND, "restart"))
    worker.ping()
    gap, ping = worker.disk.records
    assert isinstance(gap, Gap)
    assert (gap.start, gap.end / SECOND, gap.reason) == (50 * SECOND, about(100), "restart")
    assert gap.at < ping.at
    worker.ping()
    assert len(worker.gaps()) == 1


def test_without_a_ping_the_mark_puts_it_on_record() -> None:
    worker = Worker(Trouble(50 * SECOND, "restart", until=51 * SECOND))
    assert worker.mark(100) == about(100)
    assert worker.gaps() == [(50, 51, "restart")]


@pytest.mark.parametrize(("length", "reason"), [(1.5, "stall"), (9, "stall"), (11, "suspend"), (3_600, "suspend")])
def test_no_ping_overtakes_the_stall_before_it(length: float, reason: str) -> None:
    worker = Worker()
    worker.mark(100)
    worker.now = 100 + length
    worker.ping()
    gap, ping = worker.disk.records
    assert worker.gaps() == [(100, 100 + length, reason)]
    assert gap.at < ping.at


def test_short_pauses_are_none() -> None:
    worker = Worker()
    for at in (100.9, 101.8, 102.7):
        worker.mark(at)
    assert worker.gaps() == []


def test_while_pings_cannot_be_stored_the_mark_stands_still_and_the_gap_comes_before_the_next_ping() -> None:
    worker = Worker()
    worker.ping()
    worker.mark(100.5)
    worker.disk.broken = True
    worker.now = 101
    with pytest.raises(OSError, match="no space left"):
        worker.ping()
    for at in (101.5, 102.0, 102.5, 103.0):
        assert worker.mark(at) == about(101)
    with pytest.raises(OSError, match="no space left"):
        worker.ping()
    assert worker.troubled()
    worker.disk.broken = False
    worker.now = 103.5
    at = worker.ping()
    assert worker.gaps() == [(about(101), about(103.5), "not_stored")]
    assert worker.disk.records[-1].at == at
    assert not worker.troubled()
    assert worker.mark(103.6) == about(103.6)


def test_a_machine_that_wakes_with_a_full_disk_puts_its_sleep_on_record_when_there_is_room() -> None:
    worker = Worker()
    worker.mark(100.25)
    worker.disk.broken = True
    worker.course.stepped = 600 * SECOND
    assert worker.mark(900.25) == about(100.25)  # nobody may be judged by what came of the sleep
    assert worker.mark(900.75) == about(100.25)
    worker.disk.broken = False
    worker.now = 901
    at = worker.ping()
    assert worker.gaps() == [
        (100.25, 300.25, "suspend"),
        (300.25, 900.25, "clock"),
        (about(900.25), about(901), "not_stored"),
    ]
    stamps = [record.at for record in worker.disk.records]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] == at
    assert worker.mark(901.1) == about(901.1)
    worker.ping()
    assert len(worker.gaps()) == 3


def test_the_mark_stays_before_a_sleep_that_is_being_written() -> None:
    worker = Worker()
    worker.mark(100.25)
    worker.disk.free.clear()
    worker.now = 200
    ping = gevent.spawn(worker.ping)
    gevent.sleep(0.01)
    assert worker.mark(200.25) == about(100.25)
    worker.disk.free.set()
    ping.get()
    assert worker.mark(200.5) == about(200.5)


def test_a_batch_that_gathered_while_one_failed_has_the_gap_in_front() -> None:
    worker = Worker()
    worker.disk.free.clear()
    worker.disk.failures = 1
    lost = gevent.spawn(worker.ping, "lost")
    gevent.sleep(0.01)
    worker.now = 100.5
    kept = gevent.spawn(worker.ping, "kept")
    gevent.sleep(0.01)
    worker.disk.free.set()
    gevent.joinall([lost, kept], timeout=5)
    assert isinstance(lost.exception, OSError)
    gap, ping = worker.disk.records
    assert gap.at < ping.at == kept.value
    assert worker.gaps() == [(about(100), about(100.5), "not_stored")]


def test_a_ping_refused_for_another_reason_is_missed_too() -> None:
    worker = Worker()
    worker.committer.miss(OSError("the control store is away"))
    worker.mark(100.2)
    assert worker.gaps() == [(about(100), about(100.2), "not_stored")]
    assert not worker.troubled()


@pytest.mark.parametrize("missed", [None, Trouble(50 * SECOND, "restart", until=51 * SECOND)])
def test_a_ping_refused_while_a_gap_is_being_written_is_in_the_next_one(missed: Trouble | None) -> None:
    worker = Worker(missed)
    worker.committer.miss(OSError("the control store is away"))
    worker.disk.free.clear()
    mark = gevent.spawn(worker.mark, 100.2)
    gevent.sleep(0.01)
    worker.now = 100.6
    worker.committer.miss(OSError("the control store is away"))
    worker.disk.free.set()
    assert mark.get() == about(100.2), "nothing after it is sure"
    worker.mark(100.8)
    since = 50 if missed else 100
    assert worker.gaps() == [
        (about(since), about(100.2), missed.reason if missed else "not_stored"),
        (about(100.2), about(100.8), "not_stored"),
    ]
    assert not worker.troubled()


def test_a_ping_refused_while_a_batch_gathers_is_in_the_gap_of_the_one_behind_it() -> None:
    worker = Worker()
    worker.disk.free.clear()
    pings = [gevent.spawn(worker.ping)]
    gevent.sleep(0.01)
    pings.append(gevent.spawn(worker.ping))
    gevent.sleep(0.01)
    worker.now = 100.3
    worker.committer.miss(OSError("the control store is away"))
    worker.disk.free.set()
    gevent.joinall(pings, raise_error=True, timeout=5)
    assert (worker.gaps(), worker.troubled()) == ([], True)
    worker.mark(100.5)
    assert worker.gaps() == [(about(100.3), about(100.5), "not_stored")]


def test_a_clock_that_is_put_forward_is_on_record_as_time_that_did_not_pass() -> None:
    worker = Worker()
    worker.mark(100.25)
    worker.course.stepped = 7_200 * SECOND
    worker.mark(7_300.5)
    assert worker.gaps() == [(100.5, 7_300.5, "clock")]
    worker.mark(7_300.75)
    assert len(worker.gaps()) == 1


def test_one_that_was_put_forward_before_the_worker_began_is_on_record_from_the_last_mark_on() -> None:
    worker = Worker(Trouble(20 * SECOND, "restart"), stepped=60)
    worker.mark(100.25)
    assert worker.gaps() == [(20, 80, "clock"), (20, about(100.25), "restart")]
    worker.mark(100.5)
    assert len(worker.gaps()) == 2


def test_a_machine_that_slept_and_whose_clock_was_put_forward_did_both() -> None:
    worker = Worker()
    worker.mark(100.25)
    worker.course.stepped = 3_600 * SECOND
    worker.mark(100.25 + 30 + 3_600)
    assert worker.gaps() == [(100.25, 130.25, "suspend"), (130.25, 3_730.25, "clock")]


def test_records_know_by_how_much_our_clock_is_ahead() -> None:
    worker = Worker()
    worker.ping()
    worker.course.lead = 50 * SECOND
    worker.now = 160
    worker.ping()
    assert [record.lead for record in worker.disk.records] == [0, 50 * SECOND, 50 * SECOND]
    assert isinstance(worker.disk.records[1], Gap)


def test_a_small_step_is_one_too() -> None:
    worker = Worker()
    worker.mark(100.25)
    worker.course.stepped = 5 * SECOND
    worker.mark(105.5)
    assert worker.gaps() == [(100.5, 105.5, "clock")]
