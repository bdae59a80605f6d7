from __future__ import annotations

import pytest

from lastbeat.commands.columns import show_facts, table, visible

ROWS = [["1", "backup of everything", "up"], ["22", "web", "down"]]


def test_columns_are_as_wide_as_their_widest_text() -> None:
    assert table(["ID", "NAME", "STATUS"], ROWS, [1], None) == [
        "ID  NAME                  STATUS",
        "1   backup of everything  up",
        "22  web                   down",
    ]


def test_names_give_way_where_a_line_is_too_long() -> None:
    assert table(["ID", "NAME", "STATUS"], ROWS, [1], 24) == ["ID  NAME          STATUS", "1   backup of e…  up", "22  web           down"]


def test_a_line_that_cannot_be_short_enough_keeps_a_piece_of_each_name() -> None:
    assert table(["ID", "NAME", "STATUS"], ROWS, [1], 5)[1] == "1   backup …  up"


def test_of_two_texts_the_longer_one_gives_way() -> None:
    assert table(["A", "B"], [["a" * 30, "b" * 12]], [0, 1], 30)[1] == "a" * 15 + "…  " + "b" * 12


def test_facts_stand_below_each_other_and_empty_ones_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts([("Id", "1"), ("Longest name", ""), ("Name", "job\n")])
    assert capsys.readouterr().out == "Id    1\nName  job�\n"


def test_what_would_move_a_cursor_is_not_shown() -> None:
    assert visible("a\x1b[31m\r\nÜ✓") == "a�[31m��Ü✓"
