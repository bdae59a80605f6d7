"""Rows of samples, as promtool writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rules.rule_files.complaints import Place
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Unfit
from rules.trials import notation


def written(text: str) -> Scalar:
    return Scalar(Place(1, 1), text, "quoted")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("1", (1.0,)),
        ("10 150x2 90", (10.0, 150.0, 150.0, 150.0, 90.0)),
        ("-2+4x3", (-2.0, 2.0, 6.0, 10.0)),
        (" 1-2x4 ", (1.0, -1.0, -3.0, -5.0, -7.0)),
        ("1x4", (1.0,) * 5),
        ("1 _x3 2", (1.0, None, None, None, 2.0)),
        ("_ 1e3-1e2x1 .5x0", (None, 1000.0, 900.0, 0.5)),
        ("0.1+0.1x2", (0.1, 0.2, 0.30000000000000004)),
    ],
)
def test_numbers_expand_as_in_promtool(text: str, row: tuple[float | None, ...]) -> None:
    assert notation.numbers(written(text)) == row


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("1x2 0 _ start", ("success", "success", "success", "fail", None, "start")),
        ("success fail startx1 log", ("success", "fail", "start", "start", "log")),
    ],
)
def test_pings_say_what_was_reported(text: str, row: tuple[str | None, ...]) -> None:
    assert notation.pings(written(text)) == row


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("idlex2 _ busy", ("idle", "idle", "idle", None, "busy")),
        ('"in progress"x1 "maxx2" 7 x', ("in progress", "in progress", "maxx2", "7", "x")),
        ('""', ("",)),
    ],
)
def test_texts_are_words_or_quoted(text: str, row: tuple[str | None, ...]) -> None:
    assert notation.texts(written(text)) == row


@pytest.mark.parametrize(
    ("read", "text", "sentence"),
    [
        (notation.numbers, "1 1,2", "has `1,2`; samples have spaces between them, and no commas"),
        (notation.numbers, "1 stale", "has `stale`, which Lastbeat knows nothing of; where no sample comes, write _"),
        (notation.numbers, "1+2", "has `1+2`, which says by how much it grows, and not how often; write it as in `1+2x3`"),
        (notation.numbers, "_+1x3", "has `_+1x3`; missing samples are written _ or _x3"),
        (notation.numbers, "NaN", "has `NaN`, which is no sample; write numbers as in `10 150x2 _x3 70+5x4`"),
        (notation.numbers, "1e999", "has `1e999`, which becomes more than a number can be"),
        (notation.numbers, "1e308+1e308x3", "has `1e308+1e308x3`, which becomes more than a number can be"),
        (notation.numbers, "1x99999 1", "has more than 100,000 samples"),
        (notation.numbers, "_x999999999", "has more than 100,000 samples"),
        (notation.pings, "2", "has `2`, which is no ping; there are 1 (success), 0 (fail), start, log, and _ for none"),
        (
            notation.texts,
            '"a" "b',
            'has a quote that is never closed, or that more follows; write texts as in `idle "in progress"x2`',
        ),
        (
            notation.texts,
            '"a"b',
            'has a quote that is never closed, or that more follows; write texts as in `idle "in progress"x2`',
        ),
    ],
)
def test_what_is_no_row_is_refused_with_a_sentence(read: Callable[[Scalar], Any], text: str, sentence: str) -> None:
    with pytest.raises(Unfit) as refused:
        read(written(text))
    assert str(refused.value) == sentence


def test_an_empty_row_is_refused() -> None:
    with pytest.raises(Unfit, match=r"^is empty; write samples, as in `10 150x2 _x3 70`$"):
        notation.row_of(notation.numbers)(written("  "))


@given(some.lists(some.one_of(some.none(), some.floats(allow_nan=False, allow_infinity=False, width=32)), min_size=1))
def test_every_row_can_be_written_out(row: list[float | None]) -> None:
    assert notation.numbers(written(" ".join("_" if value is None else repr(value) for value in row))) == tuple(row)


@given(some.text())
def test_any_text_is_a_row_or_refused(text: str) -> None:
    for read in (notation.numbers, notation.pings, notation.texts):
        try:
            assert isinstance(read(written(text)), tuple)
        except Unfit:
            continue
