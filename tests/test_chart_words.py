"""Numbers, durations and instants as people read them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from dashboards import words
from store.model import SECOND

NOW = 1_795_000_000 * SECOND


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (59.704, "59.7"),
        (1281.4, "1281"),
        (9999.4, "9999"),
        (9999.6, "10k"),
        (12345, "12.3k"),
        (123456, "123k"),
        (999_999, "1M"),
        (1_234_567, "1.23M"),
        (2.5e9, "2.5G"),
        (7e12, "7T"),
        (1e15, "1e+15"),
        (-12345, "-12.3k"),
        (0.00001234, "1.234e-05"),
        (1.7e308, "1.7e+308"),
        (0.1 + 0.2, "0.3"),
    ],
)
def test_numbers_keep_four_digits_or_three_and_a_suffix(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(1900.0, "1900"), (0.1, "0.1"), (-3.0, "-3"), (1e300, "1e+300"), (1234567.25, "1234567.25")])
def test_plain_numbers_lose_nothing(value: float, text: str) -> None:
    assert words.plain(value) == text


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (1500, 500, "1500"),
        (2.5, 2.5, "2.5"),
        (5, 2.5, "5"),
        (0, 0.5, "0"),
        (0.3, 0.1, "0.3"),
        (12500, 2500, "12.5k"),
        (100_010, 10, "100.01k"),
        (100_000, 10, "100k"),
        (0.00002, 0.00001, "2e-05"),
        (-20, 10, "-20"),
    ],
)
def test_axis_labels_differ_from_their_neighbours(value: float, step: float, text: str) -> None:
    assert words.tick(value, step) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "250 ms"),
        (42, "42 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (10_800, "3 h"),
        (10_801, "3 h"),
        (11_000, "3 h 3 min"),
        (86_400, "1 d"),
        (190_000, "2 d 4 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "now"), (42, "42 s ago"), (-185, "in 3 min"), (97_200, "27 h ago"), (400_000, "4 d ago")]
)
def test_instants_are_told_from_now(seconds: float, text: str) -> None:
    assert words.relative(NOW - int(seconds * SECOND), NOW) == text


def test_an_instant_is_written_in_the_readers_zone() -> None:
    assert words.clock(NOW, ZoneInfo("Europe/Berlin")) == "18 Nov 2026, 12:06:40 CET"
