from __future__ import annotations

from pathlib import Path

from store.mark import Mark, read_mark


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
