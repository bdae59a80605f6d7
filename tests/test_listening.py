from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.commit import Committer, Trouble
from ingest.listening import Listening, missed
from ingest.stamp import Stamps
from store.inbox import mark_path
from store.mark import Mark, Reading, read_mark, read_reading
from store.model import SECOND, Ping


def listened(directory: Path, *until: float) -> None:
    for slot, seconds in enumerate(until):
        mark = Mark(mark_path(directory, slot))
        mark.set(round(seconds * SECOND))
        mark.close()


def read(seconds: float = 50) -> Reading:
    return Reading(round(seconds * SECOND), 1, 2, 3, "this-start")


@pytest.mark.parametrize(
    ("marks", "slot", "expected"),
    [
        ((), 0, None),
        ((90,), 0, Trouble(90 * SECOND, "restart")),
        ((99.9,), 0, Trouble(round(99.9 * SECOND), "restart")),
        ((80, 90), 0, Trouble(90 * SECOND, "restart")),
        ((80, 99.9), 0, Trouble(80 * SECOND, "restart", until=81 * SECOND)),
        ((99.9,), 1, None),
    ],
    ids=["first start of all", "restart", "quick restart", "all were away", "one of two was away", "one more worker"],
)
def test_what_was_missed_before_a_worker_begins(tmp_path: Path, marks: tuple[float, ...], slot: int, expected: Trouble | None) -> None:
    listened(tmp_path, *marks)
    assert missed(tmp_path, slot, 100 * SECOND, judged=None) == expected


def test_a_worker_that_died_while_it_could_not_store_missed_what_came_since(tmp_path: Path) -> None:
    committer = Committer(_full, _Here(), Stamps(lambda: 50 * SECOND, 0))  # type: ignore[arg-type]  # all of a pool that is used
    listening = Listening(tmp_path, 0, committer, read)
    with pytest.raises(OSError, match="full"):
        committer.commit(lambda at: Ping(at, "m"))
    listening.step(50 * SECOND)
    listening.close()
    listened(tmp_path, 50, 99.9)
    found = missed(tmp_path, 0, 100 * SECOND, judged=None)
    assert found is not None
    assert 50 * SECOND <= found.since < 50 * SECOND + 1_000_000
    assert found.until is None
    assert missed(tmp_path, 1, 300 * SECOND, judged=None) == Trouble(round(99.9 * SECOND), "restart")


def test_what_was_put_on_record_was_not_missed_a_second_time(tmp_path: Path) -> None:
    committer = Committer(lambda records: None, _Here(), Stamps(lambda: 50 * SECOND, 0), Trouble(40 * SECOND, "restart"))  # type: ignore[arg-type]  # all of a pool that is used
    listening = Listening(tmp_path, 0, committer, read)
    listening.step(50 * SECOND)
    listening.close()
    listened(tmp_path, 50, 99.9)
    assert missed(tmp_path, 0, 100 * SECOND, judged=None) == Trouble(50 * SECOND, "restart", until=51 * SECOND)


def test_what_the_clocks_read_stands_while_the_mark_stands(tmp_path: Path) -> None:
    now = 50.0
    committer = Committer(_full, _Here(), Stamps(lambda: round(now * SECOND), 0))  # type: ignore[arg-type]  # all of a pool that is used
    listening = Listening(tmp_path, 0, committer, lambda: read(now))
    listening.step(round(now * SECOND))
    assert read_reading(mark_path(tmp_path, 0)) == read(50)
    with pytest.raises(OSError, match="full"):
        committer.commit(lambda at: Ping(at, "m"))
    now = 60.0
    listening.step(round(now * SECOND))
    assert read_reading(mark_path(tmp_path, 0)) == read(50), "what came since is not on record"
    listening.close()


class _Here:
    def apply(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        return work(*arguments)


def _full(records: Sequence[bytes]) -> None:
    raise OSError("the disk is full")


def test_where_no_mark_can_be_read_the_rules_own_stands_in(tmp_path: Path) -> None:
    mark_path(tmp_path, 0).write_bytes(b"nonsense")
    assert missed(tmp_path, 0, 100 * SECOND, judged=70 * SECOND) == Trouble(70 * SECOND, "restart")


def test_a_mark_that_somebody_else_made_longer_is_repaired(tmp_path: Path) -> None:
    path = mark_path(tmp_path, 0)
    path.write_bytes(b"this was a longer file before")
    mark = Mark(path)
    mark.set(5)
    mark.close()
    assert read_mark(path) == 5
