"""The slots of a while are those that are found one by one."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cron import Slot, slot_after
from rules.doctor import timetable
from rules.doctor.timetable import Timetable
from store.instant import from_iso
from store.model import SECOND, Ns

DAY: Ns = 86_400 * SECOND
MINUTES = ("0", "30", "*/5", "*", "7,37", "*/20")
HOURS = ("2", "*", "1-3", "*/6", "0", "23", "0-22/3")
DAYS = ("* * *", "* * 1-5", "1 * *", "L * *", "* * 1#2", "13 * 5", "* 2 *")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Scoresbysund", "Asia/Kolkata", "Africa/Casablanca", "Pacific/Apia")
CRONS = st.builds("{} {} {}".format, st.sampled_from(MINUTES), st.sampled_from(HOURS), st.sampled_from(DAYS))
STARTS = st.integers(from_iso("2026-01-01"), from_iso("2027-01-01"))


def one_by_one(cron: str, zone: str, start: Ns, end: Ns) -> list[Slot]:
    slots = [slot_after(cron, zone, start)]
    while slots[-1].at <= end:
        slots.append(slot_after(cron, zone, slots[-1].at))
    return slots


@settings(deadline=None)
@given(crons=st.lists(CRONS, min_size=1, max_size=2), zone=st.sampled_from(ZONES), start=STARTS, hours=st.integers(0, 24 * 30))
def test_all_slots_of_a_while_come_with_their_distances(crons: list[str], zone: str, start: Ns, hours: int) -> None:
    cron = "; ".join(crons)
    end = start + hours * 3_600 * SECOND
    table = Timetable(cron, zone, start, end)
    expected = list(islice(one_by_one(cron, zone, start, end), 300))
    assert table.slots[:300] == expected[: len(table.slots)]
    assert len(table.slots) == len(expected) or len(expected) == 300


@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "30 2 * * *; 45 3 * * *", "*/30 * * * *", "0 3 * * 0", "15 0 * * 1"])
def test_a_month_around_a_change_of_clocks_is_right_to_the_minute(cron: str, change: str) -> None:
    start = from_iso(change) - 15 * DAY
    table = Timetable(cron, "Europe/Berlin", start, start + 30 * DAY)
    assert table.slots == one_by_one(cron, "Europe/Berlin", start, start + 30 * DAY)


def test_any_instant_may_be_asked_for() -> None:
    start = from_iso("2026-11-01")
    table = Timetable("0 2 * * *", "UTC", start, start + 3 * DAY)
    for instant in (start - DAY, start, start + 2 * 3_600 * SECOND, start + DAY, start + 3 * DAY, start + 90 * DAY):
        assert table.after(instant) == slot_after("0 2 * * *", "UTC", instant)


def test_a_schedule_that_cannot_be_computed_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="a cron expression has five fields"):
        Timetable("0 2", "UTC", 0, DAY)


def test_the_way_from_slot_to_slot_is_seldom_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counting(*args: Any) -> Slot:
        asked.append(args)
        return slot_after(*args)

    monkeypatch.setattr(timetable, "slot_after", counting)
    start = from_iso("2026-11-01")
    assert len(Timetable("*/5 * * * *", "Europe/Berlin", start, start + 30 * DAY).slots) == 30 * 288 + 1
    assert len(asked) < 5
