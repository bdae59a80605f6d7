from __future__ import annotations

import pytest

from rules.doctor import clocks
from store.instant import from_iso, iso
from store.model import SECOND, Ns

OCTOBER: Ns = from_iso("2026-10-20")
NOVEMBER: Ns = from_iso("2026-11-20")


def test_what_the_clock_shows_and_how_far_it_is_ahead() -> None:
    assert clocks.wall("Asia/Kathmandu", 0) == clocks.ahead("Asia/Kathmandu", 0) == 19_800  # it was 5:30 then
    assert [clocks.ahead("Europe/Berlin", at) for at in (OCTOBER, NOVEMBER)] == [7_200, 3_600]
    assert clocks.wall("America/New_York", NOVEMBER + SECOND - 1) == NOVEMBER // SECOND - 5 * 3_600


@pytest.mark.parametrize(("zone", "change"), [("Europe/Berlin", "2026-10-25T01:00"), ("America/New_York", "2026-11-01T06:00")])
def test_when_clocks_were_changed(zone: str, change: str) -> None:
    assert iso(clocks.change(zone, OCTOBER, NOVEMBER)) == f"{change}:00.000Z"


def test_zones_that_keep_summer_time_change_and_others_do_not() -> None:
    changing = set(clocks.changing(OCTOBER, NOVEMBER))
    assert {"Europe/Berlin", "Europe/London", "America/New_York"} <= changing
    assert not {"UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"} & changing


@pytest.mark.parametrize(("seconds", "name"), [(0, "UTC"), (3_600, "UTC+1"), (20_700, "UTC+5:45"), (-12_600, "UTC-3:30")])
def test_offsets_are_named(seconds: int, name: str) -> None:
    assert clocks.offset_name(seconds) == name


def test_all_well_known_zones_are_known_here() -> None:
    assert tuple(clocks.zones()) == clocks.WELL_KNOWN


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_a_zone_that_is_not_known_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="is not known"):
        clocks.ahead(zone, 0)


def test_a_day_may_be_turned_so_that_it_begins_where_nothing_happens() -> None:
    assert clocks.quietest([23 * 3_600, 86_400 + 3_600]) == 12 * 3_600
    assert clocks.quietest([100]) == 43_300
