"""Axes: round steps that hold all values, and hours as the reader's wall clock shows them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.axis import HOUR, Scale, scale, time_ticks
from store.model import SECOND, Ns


def at(text: str, zone: str = "UTC") -> Ns:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND


def test_a_scale_has_about_four_round_steps() -> None:
    assert scale([645.9, 1785, 1900]) == Scale(500, 2000, 500)
    assert scale([645.9, 1785, 1900]).ticks() == [500, 1000, 1500, 2000]


@pytest.mark.parametrize(("low", "high", "step"), [(0, 3.9, 1), (0, 7, 2), (0, 9.9, 2.5), (0, 19, 5), (0, 38, 10), (0.001, 0.0039, 0.001)])
def test_steps_are_1_2_2_5_or_5_times_a_power_of_ten(low: float, high: float, step: float) -> None:
    assert scale([low, high]).step == pytest.approx(step)


def test_no_data_reads_from_zero_to_one() -> None:
    assert (scale([]).low, scale([]).high) == (0, 1)


def test_zeros_read_from_zero_to_one() -> None:
    assert (scale([0, 0]).low, scale([0, 0]).high) == (0, 1)


def test_equal_values_lie_in_the_middle_third() -> None:
    for value in (5.0, -5.0, 1234.0, 1e-9):
        assert 1 / 3 < scale([value, value]).share(value) < 2 / 3


def test_data_that_is_never_negative_gets_no_negative_axis() -> None:
    assert scale([0.1, 0.1]).low >= 0 and scale([0, 50]).low == 0


def test_values_are_placed_from_the_top() -> None:
    assert [Scale(0, 100, 25).share(value) for value in (100, 75, 0, -50, 150)] == [0, 0.25, 1, 1, 0]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_float_finds_its_place(values: list[float]) -> None:
    axis = scale(values)
    assert axis.low < axis.high and 2 <= len(axis.ticks()) <= 7
    assert all(0 <= axis.share(value) <= 1 and math.isfinite(axis.share(value)) for value in values)


def test_six_hours_are_marked_by_the_hour() -> None:
    end = at("2026-11-23T18:30")
    assert [t.label for t in time_ticks(end - 6 * HOUR, end, UTC)] == ["13:00", "14:00", "15:00", "16:00", "17:00", "18:00"]


def test_midnight_is_marked_by_its_date() -> None:
    end = at("2026-11-23T08:17")
    labels = [t.label for t in time_ticks(end - 72 * HOUR, end, UTC)]
    assert labels == ["12:00", "21 Nov", "12:00", "22 Nov", "12:00", "23 Nov"]


@pytest.mark.parametrize("hours", [1, 6, 24, 72, 24 * 7])
def test_ticks_are_few_and_inside_the_range(hours: int) -> None:
    end = at("2026-11-23T18:30")
    ticks = time_ticks(end - hours * HOUR, end, ZoneInfo("Asia/Kathmandu"))
    assert 1 <= len(ticks) <= 7 and all(0 <= t.share <= 1 for t in ticks)


def test_hours_stay_on_the_wall_clock_when_summer_time_ends() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start, end = at("2026-10-24T12:00", "Europe/Berlin"), at("2026-10-25T12:00", "Europe/Berlin")
    assert end - start == 25 * HOUR
    ticks = time_ticks(start, end, berlin)
    assert [t.label for t in ticks] == ["12:00", "18:00", "25 Oct", "06:00", "12:00"]
    assert [round(t.share * 25) for t in ticks] == [0, 6, 12, 19, 25]


def test_an_hour_that_summer_time_skips_gets_no_mark() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = at("2026-03-29T00:30", "Europe/Berlin")
    assert [t.label for t in time_ticks(start, start + 5 * HOUR, berlin)] == ["01:00", "03:00", "04:00", "05:00", "06:00"]
