"""What the schedule doctor finds, in sentences: each with a code for programs, and with settings that would help, where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec.structs import replace

from rules.cron import expressions
from rules.doctor import clocks, remedy
from rules.doctor.hindsight import Hindsight
from rules.doctor.remedy import Trial
from rules.doctor.rhythm import DAY, Rhythm, clock, days_in_words, listed, quantile
from rules.doctor.shift import Offset, Shift
from rules.schedule import same_rhythm
from store.instant import iso, span
from store.model import SECOND, Ns, Schedule

FEW: Final = 10  # pings
_SHOWN: Final = 3  # cron expressions
_TURNS: Final = 3  # that pings must have gone on for

Level = Literal["warning", "hint", "good"]
Code = Literal[
    "fits",
    "too_few",
    "unusable",
    "grace_too_small",
    "grace_too_large",
    "expects_too_often",
    "expects_too_rarely",
    "wrong_time_zone",
    "clock_change",
    "weekdays_only",
    "hours_only",
    "times_of_day",
    "not_at_its_slots",
    "drift",
    "irregular",
]


class Finding(msgspec.Struct, frozen=True):
    """`change`: what of the monitor to change, by the names in which it is defined."""

    level: Level
    code: Code
    sentence: str
    change: dict[str, Any] | None = None


class View(msgspec.Struct, frozen=True):
    """All that is known of a monitor's pings over `period`."""

    past: Hindsight
    period: Ns
    present: Trial
    better: Trial | None
    rhythm: Rhythm | None
    shift: Shift | None
    offsets: Sequence[Offset]

    @property
    def schedule(self) -> Schedule:
        return self.present.schedule

    @property
    def ago(self) -> str:
        return f"in the last {span(self.period / SECOND)}"


def findings(view: View) -> list[Finding]:
    """All that is to be said, the most pressing first; something always is."""
    causes = _each_change_once(filter(None, (look(view) for look in _CAUSES)))
    # A grace that is wrong since something else is wrong is not a second thing to be told.
    graces = [] if any(one.change for one in causes) else list(filter(None, (look(view) for look in _GRACES)))
    found = causes + graces or [_fits(view)]
    return sorted([*found, *filter(None, [_drift(view)])], key=lambda one: _PRESSING.index(one.level))


def _each_change_once(causes: Iterable[Finding]) -> list[Finding]:
    """The first cause explains a change best: what the others say of the same one, with the same numbers, is nothing new."""
    found: list[Finding] = []
    for cause in causes:
        if cause.change is None or all(cause.change != other.change for other in found):
            found.append(cause)
    return found


def too_little(past: Hindsight, schedule: Schedule) -> str | None:
    """Why nothing more can be said, if so: pings are few, came within a short time, or faster than anybody waits for the next."""
    return _few(past) or _brief(past, schedule) or _dense(past)


def too_few(sentence: str, present: Trial) -> Finding:
    """What is said then."""
    so_far = f" So far, {_would(settings(present.schedule), present)}." if present.alarms else ""
    return Finding("hint", "too_few", f"{sentence}{so_far}")


def _few(past: Hindsight) -> str | None:
    pings = len(past.arrivals)
    if pings >= FEW and past.lengths():
        return None
    seen = "No ping" if pings == 0 else "A single ping" if pings == 1 else f"Only {pings} pings"
    lately = "in the last 30 d" if pings == 0 else "so far" if pings == 1 else f"in {span((past.now - past.arrivals[0]) / SECOND)}"
    return f"{seen} {lately}: from {FEW} on there is something to say."


def _brief(past: Hindsight, schedule: Schedule) -> str | None:
    """Within a turn no schedule alarms, and so none of them fits; a day shows enough of those whose turns take longer."""
    lasted = (past.arrivals[-1] - past.arrivals[0]) / SECOND
    enough = min(_TURNS * past.longest_turn_of(schedule) / SECOND, DAY)
    if lasted >= enough:
        return None
    return f"All {len(past.arrivals):,} pings came within {span(lasted)}: from {span(enough)} on there is something to say."


def _dense(past: Hindsight) -> str | None:
    lengths = sorted(past.lengths())
    if lengths[len(lengths) // 2] >= SECOND:
        return None
    return "Most pings come less than a second after one another: from a second on there is something to say."


def unusable(sentence: str) -> Finding:
    return Finding("warning", "unusable", f"Nothing can be expected: {sentence}.")


def _wrong_time_zone(view: View) -> Finding | None:
    shift, schedule = view.shift, view.schedule
    if shift is None:
        return None
    moved = remedy.tried(view.past, remedy.fitted(view.past, replace(schedule, timezone=shift.zones[0])))
    if moved.alarms > view.present.alarms:
        return None
    away = f"{span(shift.least)} to {span(shift.most)}" if shift.least < shift.most else span(shift.least)
    way = "before" if shift.before else "after"
    offset = f" ({clocks.offset_name(shift.ahead)})" if "UTC" not in shift.zones else ""
    asked = ", or do its runs take that long?" if shift.may_be_runs else "?"
    moves = _moved(view, shift.zones[0])
    since = f" The difference changed with clocks, on {iso(moves)[:10]}." if moves is not None else ""
    sentence = (
        f"{shift.count} of {shift.pings} pings come {away} {way} the schedule, which is in {schedule.timezone}: wrong time zone{asked} "
        f"By the clocks of {listed(shift.zones, 'or')}{offset} they would be in time.{since} {_would(settings(schedule), view.present)} "
        f"{view.ago}{_why(view.present)}; {_would(settings(moved.schedule), moved)}{_why(moved)}."
    )
    level: Level = "warning" if moved.alarms < view.present.alarms else "hint"
    return Finding(level, "wrong_time_zone", sentence, _change(view, view.better if shift.may_be_runs else moved))


def _moved(view: View, timezone: str) -> Ns | None:
    """When the clocks of the zone, and not or otherwise those of the schedule, were changed between the first and the last ping."""
    first, last = view.past.arrivals[0], view.past.arrivals[-1]
    one, other = (clocks.ahead(zone, last) - clocks.ahead(zone, first) for zone in (timezone, view.schedule.timezone))
    return None if one == other else clocks.change(timezone if one else view.schedule.timezone, first, last)


def _clock_change(view: View) -> Finding | None:
    rhythm, schedule = view.rhythm, view.schedule
    if rhythm is None or rhythm.timezone == schedule.timezone or view.shift is not None:
        return None
    first, last = view.past.arrivals[0], view.past.arrivals[-1]
    at = clocks.change(rhythm.timezone, first, last)
    moved = [clocks.ahead(zone, first) - clocks.ahead(zone, last) for zone in (rhythm.timezone, schedule.timezone)]
    later = moved[0] - moved[1]
    by = f", by which they come {span(abs(later))} {'later' if later > 0 else 'earlier'} than before" if later else ""
    sentence = (
        f"Clocks were changed on {iso(at)[:10]}, and pings kept to those of a zone such as {rhythm.timezone} (about "
        f"{listed([clock(time) for time in rhythm.times])}), not to those of {schedule.timezone}{by}"
    )
    return _with_better(view, "clock_change", sentence)


def _expects_too_often(view: View) -> Finding | None:
    rhythm, schedule = view.rhythm, view.schedule
    if rhythm is None or rhythm.every < 1.2 * view.present.turn or rhythm.bound:
        return None
    sentence = f"Pings come {rhythm.sentence}, but one is expected {_every(view.present)}"
    if view.present.alarms:
        return _with_better(view, "expects_too_often", sentence)
    return Finding(
        "hint", "expects_too_often", f"{sentence}: only the grace of {span(schedule.grace)} keeps it quiet.", _change(view, view.better)
    )


def _expects_too_rarely(view: View) -> Finding | None:
    rhythm, better = view.rhythm, view.better
    if rhythm is None or better is None or rhythm.every > view.present.turn / 2 or rhythm.bound:
        return None
    later = view.present.silence - better.silence
    if later <= rhythm.every:
        return None
    by = f"up to {span(view.present.longest - better.longest)}" if view.present.uneven else span(later)
    sentence = (
        f"Pings come {rhythm.sentence}, but one is expected {_every(view.present)}: an outage would be told {by} "
        f"later than with {settings(better.schedule)}, which {_did(better)} {view.ago}{_why(better)}."
    )
    return Finding("warning" if later > max(3_600, 10 * rhythm.every) else "hint", "expects_too_rarely", sentence, _change(view, better))


def _bound(view: View) -> Finding | None:
    """The job keeps to days, hours or times, and the schedule does not."""
    rhythm = view.rhythm
    if rhythm is None or view.better is None or same_rhythm(view.better.schedule, view.schedule) or not rhythm.bound:
        return None
    if len(rhythm.times) > 1:
        return _with_better(view, "times_of_day", f"Pings come {rhythm.sentence}")
    days = days_in_words(rhythm.weekdays)
    if rhythm.hours is None:
        return _with_better(view, "weekdays_only", f"Pings come only on {days}")
    hours = f"from {rhythm.hours[0]}:00 to {rhythm.hours[1]}:00{f' on {days}' if days else ''} ({rhythm.timezone})"
    return _with_better(view, "hours_only", f"Pings come only {hours}")


def _not_at_its_slots(view: View) -> Finding | None:
    rhythm, better = view.rhythm, view.better
    if rhythm is None or better is None or view.schedule.cron is None or better.schedule.cron is not None:
        return None
    turn = view.present.turn
    if not turn / 2 < rhythm.every < 1.2 * turn:
        return None
    return _with_better(view, "not_at_its_slots", f"Pings come {rhythm.sentence}, counted from one another and not by the schedule's times")


def _irregular(view: View) -> Finding | None:
    if view.rhythm is not None:
        return None
    ordered = sorted(length / SECOND for length in view.past.lengths())
    half, most, longest = (quantile(ordered, share) for share in (0.5, 0.95, 1.0))
    sentence = (
        f"There is no rhythm: half of the times between pings are up to {span(half)}, 95 % up to {span(most)}, the longest {span(longest)}"
    )
    return _with_better(view, "irregular", sentence) if view.better else Finding("hint", "irregular", f"{sentence}.")


def _grace_too_small(view: View) -> Finding | None:
    better = view.better
    if better is None or not better.alarms < view.present.alarms:
        return None
    if view.schedule.cron is None:
        ordered = sorted(length / SECOND for length in view.past.lengths())
        usual = f"99 % of the times between pings are up to {span(quantile(ordered, 0.99))}"
    else:
        ordered = sorted(max(0, late) / SECOND for late in view.past.latenesses(view.schedule))
        usual = f"99 % of pings come up to {span(quantile(ordered, 0.99))} after their time"
    present = _would(f"a grace of {span(view.schedule.grace)}", view.present)
    return Finding("warning", "grace_too_small", f"{usual}: {present} {view.ago}, {_instead(view, better)}.", _change(view, better))


def _grace_too_large(view: View) -> Finding | None:
    better = view.better
    if better is None or better.alarms < view.present.alarms or better.schedule.grace >= view.schedule.grace:
        return None
    later = view.present.silence - better.silence
    sentence = (
        f"A grace of {span(view.schedule.grace)} is longer than the job needs: an outage would be told {span(later)} later than with "
        f"{settings(better.schedule)}, which {_did(better)} {view.ago}{_why(better)}."
    )
    return Finding("hint", "grace_too_large", sentence, _change(view, better))


def _drift(view: View) -> Finding | None:
    rhythm = view.rhythm
    if rhythm is None or abs(rhythm.drift) <= max(600, rhythm.jitter) or view.shift is not None:
        return None
    way = "later" if rhythm.drift > 0 else "earlier"
    sentence = f"Pings come {way} and {way}: by {span(abs(rhythm.drift))} from the first third to the last third of them."
    return Finding("hint", "drift", sentence)


def _fits(view: View) -> Finding:
    return Finding("good", "fits", f"The settings fit: they {_did(view.present)} {view.ago}{_why(view.present)}.")


_CAUSES: Final[tuple[Callable[[View], Finding | None], ...]] = (
    _wrong_time_zone,
    _clock_change,
    _expects_too_often,
    _expects_too_rarely,
    _bound,
    _not_at_its_slots,
    _irregular,
)
_PRESSING: Final[tuple[Level, ...]] = get_args(Level)
_GRACES: Final[tuple[Callable[[View], Finding | None], ...]] = (_grace_too_small, _grace_too_large)


def settings(schedule: Schedule) -> str:
    """`an interval of 5 min and a grace of 30 s`."""
    when = f"an interval of {span(schedule.interval)}" if schedule.cron is None else f"{_quoted(schedule.cron)} in {schedule.timezone}"
    return f"{when} and a grace of {span(schedule.grace)}"


def crons(cron: str) -> tuple[str, int]:
    """What is to be shown of a cron schedule where there is no room for ten expressions, and how many more it has."""
    found = expressions(cron)
    return (cron, 0) if len(found) <= _SHOWN else (found[0], len(found) - 1)


def _quoted(cron: str) -> str:
    shown, more = crons(cron)
    return f"“{shown}”{f' and {more} more' if more else ''}"


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _every(trial: Trial) -> str:
    if trial.schedule.cron is None:
        return f"every {span(trial.turn)}"
    apart = f"{span(trial.longest_turn)} apart at the longest" if trial.uneven else f"as a rule every {span(trial.turn)}"
    return f"at {_quoted(trial.schedule.cron)}, {apart}"


def _change(view: View, trial: Trial | None) -> dict[str, Any] | None:
    return None if trial is None else remedy.changes(view.schedule, trial.schedule)


def _with_better(view: View, code: Code, sentence: str) -> Finding:
    """The finding with what the present settings would have meant, and what the suggested ones."""
    better = view.better
    present = f"{_would(settings(view.schedule), view.present)} {view.ago}{_why(view.present)}"
    instead = "" if better is None else f"; {_instead(view, better, 'a grace')}"
    level: Level = "warning" if better is not None and better.alarms < view.present.alarms else "hint"
    return Finding(level, code, f"{sentence}: {present}{instead}.", _change(view, better))


def _instead(view: View, better: Trial, grace: str = "one") -> str:
    same = same_rhythm(better.schedule, view.schedule)
    which = f"{grace} of {span(better.schedule.grace)}" if same else settings(better.schedule)
    return f"{_would(which, better)}{_why(better)}"


def _would(which: str, trial: Trial) -> str:
    return f"{which} {_did(trial)}"


def _did(trial: Trial) -> str:
    return f"would have alarmed {times(trial.alarms)}" if trial.alarms else "would not have alarmed"


def _why(trial: Trial) -> str:
    if not trial.missing:
        return ""
    if trial.missing == trial.alarms:
        return ", since a ping was missing altogether" if trial.alarms == 1 else ", each time since a ping was missing altogether"
    return f", {trial.missing:,} of them since a ping was missing altogether"
