from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from rules import cron as crons
from rules.cron import LIMIT, check, normal, slot_after
from store.model import SECOND, Ns

BERLIN = "Europe/Berlin"
LORD_HOWE = "Australia/Lord_Howe"  # its summer time is half an hour
MINUTE: Ns = 60 * SECOND


def _at(text: str, zone: str = "UTC", fold: int = 0) -> Ns:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * SECOND


def _clock(at: Ns, zone: str) -> datetime:
    return datetime.fromtimestamp(at // SECOND, ZoneInfo(zone)).replace(tzinfo=None)


def _slots(cron: str, zone: str, start: Ns, count: int) -> list[Ns]:
    found = [start]
    for _ in range(count):
        found.append(slot_after(cron, zone, found[-1]).at)
    return found[1:]


@pytest.mark.parametrize(
    ("instant", "slot"),
    [
        ("2026-11-23 01:59:59", "2026-11-23 02:00"),
        ("2026-11-23 02:00:00", "2026-11-24 02:00"),
        ("2026-11-23 02:00:01", "2026-11-24 02:00"),
        ("2026-12-31 13:00:00", "2027-01-01 02:00"),
    ],
)
def test_a_slot_comes_strictly_after(instant: str, slot: str) -> None:
    assert slot_after("0 2 * * *", "UTC", _at(instant)).at == _at(slot)
    assert slot_after("0 2 * * *", "UTC", _at(instant) + 1).at == _at(slot)


def test_slots_are_those_of_the_time_zone() -> None:
    assert slot_after("0 2 * * *", "Asia/Kolkata", _at("2026-11-23 12:00")).at == _at("2026-11-23 20:30")


@pytest.mark.parametrize(
    ("cron", "instant", "minutes"),
    [
        ("0 2 * * *", "2026-11-24 08:30", 1_440),
        ("*/5 * * * *", "2026-11-24 08:30", 5),
        ("0,5 9 * * *", "2026-11-24 08:30", 1_435),
        ("0,5 9 * * *", "2026-11-24 09:02", 5),
        ("0 9 * * MON-FRI", "2026-11-22 08:30", 3 * 1_440),
    ],
)
def test_the_distance_is_that_from_the_slot_before(cron: str, instant: str, minutes: int) -> None:
    assert slot_after(cron, BERLIN, _at(instant, BERLIN)).distance == minutes * MINUTE


def test_a_daily_job_in_berlin_has_a_slot_a_day_through_both_clock_changes() -> None:
    slots = _slots("30 2 * * *", BERLIN, _at("2026-01-01 02:30", BERLIN), 364)
    clocks = [_clock(slot, BERLIN) for slot in slots]
    assert [clock.date() for clock in clocks] == [date(2026, 1, 2) + timedelta(days=n) for n in range(364)]
    assert {f"{clock:%H:%M}" for clock in clocks if clock.date() != date(2026, 3, 29)} == {"02:30"}
    assert _at("2026-03-29 01:00") in slots, "02:30 does not exist that day: 03:00 summer time it is"
    assert _at("2026-10-25 00:30") in slots, "02:30 comes twice that day: the first time it is"


@pytest.mark.parametrize("instant", ["00:30", "00:59", "01:00", "01:15", "01:30", "01:45"])
def test_the_repeated_hour_has_no_second_slot_of_a_daily_job(instant: str) -> None:
    assert slot_after("30 2 * * *", BERLIN, _at(f"2026-10-25 {instant}")).at == _at("2026-10-26 01:30")


def test_an_hourly_job_in_berlin_knows_25_and_23_hours() -> None:
    for start in ("2026-10-24 20:00", "2026-03-28 20:00"):
        assert _slots("0 * * * *", BERLIN, _at(start), 12) == [_at(start) + n * 60 * MINUTE for n in range(1, 13)]


def test_a_job_that_follows_the_clock_is_left_out_with_its_hour_and_comes_twice_with_it() -> None:
    assert _slots("*/30 2 * * *", BERLIN, _at("2026-03-28 02:30", BERLIN), 1) == [_at("2026-03-30 02:00", BERLIN)]
    assert _slots("*/30 2 * * *", BERLIN, _at("2026-10-24 02:30", BERLIN), 5) == [
        _at("2026-10-25 00:00"),
        _at("2026-10-25 00:30"),
        _at("2026-10-25 01:00"),
        _at("2026-10-25 01:30"),
        _at("2026-10-26 01:00"),
    ]


def test_half_an_hour_of_summer_time_on_lord_howe() -> None:
    assert _slots("15 2 * * *", LORD_HOWE, _at("2026-10-02 02:15", LORD_HOWE), 3) == [
        _at("2026-10-03 02:15", LORD_HOWE),
        _at("2026-10-04 02:30", LORD_HOWE),  # 02:15 does not exist
        _at("2026-10-05 02:15", LORD_HOWE),
    ]
    first, second = _at("2026-04-05 01:45", LORD_HOWE), _at("2026-04-05 01:45", LORD_HOWE, fold=1)
    following = _at("2026-04-06 01:45", LORD_HOWE)
    assert _slots("45 1 * * *", LORD_HOWE, first - MINUTE, 2) == [first, following]
    assert _slots("45 * 5 4 *", LORD_HOWE, first - MINUTE, 2) == [first, second]


def test_utc_has_no_clock_changes() -> None:
    assert _slots("30 2 * * *", "UTC", _at("2026-03-28 02:30"), 2) == [_at("2026-03-29 02:30"), _at("2026-03-30 02:30")]


def test_a_leap_day_is_waited_for() -> None:
    assert _slots("0 0 29 2 *", "UTC", _at("2026-11-23 00:00"), 2) == [_at("2028-02-29 00:00"), _at("2032-02-29 00:00")]


def test_a_midnight_that_clocks_skip_ends_nothing() -> None:
    assert slot_after("23 * 26,27 * 5,6", "America/Scoresbysund", _at("2032-03-28 02:40")).at == _at("2032-04-02 01:23")
    assert slot_after("*/30 0 * * *", "Africa/Cairo", _at("2026-04-23 12:00")).at == _at("2026-04-25 00:00", "Africa/Cairo")
    assert slot_after("30 0 * * *", "Africa/Cairo", _at("2026-04-23 12:00")).at == _at("2026-04-24 01:00", "Africa/Cairo")


@pytest.mark.parametrize(
    "cron", ["0 2 * * *", "*/5 * * * *", "0 0 29 2 *", "0 9 * * MON-FRI", "0 0 L * *", "0 0 LW * *", "0 0 * * 5#3", "0 0 30 2 MON"]
)
def test_these_expressions_are_accepted(cron: str) -> None:
    assert check(cron, BERLIN) is None


@pytest.mark.parametrize(
    ("cron", "what"),
    [
        ("61 * * * *", "'61 * * * *' has a bad minute; its fields are minute (0-59)"),
        ("0 24 * * *", "bad hour"),
        ("0 0 0 * *", "bad day-of-month"),
        ("0 0 32 1 *", "bad day-of-month"),
        ("0 0 1 13 *", "bad month"),
        ("0 0 30 13 *", "bad month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("a b c d e", "bad minute"),
        ("", "'' has 0"),
        ("@daily", "'@daily' has 1"),
        ("* * * *", "has 4"),
        ("0 0 2 * * *", "has 6"),
        ("0 0 30 2 *", "'0 0 30 2 *' names a date that never comes"),
        ("0 0 31 4,6 *", "never comes"),
        ("0 0 */29 2 5#5", "never comes"),
        ("0," * 50 + "0 * * * *", "109 characters; at most 100"),
    ],
)
def test_other_expressions_are_refused_with_a_sentence(cron: str, what: str) -> None:
    assert what in str(check(cron, "UTC"))
    with pytest.raises(ValueError, match="cron expression"):
        slot_after(cron, "UTC", 0)


WORKDAYS = "0 2 * * 1-5; 0 8 * * 6,0"


def test_the_slots_of_several_expressions_count_together() -> None:
    friday = _at("2026-11-20 02:00", BERLIN)
    days = [_at(text, BERLIN) for text in ("2026-11-21 08:00", "2026-11-22 08:00", "2026-11-23 02:00", "2026-11-24 02:00")]
    assert _slots(WORKDAYS, BERLIN, friday, 4) == days
    assert slot_after(WORKDAYS, BERLIN, days[1]).distance == 18 * 60 * MINUTE, "from the Sunday slot of the other expression"
    assert _slots("0 2 * * *; 0 2 * * MON", "UTC", _at("2026-11-22 03:00"), 2) == [_at("2026-11-23 02:00"), _at("2026-11-24 02:00")]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0 2 * * 1-5\n0 8 * * 6,0\n", WORKDAYS),
        (" 0 2 * * 1-5;;0 8 * * 6,0 ;", WORKDAYS),
        ("0 2 * * 1-5 \r\n 0 8 * * 6,0", WORKDAYS),
        ("0 2 * * *", "0 2 * * *"),
        (" ;\n", ""),
    ],
)
def test_several_expressions_are_kept_in_one_line(written: str, kept: str) -> None:
    assert normal(written) == kept
    assert normal(kept) == kept
    assert (check(written, "UTC") is None) == (kept != "")


@pytest.mark.parametrize(
    ("cron", "what"),
    [
        ("0 2 * * *; 61 * * * *; 0 0 30 2 *", "the cron expression '61 * * * *' has a bad minute"),
        ("0 2 * * *\n0 0 30 2 *", "'0 0 30 2 *' names a date that never comes"),
        ("0 2 * * *; * * * *", "'* * * *' has 4"),
        (";", "'' has 0"),
        ("; ".join(["0 2 * * *"] * (LIMIT + 1)), "the schedule has 11 cron expressions; at most 10 are accepted"),
        ("* * * * *;" * 1_000_000, "the schedule has 1000000 cron expressions"),
    ],
)
def test_of_several_expressions_the_wrong_one_is_named(cron: str, what: str) -> None:
    sentence = check(cron, "UTC")
    assert sentence is not None and what in sentence and len(sentence) < 250
    with pytest.raises(ValueError, match="cron expression"):
        slot_after(cron, "UTC", 0)


def test_as_many_expressions_as_are_accepted_are_computed() -> None:
    hours = "; ".join(f"{n} {n} * * *" for n in range(LIMIT))
    assert check(hours, BERLIN) is None
    assert _slots(hours, "UTC", _at("2026-11-23 08:30"), 2) == [_at("2026-11-23 09:09"), _at("2026-11-24 00:00")]


def test_where_clocks_are_put_forward_the_slot_before_is_as_near_as_it_is() -> None:
    before, skipped = _at("2026-03-29 00:55"), _at("2026-03-29 01:00")  # 01:55, and 02:30, which is 03:00
    assert _slots("55 1 * * *; 30 2 * * *", BERLIN, before - MINUTE, 2) == [before, skipped]
    assert slot_after("55 1 * * *; 30 2 * * *", BERLIN, before).distance == 5 * MINUTE
    assert slot_after("30 2 * * *", BERLIN, before).distance == 1_440 * MINUTE, "a job that has no other slot that night"
    assert slot_after("55 1 * * *; 30 2 * * *", BERLIN, _at("2026-03-30 01:55", BERLIN)).distance == 35 * MINUTE


def test_an_hour_that_comes_twice_has_its_slots_as_near_as_they_are() -> None:
    second = _at("2026-10-25 01:00")  # 02:00 for the second time
    assert slot_after("*/30 2 * * *", BERLIN, second - MINUTE) == (second, 30 * MINUTE)
    assert slot_after("*/30 2 * * *", BERLIN, second - 31 * MINUTE) == (second - 30 * MINUTE, 30 * MINUTE)


@pytest.fixture
def broken_zone(tmp_path: Path) -> Iterator[str]:
    """A time zone that is there, and that nobody can read."""
    (tmp_path / "Lastbeat").mkdir()
    (tmp_path / "Lastbeat" / "Torn").write_bytes(b"TZif2 and no more")
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    crons._zones.cache_clear()
    yield "Lastbeat/Torn"
    zoneinfo.reset_tzpath()
    crons._zones.cache_clear()


def test_a_zone_that_cannot_be_read_is_told_with_its_reason(broken_zone: str) -> None:
    assert check("0 2 * * *", broken_zone) is None
    with pytest.raises(ValueError, match=r"the slots of '0 2 \* \* \*' in Lastbeat/Torn cannot be computed \(\w+: .+\)"):
        slot_after("0 2 * * *", broken_zone, 0)


def test_time_zones_are_refused_with_what_was_meant() -> None:
    assert check(None, BERLIN) is None
    assert check(None, "europe/berlin") == (
        "the time zone 'europe/berlin' is not known, did you mean 'Europe/Berlin'?; accepted are names such as 'Europe/Berlin' and 'UTC'"
    )
    assert "did you mean 'UTC'?" in str(check("0 2 * * *", "utc"))


@pytest.mark.parametrize("zone", ["", "CEST", "Europe", "..", "/etc/passwd", "UTC\0", "\ud800", "right/UTC", "x" * 100_000])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    sentence = check(None, zone)
    assert sentence is not None and "is not known" in sentence and len(sentence) < 250


@given(st.text(max_size=30) | st.lists(st.text("0123456789*/-,#LW", min_size=1, max_size=6), min_size=5, max_size=5).map(" ".join))
def test_no_expression_makes_check_raise(cron: str) -> None:
    if check(cron, "UTC") is None:
        assert slot_after(cron, "UTC", _at("2026-11-23")).at > _at("2026-11-23")


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    return st.just("*") | number | st.integers(1, high).map("*/{}".format) | st.tuples(number, number).map(",".join)


_days = st.sampled_from(["* * *", "* * 0,6", "29,30 * *", "1,25,26 * *"])
_crons = st.tuples(_field(0, 59), _field(0, 23), _days).map(" ".join)
_changes = {
    BERLIN: ("2026-03-29 02:00", "2026-10-25 03:00"),
    LORD_HOWE: ("2026-04-05 02:00", "2026-10-04 02:00"),
    "Pacific/Chatham": ("2026-04-05 03:45", "2026-09-27 02:45"),
    "Africa/Cairo": ("2026-04-24 00:00", "2026-10-29 23:59"),
    "America/Scoresbysund": ("2026-03-28 23:00", "2026-10-24 23:59"),
    "Antarctica/Troll": ("2026-03-29 01:00", "2026-10-25 03:00"),
    "Asia/Kolkata": ("2026-01-01 00:00",),
}
_instants = st.sampled_from([(zone, change) for zone, changes in _changes.items() for change in changes])


def _is_named(cron: str, clock: datetime) -> bool:
    return next(CronSim(cron, clock - timedelta(minutes=1))) == clock


def _starts(cron: str, zone: str, at: Ns) -> bool:
    """Whether a cron that looks at the clock every minute starts the job at `at`."""
    before, now = _clock(at - MINUTE, zone), _clock(at, zone)
    if "*" in (cron.split()[0][0], cron.split()[1][0]):
        return _is_named(cron, now)
    passed = [before + timedelta(minutes=n) for n in range(1, (now - before) // timedelta(minutes=1) + 1)]
    repeated = datetime.fromtimestamp(at // SECOND, ZoneInfo(zone)).fold
    return not repeated and any(_is_named(cron, clock) for clock in passed)


@given(_crons, _instants, st.integers(-200, 200))
def test_slots_are_what_a_look_at_the_clock_every_minute_finds(cron: str, place: tuple[str, str], offset: int) -> None:
    zone, change = place
    assume(check(cron, zone) is None)
    start = _at(change, zone) + offset * MINUTE
    slot = slot_after(cron, zone, start).at
    seen = next((at for at in range(start + MINUTE, start + 300 * MINUTE, MINUTE) if _starts(cron, zone, at)), None)
    assert slot == seen if seen is not None else slot >= start + 300 * MINUTE


_several = st.lists(_crons, min_size=2, max_size=3)


@given(_several, _instants, st.integers(-200, 200))
def test_slots_of_several_expressions_are_what_a_look_at_the_clock_every_minute_finds(
    several: list[str], place: tuple[str, str], offset: int
) -> None:
    zone, change = place
    cron = "; ".join(several)
    assume(check(cron, zone) is None)
    start = _at(change, zone) + offset * MINUTE
    seen = [at for at in range(start - 60 * MINUTE, start + 300 * MINUTE, MINUTE) if any(_starts(one, zone, at) for one in several)]
    later = [at for at in seen if at > start]
    slot = slot_after(cron, zone, start)
    assert slot.at == later[0] if later else slot.at >= start + 300 * MINUTE
    nearest = max((at for at in seen if at < slot.at), default=None)
    if nearest is not None and slot.at - nearest < 60 * MINUTE:
        assert 0 < slot.distance <= slot.at - nearest, "else a ping of that slot would count for this one too"
