"""The line of a chart: smooth, honest at its peaks, and made of whole-number Bezier commands."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dashboards.curve import curve, ribbon

Segment = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]


def segments(path: str) -> list[Segment]:
    """Each Bezier segment as (from, control, control, to)."""
    numbers = [int(n) for n in re.findall(r"-?\d+", path)]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    return [(points[i], points[i + 1], points[i + 2], points[i + 3]) for i in range(0, len(points) - 1, 3)]


def test_two_points_make_one_straight_curve() -> None:
    assert curve([(0, 0), (300, 600)]) == "M0 0C100 200 200 400 300 600"


def test_a_single_point_is_a_curve_of_no_length() -> None:
    assert curve([(7, 9)]) == "M7 9C7 9 7 9 7 9"


def test_nothing_draws_nothing() -> None:
    assert curve([]) == "" and ribbon([], []) == ""


def test_a_peak_is_flat_at_its_top() -> None:
    rising, falling = segments(curve([(0, 1000), (100, 0), (200, 1000)]))
    assert rising[2] == (67, 0) and falling[1] == (133, 0)


def test_equal_values_stay_level() -> None:
    assert {y for segment in segments(curve([(0, 500), (10, 500), (20, 500)])) for _, y in segment} == {500}


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60), st.integers(1, 50))
def test_the_line_never_leaves_the_range_of_two_neighbours(values: list[int], distance: int) -> None:
    for (_, y0), (_, c0), (_, c1), (_, y1) in segments(curve([(i * distance, y) for i, y in enumerate(values)])):
        assert min(y0, y1) <= c0 <= max(y0, y1) and min(y0, y1) <= c1 <= max(y0, y1)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60))
def test_the_line_passes_through_every_point(values: list[int]) -> None:
    run = [(i * 11, y) for i, y in enumerate(values)]
    path = segments(curve(run))
    assert [path[0][0], *(segment[3] for segment in path)] == run


def test_a_ribbon_goes_out_along_the_maxima_and_back_along_the_minima() -> None:
    assert ribbon([(0, 1), (10, 2)], [(0, 8), (10, 9)]) == "M0 1L10 2L10 9L0 8Z"


def test_a_ribbon_needs_two_points() -> None:
    assert ribbon([(0, 1)], [(0, 8)]) == ""
