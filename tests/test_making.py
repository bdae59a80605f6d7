from __future__ import annotations

import threading
from collections.abc import Iterator

import gevent
import pytest
from gevent.threadpool import ThreadPool

from ingest import making
from ingest.answer import Unstored
from ingest.making import Making


class Slow:
    """Makes nothing before it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.begun: list[str] = []

    def __call__(self, ping_key: str, slug: str) -> str | None:
        self.begun.append(slug)
        self.free.wait(10)
        return f"{ping_key} is full" if slug == "full" else None


@pytest.fixture
def slow() -> Iterator[Slow]:
    one = Slow()
    yield one
    one.free.set()


def _asked(make: Making, slug: str) -> str | None:
    try:
        return make("key", slug)
    except Unstored as refusal:
        return refusal.sentence


def test_whoever_asks_hears_what_became_of_it(slow: Slow) -> None:
    slow.free.set()
    make = Making(ThreadPool(1), slow)
    assert (make("key", "job"), make("key", "full")) == (None, "key is full")


def test_a_few_wait_for_their_turn_and_others_are_told_to_come_again(slow: Slow) -> None:
    make = Making(ThreadPool(1), slow)
    waiting = [gevent.spawn(_asked, make, f"job-{n}") for n in range(8)]
    gevent.sleep(0)
    with pytest.raises(Unstored, match="cannot be made now: 8 others are being made") as refused:
        make("key", "another")
    assert refused.value.headers == (("Retry-After", "5"),)
    slow.free.set()
    gevent.joinall(waiting)
    assert [one.value for one in waiting] == [None] * 8
    assert len(slow.begun) == 8
    assert make("key", "another") is None


def test_what_takes_too_long_is_told_and_holds_nobody_up_for_longer(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_PATIENCE", 0.05)
    make = Making(ThreadPool(1), slow)
    waiting = [gevent.spawn(_asked, make, slug) for slug in ("first", "second")]
    gevent.joinall(waiting)
    assert [one.value for one in waiting] == ["the monitor cannot be made now: others write to the control store"] * 2
    slow.free.set()
    monkeypatch.setattr(making, "_PATIENCE", 5.0)
    assert make("key", "full") == "key is full"
    assert slow.begun[0] == "first"


def test_what_fails_is_raised_to_whoever_asked_and_printed_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    def fails(ping_key: str, slug: str) -> str | None:
        raise OSError("disk I/O error")

    make = Making(ThreadPool(1), fails)
    with pytest.raises(OSError, match="disk I/O error"):
        make("key", "job")
    assert capfd.readouterr() == ("", "")
