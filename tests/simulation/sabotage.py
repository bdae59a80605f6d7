"""Deliberate bugs, each a patch of the code under test: the simulation must find every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from sqlalchemy import Connection, select, update

from ingest.commit import Committer
from rules import absence, cron, expectation, judge, overdue, schedule, settle
from rules.case import Case
from rules.channels import Message
from rules.outbox import Outbox
from rules.overdue import Overdue
from rules.settle import Settle
from store.control import offsets, outbox, verdicts
from store.control.tables import beats
from store.model import SECOND, Beat, Channel, Gap, Notice, Ns, Schedule, Transition
from store.points import Away
from store.rule import Rule, Standing
from store.ship import Ship

Bug = Callable[[ExitStack], None]
_BUGS: dict[str, Bug] = {}


def bug(make: Bug) -> Bug:
    _BUGS[make.__name__.replace("_", " ")] = make
    return make


@contextmanager
def sabotaged(name: str) -> Iterator[None]:
    """With this bug in the code."""
    with ExitStack() as stack:
        _BUGS[name](stack)
        yield


def _put(stack: ExitStack, target: Any, name: str, value: Any) -> None:
    stack.enter_context(patch.object(target, name, value))


@bug
def a_deadline_passes_a_second_late(stack: ExitStack) -> None:
    due = overdue._due
    _put(stack, overdue, "_due", lambda connection, watermark, lead, limit: due(connection, watermark - SECOND, lead, limit))


@bug
def a_deadline_passes_a_second_early(stack: ExitStack) -> None:
    step = Overdue.step

    def hasty(self: Overdue, now: Ns) -> bool:
        watermark = self._watermark()
        with patch.object(self, "_watermark", lambda: None if watermark is None else watermark + SECOND):
            return step(self, now)

    _put(stack, Overdue, "step", hasty)


@bug
def an_offset_is_lost_now_and_then(stack: ExitStack) -> None:
    save, number = offsets.save, iter(range(10**9))

    def forgetful(connection: Connection, reader: str, passed: Mapping[str, int]) -> None:
        if reader != "settle" or next(number) % 5:
            save(connection, reader, passed)

    _put(stack, offsets, "save", forgetful)


@bug
def an_offset_is_saved_before_the_state(stack: ExitStack) -> None:
    step = Settle.step

    def hasty(self: Settle, now: Ns) -> bool:
        intake = self._inbox.take(self._offsets, settle._BATCH)
        with self._control.begin() as connection:
            offsets.save(connection, "settle", intake.passed)
        return step(self, now)

    _put(stack, Settle, "step", hasty)


@bug
def a_resolve_overtakes_its_fire(stack: ExitStack) -> None:
    _put(stack, outbox, "_UNSAID", ())


@bug
def a_gap_puts_everybody_off(stack: ExitStack) -> None:
    rearmed = absence.rearmed

    def generous(plan: Any, expected: Ns, gap: Gap, **more: Any) -> Any:
        later = max(expected, gap.end + plan.interval * SECOND)
        return rearmed(plan, expected, gap, **more) or absence.Rearmed(later, unverified=False)

    def all_of_them(connection: Connection, gap: Gap, behind: str = "") -> list[str]:
        waiting = select(beats.c.monitor_id).where(beats.c.deadline.is_not(None), beats.c.monitor_id > behind)
        return list(connection.execute(waiting.order_by(beats.c.monitor_id)).scalars())

    _put(stack, absence, "rearmed", generous)
    _put(stack, verdicts, "touched_by", all_of_them)


@bug
def a_gap_puts_nobody_off(stack: ExitStack) -> None:
    _put(stack, Case, "gap", lambda self, gap: None)


@bug
def a_transition_is_written_twice(stack: ExitStack) -> None:
    add = verdicts.add_transitions

    def eager(connection: Connection, new: Sequence[Transition]) -> None:
        add(connection, [*new, *(turn for turn in new if turn.to_status == "unverified" or turn.reason == "missed")])

    _put(stack, verdicts, "add_transitions", eager)


@bug
def an_alert_counts_evaluations(stack: ExitStack) -> None:
    sampled = judge.sampled

    def twice(rule: Rule, standing: Standing, verdict: Any, at: Ns, value: float | str | None = None) -> Standing:
        return sampled(rule, sampled(rule, standing, verdict, at, value), verdict, at, value)

    _put(stack, judge, "sampled", twice)


@bug
def a_sent_mark_is_lost(stack: ExitStack) -> None:
    sent = outbox.sent

    def forgetful(connection: Connection, notice: Notice, now: Ns) -> None:
        if int(notice.id[-1], 16) > 3:
            sent(connection, notice, now)

    _put(stack, outbox, "sent", forgetful)


@bug
def no_ping_may_be_early(stack: ExitStack) -> None:
    _put(stack, schedule, "_early", lambda plan, distance: 0)


@bug
def clocks_are_never_changed(stack: ExitStack) -> None:
    def winter(name: str) -> timezone:
        offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(name)).utcoffset()
        return timezone(offset or timedelta())

    cron._slot_after_minute.cache_clear()
    stack.callback(cron._slot_after_minute.cache_clear)
    stack.enter_context(patch("rules.cron.zoneinfo.ZoneInfo", winter))


@bug
def a_late_ping_hides_that_it_was_late(stack: ExitStack) -> None:
    ping = Case.ping

    def forgiving(self: Case, one: Any) -> None:
        with patch.object(Case, "until", lambda self, *_: None):
            ping(self, one)

    _put(stack, Case, "ping", forgiving)


@bug
def a_retry_has_an_id_of_its_own(stack: ExitStack) -> None:
    def send(self: Outbox, notice: Notice, channel: Channel) -> None:
        name = notice.id if notice.attempts == 1 else f"{notice.id}-{notice.attempts}"
        self._senders[channel.type].send(channel.config, Message(name, notice.event, notice.created_at, notice.payload))

    _put(stack, Outbox, "_send", send)


@bug
def a_restart_begins_all_deadlines_anew(stack: ExitStack) -> None:
    start = Settle.__init__

    def forgetful(self: Settle, control: Any, *rest: Any) -> None:
        start(self, control, *rest)
        with control.begin() as connection:
            connection.execute(update(beats).values(deadline=beats.c.deadline + 10 * SECOND))

    _put(stack, Settle, "__init__", forgetful)


@bug
def overdue_looks_before_a_gap_is_settled(stack: ExitStack) -> None:
    step = Settle.step

    def hasty(self: Settle, now: Ns) -> bool:
        more = step(self, now)
        self.watermark = self.reached
        return more

    _put(stack, Settle, "step", hasty)


@bug
def a_restart_is_no_gap(stack: ExitStack) -> None:
    stack.enter_context(patch("simulation.stage.missed", lambda *_: None))


@bug
def time_that_was_jumped_over_has_passed(stack: ExitStack) -> None:
    breaks = Committer._breaks
    _put(stack, Committer, "_breaks", lambda self: [one for one in breaks(self) if one[2] != "clock"])


@bug
def a_clock_is_not_watched_while_nobody_runs(stack: ExitStack) -> None:
    stack.enter_context(patch("simulation.stage.last_reading", lambda _: None))


@bug
def stalls_hold_a_deadline_for_good(stack: ExitStack) -> None:
    _put(stack, absence, "_HELD", 10**18)


@bug
def points_that_cannot_be_written_are_passed_over(stack: ExitStack) -> None:
    ship = Ship._ship

    def careless(self: Ship, journal: Any, shipped: int, settled: int, now: Ns) -> bool:
        try:
            return ship(self, journal, shipped, settled, now)
        except Away:
            with self._control.begin() as connection:
                offsets.save(connection, "ship", {journal.id: settled})
            return False

    _put(stack, Ship, "_ship", careless)


@bug
def a_message_is_forgotten_when_its_state_is_saved(stack: ExitStack) -> None:
    add, number = outbox.add, iter(range(10**9))

    def forgetful(connection: Connection, notices: Any, **more: Any) -> None:
        add(connection, [notice for notice in notices if next(number) % 7], **more)

    _put(stack, outbox, "add", forgetful)


@bug
def an_unverified_monitor_is_as_good_as_up(stack: ExitStack) -> None:
    rearmed = absence.rearmed

    def trusting(*arguments: Any, **more: Any) -> Any:
        again = rearmed(*arguments, **more)
        return None if again is None else replace(again, unverified=False)

    _put(stack, absence, "rearmed", trusting)


@bug
def an_edit_lets_rules_count_again_from_the_last_ping(stack: ExitStack) -> None:
    armed = expectation.armed

    def forgetful(rule: Rule, own: Schedule, standing: Standing, beat: Beat, now: Ns) -> Standing:
        again = armed(rule, own, standing, beat, now)
        if again.expected_at is None or beat.last_ping_at is None or again.state == "firing":
            return again
        when = expectation.schedule_of(rule, own)
        return expectation._waiting(rule, when, again, schedule.expected_after(when, beat.last_ping_at))

    _put(stack, expectation, "armed", forgetful)


BUGS: Final = tuple(_BUGS)
