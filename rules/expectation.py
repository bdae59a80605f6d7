"""Heartbeat rules that wait in their own way: by another schedule or grace, for several misses, or for a while. Pure.

Such a rule keeps in its `Standing` what it expects, whether or not the monitor itself is down by its own settings. What it makes of
a ping, of a miss and of a gap of ours is what `rules.status` makes of them for a monitor: where its schedule cannot be computed, that
is tried again after an hour, and until then nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from rules import absence, book, judge
from rules import schedule as schedules
from store.model import SECOND, Beat, Gap, Ns, Schedule
from store.rule import Rule, Standing


def schedule_of(rule: Rule, own: Schedule) -> Schedule:
    """The monitor's own schedule, with what the rule says instead."""
    when = own
    if rule.interval is not None:
        when = replace(own, interval=rule.interval, cron=None)
    elif rule.cron is not None:
        when = replace(own, cron=rule.cron)
    return replace(
        when,
        timezone=when.timezone if rule.timezone is None else rule.timezone,
        grace=when.grace if rule.grace is None else rule.grace,
    )


def missed_at(rule: Rule, when: Schedule, expected: Ns) -> Ns:
    """When the rule fires if no ping comes: its grace is over, after as many misses in a row as it waits for, for as long as it waits."""
    *_, (_, closes) = _misses(rule, when, expected)
    return closes


def beaten(rule: Rule, when: Schedule, standing: Standing, at: Ns) -> Standing:
    """A ping came."""
    return _expecting(rule, when, judge.sampled(rule, standing, "clear", at), at)


def passed(rule: Rule, when: Schedule, standing: Standing) -> Standing:
    """Its time is over: a ping is missed, or the rule was well for long enough."""
    assert standing.due_at is not None
    if standing.expected_at is None:
        return _expecting(rule, when, standing, standing.due_at)
    try:
        if missed_at(rule, when, standing.expected_at) > standing.due_at:
            return _waiting(rule, when, judge.calm(standing), standing.expected_at)
    except ValueError:
        return _put_off(standing, standing.due_at)
    since = standing.due_at if standing.active_at is None else standing.active_at
    reopened = standing.reopened + (standing.state == "recovering")
    return replace(standing, state="firing", active_at=since, clears=0, clear_at=None, due_at=None, reopened=reopened)


def after_gap(rule: Rule, when: Schedule, standing: Standing, gap: Gap, last_ping_at: Ns | None) -> Standing:
    """We were not listening; see `rules.status.after_gap`."""
    if standing.due_at is None:
        return standing
    if standing.expected_at is None:
        return replace(standing, due_at=gap.end) if gap.reason != "stall" and standing.due_at < gap.end else standing
    if gap.reason == "stall":
        more = absence.hold(standing.due_at, gap, standing.held)
        return replace(standing, due_at=standing.due_at + more, held=standing.held + more)
    try:
        well = judge.well_at(rule, standing)
        # What is due first of a rule that recovers is that it is well.
        miss = standing.due_at if well is None else missed_at(rule, when, standing.expected_at)
        if gap.reason == "clock" and (well is None or well >= gap.start):
            standing = _well_later(rule, when, standing, gap)
        if absence.is_brief_step(gap):
            return _set_forward(rule, when, standing, gap, miss)
        return _after_absence(rule, when, standing, gap, miss, last_ping_at)
    except ValueError:
        return _put_off(standing, gap.end)


def _well_later(rule: Rule, when: Schedule, standing: Standing, gap: Gap) -> Standing:
    """The clock was put forward: a rule that recovers has been well for no longer."""
    if standing.clear_at is None:
        return standing
    assert standing.expected_at is not None
    return _waiting(rule, when, replace(standing, clear_at=standing.clear_at + gap.end - gap.start), standing.expected_at)


def _set_forward(rule: Rule, when: Schedule, standing: Standing, gap: Gap, miss: Ns) -> Standing:
    assert standing.expected_at is not None
    expected, miss = absence.set_forward(when, standing.expected_at, miss, gap)
    return replace(standing, expected_at=expected, due_at=_due(rule, standing, miss))


def _after_absence(rule: Rule, when: Schedule, standing: Standing, gap: Gap, miss: Ns, last_ping_at: Ns | None) -> Standing:
    assert standing.expected_at is not None
    misses = list(_misses(rule, when, standing.expected_at))
    longer = max(0, miss - misses[-1][1])  # is waited, by an edit, a stall or a step of the clock
    for awaited, closes in misses if rule.on_own_outage != "fire" else []:
        again = absence.rearmed(when, awaited, gap, due=closes + longer, last_ping_at=last_ping_at)
        if again is not None:  # a miss that nobody can vouch for is none in a row
            listened = absence.listened(when, awaited, closes + longer, gap, standing.listened, last_ping_at)
            return standing if listened is None else _waiting(rule, when, replace(standing, listened=listened), again.expected_at)
    if gap.reason == "clock" and when.cron is None and gap.start <= miss:  # of what was expected no time has passed
        return _waiting(rule, when, standing, standing.expected_at + gap.end - gap.start)
    return standing


def armed(rule: Rule, own: Schedule, standing: Standing, beat: Beat, now: Ns) -> Standing:
    """The rule begins to watch, or what it waits by was edited: by itself that makes nobody late.

    What it expects already stands, and what a gap of ours granted with it; see `astray` for what does not.
    """
    if beat.last_ping_at is None or beat.status == "paused" or standing.state == "firing":
        return standing
    when = schedule_of(rule, own)
    try:
        known = _known(when, own, beat) if standing.expected_at is None else standing.expected_at
        if known is not None and known > now:
            return _waiting(rule, when, standing, known)
        if standing.expected_at is not None:
            return _late(rule, when, standing, standing.expected_at, now)
    except ValueError:
        return _put_off(standing, now)
    return _expecting(rule, when, standing, now)


def _late(rule: Rule, when: Schedule, standing: Standing, expected: Ns, now: Ns) -> Standing:
    """The ping is late already: where it may be later than before, or less late, that time begins now."""
    again = _waiting(rule, when, standing, expected)
    if again.due_at == standing.due_at:
        return standing
    return replace(again, due_at=_due(rule, standing, missed_at(rule, when, expected) + now - expected))


def resumed(rule: Rule, own: Schedule, standing: Standing, beat: Beat, now: Ns) -> Standing:
    """The monitor is watched again, and nobody knows of the pings that it sent meanwhile: a whole turn from now."""
    return standing if beat.last_ping_at is None else _expecting(rule, schedule_of(rule, own), standing, now)


def same_rhythm(old: Rule, new: Rule) -> bool:
    """Whether both wait in their own way, for pings at the same times."""
    waits = old.type == new.type == "heartbeat" and not book.is_plain(old) and not book.is_plain(new)
    zones = old.interval is not None or old.timezone == new.timezone
    return waits and (old.interval, old.cron) == (new.interval, new.cron) and zones


def same_times(rule: Rule, old: Schedule, new: Schedule) -> bool:
    """Whether the rule waits for the same pings for as long, whichever of these the monitor's schedule is."""
    one, other = schedule_of(rule, old), schedule_of(rule, new)
    return schedules.same_rhythm(one, other) and one.grace == other.grace


def astray(standing: Standing) -> Standing:
    """Pings come in another rhythm from now on: what was expected is not."""
    return replace(standing, expected_at=None, due_at=None, listened=0, held=0)


def _known(when: Schedule, own: Schedule, beat: Beat) -> Ns | None:
    """What is expected next by a rule that has waited for nothing yet; None where nobody knows.

    Not what is counted from the last ping: whether a gap of ours, a pause or the clock came in between only the monitor knows.
    """
    return beat.expected_at if schedules.same_rhythm(own, when) and beat.deadline is not None and beat.health is None else None


def _misses(rule: Rule, when: Schedule, expected: Ns) -> Iterator[tuple[Ns, Ns]]:
    """When each ping of those is expected that must be missed in a row, and when it is."""
    for number in range(rule.consecutive):
        if number:
            expected = schedules.expected_after(when, expected)
        last = number == rule.consecutive - 1
        yield expected, schedules.deadline(when, expected) + (rule.hold * SECOND if last else 0)


def _expecting(rule: Rule, when: Schedule, standing: Standing, at: Ns) -> Standing:
    try:
        return _waiting(rule, when, replace(standing, health="ok", listened=0), schedules.expected_after(when, at))
    except ValueError:
        return _put_off(standing, at)


def _put_off(standing: Standing, at: Ns) -> Standing:
    return replace(standing, expected_at=None, due_at=at + schedules.HOUR, held=0, health="error")


def _waiting(rule: Rule, when: Schedule, standing: Standing, expected: Ns) -> Standing:
    return replace(standing, expected_at=expected, due_at=_due(rule, standing, missed_at(rule, when, expected)), held=0)


def _due(rule: Rule, standing: Standing, miss: Ns) -> Ns:
    """What comes first: the miss, or that a rule which recovers is well."""
    well = judge.well_at(rule, standing)
    return miss if well is None else min(miss, well)
