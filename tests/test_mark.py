from __future__ import annotations

import time
from pathlib import Path

from store.mark import Mark, lead_of, read_mark
from store.model import SECOND


def test_a_mark_is_what_was_set_last(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "0.alive")
    mark.set(1_700_000_000_000_000_000)
    mark.set(5)
    assert read_mark(tmp_path / "0.alive") == 5
    mark.close()


def test_no_mark_and_an_empty_mark_are_none(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "0.alive") is None
    (tmp_path / "0.alive").write_bytes(b"")
    assert read_mark(tmp_path / "0.alive") is None


def test_a_mark_knows_by_how_much_it_was_ahead_of_the_clock_on_the_wall(tmp_path: Path) -> None:
    path = tmp_path / "0.alive"
    assert lead_of(path) == 0
    mark = Mark(path)
    for ahead in (3_600, -3_600):
        mark.set(time.time_ns() + ahead * SECOND)
        assert max(0, ahead - 1) * SECOND <= lead_of(path) <= max(0, ahead + 1) * SECOND
    mark.close()
