"""The schedule doctor's pictures, as parts of an SVG."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest
from histories import NOON, daily, regular
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.chart import HEIGHT, WIDTH
from dashboards.looking_back import Picture, picture
from rules.doctor import diagnose
from store.model import SECOND, Ns, Schedule

UTC = ZoneInfo("UTC")
LATE = regular(60, 7, 1, late=0.02, by=40)


def drawn(schedule: Schedule, arrivals: list[Ns]) -> Picture:
    found = picture(diagnose(schedule, arrivals, [], NOON), UTC)
    assert found is not None
    return found


def lines(found: Picture) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in found.lines]


def test_of_an_interval_the_times_between_pings_are_drawn_with_its_limits() -> None:
    found = drawn(Schedule(60, 30), LATE)
    assert found.title == "How long pings stayed away"
    assert lines(found) == [
        ("now", "expected after 1 min"),
        ("alarm", "alarm after 1 min + 30 s"),
        ("better", "suggested: alarm after 1 min + 1 min"),
    ]
    places = [line.x for line in found.lines]
    assert places == sorted(places) and places[0] >= 0 and places[-1] <= WIDTH
    assert [line.row for line in found.lines] == [0, 1, 2]  # so that no name lies upon another
    assert found.description.startswith(
        "10,004 times between pings, from 59 s to 1 min 41 s: half of them up to 1 min. Expected after 1 min. Alarm after 1 min + 30 s."
    )


def test_each_time_between_pings_is_in_one_bar() -> None:
    found = drawn(Schedule(60, 30), LATE)
    counts = [int(match[1].replace(",", "")) for bar in found.bars if (match := re.match(r"([\d,]+) times? ", bar.title))]
    assert sum(counts) == len(LATE) - 1
    assert all(bar.y + bar.height == HEIGHT and 0 <= bar.x <= WIDTH - bar.width for bar in found.bars)
    assert [bar.height for bar in sorted(found.bars, key=lambda bar: bar.height)] == sorted(bar.height for bar in found.bars)
    assert min(bar.height for bar in found.bars) >= 25  # one among thousands is seen
    assert [label.text for label in found.y_labels] == ["1×", "10×", "100×", "1,000×"]
    most = drawn(Schedule(60, 30), regular(60, 7)).y_labels[-1]
    assert most.text == "10k×"  # five digits would not fit beside the picture on a phone


def test_very_different_times_get_a_scale_of_multiples() -> None:
    wide = sorted([*regular(60, 1), NOON - 20 * 86_400 * SECOND])
    assert [label.text for label in drawn(Schedule(60, 30), wide).x_labels] == ["1 min", "10 min", "1 h", "6 h", "1 d", "7 d"]
    assert [label.text for label in drawn(Schedule(60, 30), regular(60, 1, 5)).x_labels] == ["1 min", "1 min 15 s", "1 min 30 s"]


def test_neighbours_on_the_axis_read_differently() -> None:
    found = drawn(Schedule(86_400, 3_600), daily(["02:03"], 28))
    assert [label.text for label in found.x_labels] == ["1 d", "1 d 30 min", "1 d 1 h"]


def test_of_slots_each_ping_is_drawn_by_its_distance_the_newest_at_the_bottom() -> None:
    found = drawn(Schedule(grace=3_600, cron="0 2 * * *"), daily(["02:10"], 28, jitter=600))
    dots = [tuple(map(int, dot)) for dot in re.findall(r"M(\d+) (\d+)h0", found.dots)]
    assert len(dots) == 28 and not found.bars
    assert [y for _, y in dots] == sorted(y for _, y in dots)
    assert lines(found) == [("now", "the schedule"), ("alarm", "alarm after 1 h")]
    schedule, alarm = (line.x for line in found.lines)
    assert found.allowed == (schedule, alarm)
    assert all(schedule < x < alarm for x, _ in dots)
    assert [label.text for label in found.y_labels] == ["29 Oct", "25 Nov"]
    assert found.description == (
        "28 pings, from +10 min 16 s to +19 min 57 s; 0 of them came before a time of the schedule. An alarm comes after 1 h."
    )


def test_a_suggested_zone_is_drawn_where_its_slots_are() -> None:
    found = drawn(Schedule(grace=1_800, cron="0 2 * * *"), daily(["02:00"], 28, "Europe/Berlin"))
    assert lines(found)[-1] == ("better", "suggested: in Europe/Berlin")
    assert found.lines[-1].x < found.lines[0].x
    assert "28 of them came before a time of the schedule" in found.description


def test_a_grace_beyond_all_pings_does_not_squeeze_them() -> None:
    found = drawn(Schedule(grace=43_200, cron="0 2 * * *"), daily(["02:03"], 28))
    assert [line.kind for line in found.lines] == ["now", "better"]
    assert found.allowed is not None and found.allowed[1] == WIDTH


def test_many_pings_are_thinned() -> None:
    found = drawn(Schedule(grace=600, cron="0 */2 * * *"), sorted(at + n * SECOND for at in regular(7_200, 29) for n in range(5)))
    assert 500 < found.dots.count("M") <= 1_000


@pytest.mark.parametrize("arrivals", [[], [NOON - SECOND], [NOON - 2 * SECOND, NOON - SECOND]])
def test_too_little_is_no_picture(arrivals: list[Ns]) -> None:
    assert picture(diagnose(Schedule(60, 30), arrivals, [], NOON), UTC) is None


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 200_000), min_size=3, max_size=40),
    st.sampled_from((Schedule(60, 0), Schedule(86_400, 3_600), Schedule(grace=60, cron="0 2 * * *"), Schedule(grace=0, cron="* * * * *"))),
)
def test_whatever_came_all_is_within_the_frame(pauses: list[int], schedule: Schedule) -> None:
    at, arrivals = NOON - sum(pauses) * SECOND // 8, []
    for pause in pauses:
        at += pause * SECOND // 8
        arrivals.append(at)
    found = picture(diagnose(schedule, arrivals, [], NOON), UTC)
    assert found is not None
    for label in (*found.x_labels, *found.y_labels):
        assert label.text and -5 <= float(label.place.rstrip("%")) <= 105
    for line in found.lines:
        assert 0 <= line.x <= WIDTH
    assert "nan" not in f"{found}" and len(found.x_labels) <= 8
