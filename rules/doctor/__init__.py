"""The schedule doctor: what a monitor's pings say about its settings. A pure function of (schedule, pings, when we were away, now).

Counts in its sentences are those of the rules, applied to the same pings (`hindsight`): none is an estimate.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from rules.doctor import remedy, symptoms
from rules.doctor.hindsight import Absence, Hindsight
from rules.doctor.remedy import Trial
from rules.doctor.rhythm import Rhythm, quantile, rhythm
from rules.doctor.shift import Offset, offsets, shift
from rules.doctor.symptoms import Finding
from store.model import SECOND, Ns, Schedule

PERIOD: Final[Ns] = 30 * 86_400 * SECOND
LIMIT: Final = 20_000  # pings
_ABSENCES: Final = 300


class Lengths(msgspec.Struct, frozen=True):
    """Seconds between pings: `count` times, without those that `left_out` counts, since we were away or the monitor was paused."""

    count: int
    left_out: int
    p50: float
    p95: float
    p99: float
    longest: float


class Diagnosis(msgspec.Struct, frozen=True):
    """What is to be said of `pings` successful pings from `start` to `end`. `bounded`: there were more, and only the newest were looked at.

    `change`: what of the monitor makes the suggestion of it. `graces`: the present schedule with several graces, the shortest first.
    `seconds`: all times between pings, the shortest first. `offsets`: how far from its slot each ping came, where slots are hours apart.
    """

    start: Ns
    end: Ns
    pings: int
    bounded: bool
    lengths: Lengths | None
    rhythm: Rhythm | None
    present: Trial | None
    graces: list[Trial]
    suggestion: Trial | None
    change: dict[str, Any] | None
    findings: list[Finding]
    seconds: list[float]
    offsets: list[Offset]


def diagnose(schedule: Schedule, arrivals: Sequence[Ns], absences: Sequence[Absence], now: Ns) -> Diagnosis:
    """Look back at the pings of the last thirty days, and the newest 20,000 at most; both arguments are ordered, the oldest first."""
    seen, away, bounded = _bounded(arrivals, absences, now)
    bare = Hindsight(seen, away, now)
    lengths = bare.lengths()
    found = Diagnosis(
        start=seen[0] if seen else now,
        end=now,
        pings=len(seen),
        bounded=bounded,
        lengths=_lengths(lengths, bare.left_out),
        rhythm=None,
        present=None,
        graces=[],
        suggestion=None,
        change=None,
        findings=[],
        seconds=sorted(length / SECOND for length in lengths),
        offsets=[],
    )
    try:
        little = symptoms.too_little(bare, schedule)
        if little is not None:
            present = remedy.tried(bare, schedule)
            return replace(found, present=present, findings=[symptoms.too_few(little, present)])
        return _judged(found, rhythm(seen, lengths, schedule.timezone), bare, schedule)
    except ValueError as error:
        return replace(found, findings=[symptoms.unusable(str(error))])


def _judged(found: Diagnosis, beat: Rhythm | None, bare: Hindsight, schedule: Schedule) -> Diagnosis:
    turn = quantile(found.seconds, 0.99) if beat is None else beat.every
    past = bare.taking_turns(round(turn * SECOND))
    present = remedy.tried(past, schedule)
    near = offsets(past, schedule)
    moved = shift(near, schedule, past.turn_of(schedule))
    better = remedy.suggestion(past, present, beat, moved)
    view = symptoms.View(past, found.end - found.start, present, better, beat, moved, near)
    return replace(
        found,
        rhythm=beat,
        present=present,
        graces=remedy.graces(past, schedule, remedy.fitted(past, schedule).grace),
        suggestion=better,
        change=None if better is None else remedy.changes(schedule, better.schedule),
        findings=symptoms.findings(view),
        offsets=near,
    )


def _bounded(arrivals: Sequence[Ns], absences: Sequence[Absence], now: Ns) -> tuple[Sequence[Ns], list[Absence], bool]:
    """The pings that are looked at, each once, with the absences since the first of them; and whether that leaves out any of the period."""
    since = now - PERIOD
    away = [one for one in absences if one.end > since]
    late = away[-_ABSENCES - 1].end if len(away) > _ABSENCES else since
    within = [at for at in dict.fromkeys(arrivals) if at >= since and at <= now]
    seen = within[bisect_left(within, late) :][-LIMIT:]
    start = seen[0] if seen else now
    return seen, [one for one in away if one.end > start], len(seen) < len(within)


def _lengths(lengths: Sequence[Ns], left_out: int) -> Lengths | None:
    if not lengths:
        return None
    ordered = sorted(lengths)
    return Lengths(len(ordered), left_out, *(round(quantile(ordered, share) / SECOND, 3) for share in (0.5, 0.95, 0.99, 1.0)))
