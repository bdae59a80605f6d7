"""What the schedule doctor says of jobs of many kinds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from histories import AFTER_THE_CHANGE, DAY, NOON, WORKDAYS, daily, random_pings, regular, within

from rules.doctor import diagnose
from rules.doctor.symptoms import Code, Finding
from store.model import SECOND, Ns, Schedule

SLOW = regular(300, 10, 5)
TAILED = regular(60, 7, 1, late=0.02, by=40)
NIGHTLY = Schedule(grace=1_800, cron="0 2 * * *")
TWICE = Schedule(grace=1_800, cron="0 2 * * *; 0 14 * * *")
BUNCHED = Schedule(grace=1_800, cron="; ".join(f"{minute} 2 * * *" for minute in range(10)))
OFFICE = within(regular(300, 25), range(8, 18), "UTC", WORKDAYS)
BERLIN: dict[str, Any] = {"timezone": "Europe/Berlin"}


def said(schedule: Schedule, arrivals: list[Ns], now: Ns = NOON) -> list[Finding]:
    return diagnose(schedule, arrivals, [], now).findings


def brief(found: list[Finding]) -> list[tuple[str, str, dict[str, Any] | None]]:
    return [(one.level, one.code, one.change) for one in found]


KINDS: list[tuple[Schedule, list[Ns], list[Any]]] = [
    (Schedule(60, 30), regular(60, 7, 2), [("good", "fits", None)]),
    (Schedule(60, 30), TAILED, [("warning", "grace_too_small", {"gracePeriod": 60})]),
    (Schedule(300, 43_200), SLOW, [("hint", "grace_too_large", {"gracePeriod": 15})]),
    (Schedule(60, 30), SLOW, [("warning", "expects_too_often", {"interval": 300, "gracePeriod": 15})]),
    (Schedule(60, 300), SLOW, [("hint", "expects_too_often", None)]),
    (Schedule(86_400, 3_600), regular(60, 7), [("warning", "expects_too_rarely", {"interval": 60, "gracePeriod": 10})]),
    (Schedule(900, 30), SLOW, [("hint", "expects_too_rarely", {"interval": 300, "gracePeriod": 15})]),
    (NIGHTLY, regular(60, 7), [("warning", "expects_too_rarely", {"gracePeriod": 10, "schedule": None})]),
    (NIGHTLY, daily(["02:03"], 28), [("good", "fits", None)]),
    (NIGHTLY, daily(["02:03"], 28, jitter=3_000), [("warning", "grace_too_small", {"gracePeriod": 7_200})]),
    (NIGHTLY, daily(["02:00"], 28, "Europe/Berlin"), [("warning", "wrong_time_zone", BERLIN)]),
    (TWICE, daily(["01:00", "13:00"], 20), [("warning", "wrong_time_zone", BERLIN)]),
    (
        Schedule(grace=7_200, cron="0 2 * * *", timezone="Europe/Berlin"),
        daily(["02:00"], 28),
        [("hint", "wrong_time_zone", None)],  # two hours of grace, and runs may take one
    ),
    (
        Schedule(grace=300, cron="0 * * * *"),
        daily(["02:03"], 28),
        [("warning", "expects_too_often", {"schedule": "0 2 * * *", "gracePeriod": 1_800})],
    ),
    (
        Schedule(grace=60, cron="*/5 * * * *"),
        regular(301, 10, 1),
        [("warning", "not_at_its_slots", {"interval": 300, "gracePeriod": 15, "schedule": None})],
    ),
    (Schedule(86_400, 1_800), daily(["02:03"], 28, weekdays=WORKDAYS), [("warning", "weekdays_only", {"schedule": "0 2 * * 1-5"})]),
    (NIGHTLY, daily(["02:03"], 28, weekdays=WORKDAYS), [("warning", "weekdays_only", {"schedule": "0 2 * * 1-5"})]),
    (Schedule(300, 600), OFFICE, [("warning", "hours_only", {"schedule": "*/5 8-17 * * 1-5", "gracePeriod": 15})]),
    (Schedule(300, 259_200), OFFICE, [("hint", "hours_only", {"schedule": "*/5 8-17 * * 1-5", "gracePeriod": 15})]),
    (
        Schedule(21_600, 600),
        daily(["02:03", "08:00", "20:00"], 28),
        [("warning", "times_of_day", {"schedule": "0 2,8,20 * * *", "gracePeriod": 1_200})],
    ),
    (Schedule(3_600, 60), random_pings(1_800, 20), [("warning", "irregular", {"gracePeriod": 7_200})]),
    (Schedule(86_400, 86_400), random_pings(1_800, 20), [("hint", "irregular", None)]),
    (NIGHTLY, daily(["02:03"], 29, later=45), [("hint", "drift", None), ("good", "fits", None)]),
    (NIGHTLY, daily(["02:03"], 9), [("hint", "too_few", None)]),
    (Schedule(cron="0 2 * * *", timezone="Mars/Olympus"), SLOW, [("warning", "unusable", None)]),
]


@pytest.mark.parametrize(("schedule", "arrivals", "expected"), KINDS)
def test_each_kind_of_job_is_told_what_is_wrong(schedule: Schedule, arrivals: list[Ns], expected: list[Any]) -> None:
    assert brief(said(schedule, arrivals)) == expected


CHANGES: list[tuple[Schedule, list[Ns], dict[str, Any]]] = [
    (
        Schedule(86_400, 600),
        daily(["02:03"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE),
        {"schedule": "0 2 * * *", "gracePeriod": 1_800},
    ),
    (Schedule(grace=1_800, cron="0 1 * * *"), daily(["02:00"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE), {"schedule": "0 2 * * *"}),
]


@pytest.mark.parametrize(("schedule", "arrivals", "change"), CHANGES)
def test_a_job_by_clocks_that_were_changed_gets_their_zone(schedule: Schedule, arrivals: list[Ns], change: dict[str, Any]) -> None:
    assert brief(said(schedule, arrivals, AFTER_THE_CHANGE)) == [("warning", "clock_change", {**change, **BERLIN})]


SENTENCES = {
    "late": "99 % of the times between pings are up to 1 min 21 s: a grace of 30 s would have alarmed 53 times in the last 7 d, "
    "one of 1 min would not have alarmed.",
    "ahead": "28 of 28 pings come 58 min to 1 h before the schedule, which is in UTC: wrong time zone? By the clocks of Europe/Berlin or "
    "Africa/Lagos (UTC+1) they would be in time. “0 2 * * *” in UTC and a grace of 30 min would have alarmed 28 times in the last "
    "27 d 10 h; “0 2 * * *” in Europe/Berlin and a grace of 30 min would not have alarmed.",
    "gaps": "The settings fit: they would have alarmed twice in the last 27 d 9 h, each time since a ping was missing altogether.",
    "long": "A grace of 12 h is longer than the job needs: an outage would be told 11 h 59 min later than with an interval of 5 min and "
    "a grace of 15 s, which would not have alarmed in the last 10 d.",
    "two": "Only 2 pings in 1 d 9 h: from 10 on there is something to say. So far, an interval of 1 min and a grace of 30 s would have "
    "alarmed twice.",
    "one": "A single ping so far: from 10 on there is something to say.",
    "brief": "All 12 pings came within 440 ms: from 3 min on there is something to say.",
    "tried out": "All 12 pings came within 55 min: from 1 d on there is something to say. So far, “0 2 * * *” in UTC and a grace of 30 min "
    "would have alarmed once.",
    "dense": "Most pings come less than a second after one another: from a second on there is something to say.",
    "none": "No ping in the last 30 d: from 10 on there is something to say.",
    "unusable": "Nothing can be expected: a cron expression has five fields, minute (0-59), hour (0-23), day of month (1-31), "
    "month (1-12 or JAN-DEC) and day of week (0-7 or SUN-SAT); '0 2 * *' has 4.",
}


@pytest.mark.parametrize(
    ("schedule", "arrivals", "sentence"),
    [
        (Schedule(60, 30), TAILED, "late"),
        (NIGHTLY, daily(["02:00"], 28, "Europe/Berlin"), "ahead"),
        (NIGHTLY, daily(["02:03"], 28, without=(7, 8, 20)), "gaps"),
        (Schedule(300, 43_200), SLOW, "long"),
        (Schedule(60, 30), daily(["02:03"], 2), "two"),
        (Schedule(60, 30), [NOON - 10**9], "one"),
        (Schedule(60, 30), [], "none"),
        (Schedule(60, 30), [NOON - number * 40_000_000 for number in range(11, -1, -1)], "brief"),
        (NIGHTLY, [NOON - 2 * DAY + number * 300 * SECOND for number in range(12)], "tried out"),
        (Schedule(60, 30), regular(0.5, 0.01), "dense"),
        (Schedule(cron="0 2 * *"), SLOW, "unusable"),
    ],
)
def test_sentences_are_exact(schedule: Schedule, arrivals: list[Ns], sentence: str) -> None:
    assert said(schedule, arrivals)[0].sentence == SENTENCES[sentence]


def test_of_slots_that_lie_close_together_at_night_the_longest_distance_is_said() -> None:
    (found,) = said(BUNCHED, daily(["02:03"], 20))
    assert found.sentence.startswith(
        "Pings come every day about 02:04 (UTC), but one is expected at “0 2 * * *” and 9 more, 23 h 51 min apart at the longest: "
        "“0 2 * * *” and 9 more in UTC and a grace of 30 min would have alarmed 20 times"
    )
    (found,) = said(BUNCHED, regular(10, 5))
    assert "an outage would be told up to 1 d later than with an interval of 10 s and a grace of 10 s" in found.sentence


def test_a_change_of_clocks_is_named_where_it_explains_two_differences() -> None:
    (found,) = said(NIGHTLY, daily(["02:00"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE), AFTER_THE_CHANGE)
    assert "come 58 min to 2 h before the schedule" in found.sentence
    assert "The difference changed with clocks, on 2026-10-25." in found.sentence
    (found,) = said(Schedule(86_400, 600), daily(["02:03"], 30, "Europe/Berlin", until=AFTER_THE_CHANGE), AFTER_THE_CHANGE)
    assert found.sentence.startswith(
        "Clocks were changed on 2026-10-25, and pings kept to those of a zone such as Europe/Berlin (about 02:04)"
    )
    assert "come 1 h later than before" in found.sentence


def test_every_number_of_alarms_in_a_sentence_is_one_of_the_rules() -> None:
    for schedule, arrivals in ((Schedule(60, 30), TAILED), (NIGHTLY, daily(["02:03"], 28, jitter=3_000)), (Schedule(60, 30), SLOW)):
        diagnosis = diagnose(schedule, arrivals, [], NOON)
        assert diagnosis.present is not None
        (found,) = diagnosis.findings
        assert re.findall(r"alarmed ([\d,]+) times", found.sentence) == [f"{diagnosis.present.alarms:,}"]


def test_what_the_documentation_quotes_was_said_and_every_code_is_quoted() -> None:
    page = (Path(__file__).parent.parent / "docs/doctor.md").read_text()
    quoted = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE))
    heard = [one for schedule, arrivals, _ in KINDS for one in said(schedule, arrivals)]
    heard += [one for schedule, arrivals, _ in CHANGES for one in said(schedule, arrivals, AFTER_THE_CHANGE)]
    assert set(quoted) == set(get_args(Code)) == {one.code for one in heard}
    for code, sentence in quoted.items():
        assert sentence in [one.sentence for one in heard if one.code == code]
