from __future__ import annotations

from pathlib import Path

import pytest

from store.inbox import last_reading, mark_path
from store.mark import Mark, Reading, read_mark, read_reading


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


def test_a_mark_tells_what_the_clocks_read_until_they_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "0.alive"
    assert read_reading(path) is None
    mark = Mark(path)
    mark.set(1_700_000_000_000_000_000)
    assert read_reading(path) is None
    for reading in (Reading(1_699_999_999_000_000_000, 5, 3_600_000_000_000, 6, "b" * 36), Reading(7, 8, 9, 0, "another-start")):
        mark.set(1_700_000_000_000_000_001, reading)
        mark.set(1_700_000_000_000_000_002)
        assert read_reading(path) == reading
        assert read_mark(path) == 1_700_000_000_000_000_002
    mark.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "5",
        "5 4 7",
        "9 5 6 seven 8 start\n",
        "9 5 6 7 8 9 start\n",
        "\u00e9 5 6 7 8 start\n",
        "9 10 6 7 8 start\n",
        "9 5 6 -7 8 start\n",
    ],
)
def test_what_is_no_reading_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "0.alive"
    path.write_text(text)
    assert read_reading(path) is None


def test_what_somebody_else_left_behind_a_reading_does_not_hide_it(tmp_path: Path) -> None:
    path = tmp_path / "0.alive"
    path.write_bytes(b"\xff" * 300)
    mark = Mark(path)
    mark.set(9, Reading(8, 7, 6, 5, "start"))
    mark.close()
    assert (read_mark(path), read_reading(path)) == (9, Reading(8, 7, 6, 5, "start"))


def test_of_several_workers_the_newest_mark_tells(tmp_path: Path) -> None:
    assert last_reading(tmp_path) is None
    for slot, at in ((0, 50), (1, 70), (2, 60)):
        mark = Mark(mark_path(tmp_path, slot))
        mark.set(at, Reading(at, slot, 0, 0, ""))
        mark.close()
    assert last_reading(tmp_path) == Reading(70, 1, 0, 0, "")
