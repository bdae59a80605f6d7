"""One metric's chart: what is drawn, what is left out, and what the numbers beside it say."""

from __future__ import annotations

from datetime import UTC

import pytest

from dashboards.axis import HOUR
from dashboards.chart import Frame, Limit, draw
from store.model import SECOND, Bucket, Ns

MINUTE: Ns = 60 * SECOND
END: Ns = 1_795_003_200 * SECOND
FRAME = Frame(start=END - 6 * HOUR, end=END, width=MINUTE, interval=MINUTE, zone=UTC)


def bucket(minutes_ago: int, avg: float, spread: float = 0, count: int = 1) -> Bucket:
    return Bucket(END - minutes_ago * MINUTE, avg, avg - spread, avg + spread, count)


def test_neighbouring_buckets_are_one_smooth_line() -> None:
    line = draw("load", [bucket(9, 1), bucket(8, 2), bucket(7, 1)], FRAME).line
    assert line.count("M") == 1 and line.count("C") == 2


def test_no_word_stands_at_the_edge_of_the_time_axis() -> None:
    labels = [label.text for label in draw("load", [bucket(9, 1)], FRAME).x_labels]
    assert labels == ["07:00", "08:00", "09:00", "10:00", "11:00"], "06:00 and 12:00 are the edges"


def test_a_gap_cuts_the_line() -> None:
    line = draw("load", [bucket(9, 1), bucket(8, 2), bucket(5, 1), bucket(4, 1)], FRAME).line
    assert line.count("M") == 2 and line.count("C") == 2


def test_a_slow_rhythm_is_no_gap() -> None:
    hourly = Frame(FRAME.start, FRAME.end, MINUTE, HOUR, UTC)
    assert draw("load", [bucket(180, 1), bucket(120, 2), bucket(60, 1)], hourly).line.count("M") == 1


def test_a_run_of_one_point_is_still_drawn() -> None:
    drawn = draw("load", [bucket(9, 1), bucket(5, 2), bucket(4, 2)], FRAME)
    assert drawn.line.count("M") == 2 and drawn.line.count("C") == 2 and drawn.band.count("M") == 1
    assert drawn.lone.count("M") == 1 and drawn.line.startswith(drawn.lone)


def test_a_single_point_is_a_dot_with_numbers() -> None:
    drawn = draw("load", [bucket(1, 7)], FRAME)
    assert drawn.line.startswith("M") and drawn.stats is not None and drawn.stats.now == "7"


def test_equal_values_are_a_level_line_inside_the_plot() -> None:
    line = draw("load", [bucket(m, 42) for m in (3, 2, 1)], FRAME).line
    heights = {int(n) for n in line.replace("M", " ").replace("C", " ").split()[1::2]}
    assert len(heights) == 1 and 300 < heights.pop() < 700


def test_zeros_lie_on_the_floor() -> None:
    drawn = draw("errors", [bucket(2, 0), bucket(1, 0)], FRAME)
    assert drawn.line.endswith(" 1000") and drawn.y_labels[0].text == "0" and drawn.y_labels[0].place == "100.00%"


def test_no_data_draws_no_line_and_tells_no_numbers() -> None:
    drawn = draw("load", [], FRAME)
    assert (drawn.line, drawn.band, drawn.stats) == ("", "", None)


def test_the_band_spans_the_extremes_of_each_bucket() -> None:
    drawn = draw("load", [bucket(2, 50, spread=50), bucket(1, 50, spread=50)], FRAME)
    assert set(drawn.band.replace("M", " ").replace("L", " ").replace("Z", "").split()[1::2]) == {"0", "1000"}


def test_a_threshold_outside_the_data_is_still_on_the_chart() -> None:
    (line,) = draw("load", [bucket(2, 10), bucket(1, 12)], FRAME, [Limit(">", 100)]).lines
    assert 0 <= line.y < 1000 and line.label.text == "alert > 100"


def test_a_threshold_at_the_top_has_its_label_below() -> None:
    high, low = draw("load", [bucket(1, 10)], FRAME, [Limit(">", 100), Limit("<", 1)]).lines
    assert (high.y, high.below, low.below) == (0, True, False)


def test_down_periods_are_clipped_to_the_range_and_explained() -> None:
    frame = Frame(FRAME.start, FRAME.end, MINUTE, MINUTE, UTC, ((FRAME.start - HOUR, FRAME.start + HOUR), (0, HOUR), (END - 3 * HOUR, END)))
    early, late = draw("load", [], frame).downs
    assert (early.x, early.width) == (0, 667) and (late.x, late.width) == (2000, 2000)
    assert early.title.startswith("Down for 2 h: ")


def test_a_short_outage_at_the_edge_stays_visible_inside_the_plot() -> None:
    frame = Frame(FRAME.start, FRAME.end, MINUTE, MINUTE, UTC, ((END - SECOND, END),))
    (down,) = draw("load", [], frame).downs
    assert down.width == 8 and down.x + down.width == 4000


def test_buckets_that_stick_out_of_the_range_are_drawn_at_its_edge() -> None:
    drawn = draw("load", [Bucket(FRAME.start - MINUTE, 1, 1, 1, 1), Bucket(END - SECOND, 2, 2, 2, 1)], FRAME)
    assert drawn.line.startswith("M0 ") and drawn.data["t"] == [FRAME.start // SECOND, END // SECOND]


def test_the_average_counts_samples_not_buckets() -> None:
    drawn = draw("load", [bucket(2, 10, count=3), bucket(1, 20)], FRAME)
    assert drawn.stats is not None and drawn.stats.avg == "12.5"


def test_now_is_the_latest_value_where_it_is_known() -> None:
    assert [s.now for s in (draw("load", [bucket(1, 10)], FRAME, latest=latest).stats for latest in (None, 11.5)) if s] == ["10", "11.5"]


def test_the_data_block_holds_what_a_tooltip_reads() -> None:
    data = draw("load", [bucket(2, 1234.5678, spread=0.5), bucket(1, 3)], FRAME).data
    assert data["v"] == [1234.6, 3] and data["lo"] == [1234.1, 3] and data["hi"] == [1235.1, 3]
    assert data["t"] == [END // SECOND - 90, END // SECOND - 30] and (data["t0"], data["t1"]) == (FRAME.start // SECOND, END // SECOND)


@pytest.mark.parametrize("value", [1.7e308, -1.7e308, 5e-324])
def test_the_largest_and_smallest_floats_can_be_drawn(value: float) -> None:
    assert draw("load", [bucket(2, 0), bucket(1, value)], FRAME, [Limit("<", -value)]).line.count("C") == 1
