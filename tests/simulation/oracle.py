"""The model: what must become of one monitor, worked out from the list of all that happened to it, in whole numbers and plain lists.

Written from the pages that say what Lastbeat does, without a look-up of `rules/`: it shares nothing with the code under test but the
records of pings, gaps and rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from simulation.rulings import Outage, Ruling, rhythm
from simulation.slots import Span
from simulation.waiting import PATIENCE, distance, early, expected_after, opens, put_off, wait_in_stall
from store.model import SECOND, Gap, Ns, Ping, Schedule
from store.rule import Rule

_RUN_SECONDS: Final = "duration_s"
_HOUR: Final = 3_600 * SECOND
_REMEMBERED: Final = 120 * SECOND  # a run that has ended
_BEHIND_ITS_END: Final = 10 * SECOND  # a start that comes late
_BRIEF: Final = 10 * SECOND  # a step of the clock that loses no signal


@dataclass(frozen=True)
class Turn:
    """From one status to another."""

    at: Ns
    before: str
    after: str
    reason: str


@dataclass
class Run:
    rid: str | None
    began: Ns
    due: Ns | None = None
    ended: Ns | None = None
    how: str | None = None
    excused: bool = False
    skipped: Ns = 0  # by the clock: perhaps it did not run meanwhile
    waited: Ns = 0  # because of stalls


@dataclass
class Life:
    """One monitor. `tells`: whom it notifies. `named`: the channels by what rules call them. `due`: when it goes down if nothing comes."""

    monitor: str
    schedule: Schedule
    span: Span
    tells: frozenset[str]
    named: dict[str, str]
    tags: tuple[str, ...] = ()
    status: str = "new"
    last: Ns | None = None
    expected: Ns | None = None
    deadline: Ns | None = None
    down_since: Ns | None = None
    run_due: Ns | None = None
    listened: Ns = 0
    waited: Ns = 0  # because of stalls
    runs: list[Run] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    rulings: dict[str, Ruling] = field(default_factory=dict)
    seconds: dict[Ns, float] = field(default_factory=dict)
    gone: bool = False
    impatient: bool = False  # one gap of ours after the other: then one more puts nothing off, whatever it may have swallowed
    doubted: set[Ns] = field(default_factory=set)
    ignored: set[Ns] = field(default_factory=set)  # gaps whose consequences nobody wants to hear of

    @property
    def due(self) -> Ns | None:
        """When it goes down if nothing comes."""
        return min((instant for instant in (self.deadline, self.run_due) if instant is not None), default=None)

    def is_due(self, start: Ns, end: Ns) -> bool:
        """Whether time alone decides anything from `start` on, and before `end`."""
        instants = (self.due, *(ruling.due for ruling in self.rulings.values()))
        return not self.gone and any(instant is not None and start <= instant < end for instant in instants)

    # What happens.

    def hear(self, ping: Ping) -> None:
        if self.gone:
            return
        self.look(ping.at, ping.lead)
        values: dict[str, float | str] = {**ping.numbers, **ping.texts}
        if ping.kind in ("success", "fail"):
            self.impatient = False
            run = self._going(ping.rid)
            if run is not None:
                self.seconds[ping.at] = (ping.at - run.began) / SECOND
                values.setdefault(_RUN_SECONDS, self.seconds[ping.at])
            if ping.kind == "success":
                self._succeed(ping)
            else:
                self._fail(ping)
        elif ping.kind == "start":
            self._start(ping)
        if self.status != "paused" and ping.kind != "log":
            for ruling in self.rulings.values():
                ruling.hear(ping, values, self)

    def look(self, watermark: Ns, lead: Ns = 0) -> None:
        """Everything that was received before the watermark has been heard: whatever time decides until then is decided, in its order.

        Our clock is ahead of the one on the wall by `lead`, and slots of cron are where that one is.
        """
        while True:
            instants = [(self.due, None), *((ruling.due, ruling) for ruling in self.rulings.values())]
            coming = [(due + self._by_slots(ruling) * lead, ruling) for due, ruling in instants if due is not None]
            first = min((at for at, _ in coming), default=watermark)
            if first >= watermark or self.gone:
                return
            if self.due is not None and (first, None) in coming:
                self._miss(self.due)
            for ruling in self.rulings.values():
                if ruling.due is not None and ruling.due + self._by_slots(ruling) * lead == first:
                    ruling.pass_time(self)

    def _by_slots(self, ruling: Ruling | None) -> bool:
        return self.schedule.cron is not None or (ruling is not None and ruling.rule.cron is not None)

    def _met(self, gap: Gap, ruling: Ruling | None = None) -> Gap:
        """The gap as slots meet it, which are where the clock on the wall is."""
        return gap if gap.reason == "clock" else replace(gap, start=gap.start - self._by_slots(ruling) * gap.lead)

    def miss_out(self, gap: Gap) -> None:
        """We were not listening; or the clock was put forward, and of that time nothing has passed."""
        if self.gone:
            return
        for run in self.runs:
            self._run_in_gap(run, self._met(gap))
        if self.runs:
            self._time_runs()
        unheard, until = self._may_have_pinged(self._met(gap)), self._next_chance(self._met(gap))
        self._wait_longer(self._met(gap))
        for ruling in self.rulings.values():
            ruling.miss_out(self._met(gap, ruling), self)
            if gap.reason == "clock":
                ruling.set_forward(gap)
            if unheard or until is not None:
                ruling.wait_for_another(gap, until)

    def _may_have_pinged(self, gap: Gap) -> bool:
        """Whether what the job says may have gone unheard."""
        if self.deadline is None or self.expected is None or gap.reason == "stall":
            return False
        if gap.reason == "clock" and gap.end - gap.start < _BRIEF:
            return False
        return opens(self.schedule, self.expected, self.last, gap.slowed, self.span) <= gap.end and gap.start <= self.deadline

    def _next_chance(self, gap: Gap) -> Ns | None:
        """Of a monitor that is down: until when its next ping may come, if this one has gone unheard."""
        if self.status != "down" or self.expected is None or gap.reason == "stall":
            return None
        if gap.reason == "clock" and gap.end - gap.start < _BRIEF:
            return None
        late, expected, turns = self.schedule.grace * SECOND, self.expected, 1
        while gap.start > expected + late and turns < 4:
            expected, turns = self._expected_after(expected), turns + 1
        if opens(self.schedule, expected, self.last, gap.slowed, self.span) > gap.end or gap.start > expected + late:
            return None
        return put_off(self.schedule, expected, self.last, gap, self.span)[1] + late

    def _wait_longer(self, gap: Gap) -> None:
        if self.deadline is None or self.expected is None:
            return
        if gap.reason == "stall":
            more = wait_in_stall(self.deadline, gap, self.waited)
            self.deadline, self.waited = self.deadline + more, self.waited + more
            return
        if gap.reason == "clock" and gap.end - gap.start < _BRIEF:
            if gap.start <= self.deadline and (self.schedule.cron is None or self.expected <= gap.end):
                self.deadline += gap.end - gap.start
                self.expected += 0 if self.schedule.cron is not None else gap.end - gap.start
            return
        first, last = opens(self.schedule, self.expected, self.last, gap.slowed, self.span), self.deadline
        if gap.end < first or gap.start > last:
            if gap.reason == "clock" and self.schedule.cron is None and gap.end <= self.deadline:
                waited = self._waits_for_start()
                self.expected += gap.end - gap.start
                self.deadline += gap.end - gap.start
                if waited:
                    self._wait_for(self.expected, begun=True)
            # The start that was waited for may have come in it.
            elif self._waits_for_start() and self._starts_count_from(self.expected) <= gap.end and gap.start <= last:
                self._wait_for(self.expected, begun=True)
            return
        turn = distance(self.schedule, self.expected, self.span)
        listened = self.listened + min(max(0, gap.start - self.expected + turn), turn)
        if listened >= PATIENCE * turn and not (gap.start <= first and last <= gap.end):
            self.impatient = True
            return
        self.listened = listened
        soon, again = put_off(self.schedule, self.expected, self.last, gap, self.span)
        self._wait_for(again, begun=self._outlasts(again))
        if not soon:
            if any(ruling.rule.on_own_outage == "ignore" for ruling in self.rulings.values()):
                self.ignored.add(gap.at)
            self._turn("unverified", gap.at, "not_listening")

    def pause(self, now: Ns) -> None:
        self.deadline = self.run_due = None
        self.runs = []
        self.listened = 0
        self._turn("paused", now, "paused")
        for ruling in self.rulings.values():
            ruling.dismiss(now, "paused")

    def resume(self, now: Ns) -> None:
        if self.status == "paused":
            if self.last is None:
                self._turn("new", now, "resumed")
            else:
                self._turn("up", now, "resumed")
                self._wait_for(self._expected_after(now))
                for ruling in self.rulings.values():
                    ruling.begin_anew(self, now)

    def reschedule(self, schedule: Schedule, now: Ns) -> None:
        old = self.schedule
        if old == schedule:
            return
        waited_by = {uid: ruling.schedule(self) for uid, ruling in self.rulings.items()}
        if old.max_run != schedule.max_run:
            for run in self.runs:
                if run.ended is None and not run.excused:
                    run.due, run.waited = (None if schedule.max_run is None else run.began + schedule.max_run * SECOND), 0
                    if run.due is not None and run.due <= now:
                        run.due += now - run.began
            self._time_runs()
        if self.deadline is not None and self.expected is not None and self.last is not None:
            self._count_anew(schedule, now, self.expected, self.last)
        elif self.expected is not None and self.last is not None:
            self.expected = expected_after(schedule, self.last, self.span)
        self.schedule = schedule
        for uid, ruling in self.rulings.items():
            waits_by, waited = ruling.schedule(self), waited_by[uid]
            if ruling.waits and rhythm(waits_by) != rhythm(waited):
                ruling.forget_the_rhythm()
            if (rhythm(waits_by), waits_by.grace) != (rhythm(waited), waited.grace):
                ruling.arm(self, now)

    def delete(self, now: Ns) -> None:
        if self.status == "down":
            self._close_outage(now, "deleted")
        for ruling in self.rulings.values():
            ruling.dismiss(now, "deleted")
        self.deadline = self.run_due = None
        self.gone = True

    # Rules.

    def rule(self, rules: list[Rule], now: Ns) -> None:
        """These rules are in force from now on; those of the API stay as they are."""
        mine = {rule.uid: rule for rule in rules if rule.match.all or set(rule.match.tags) & set(self.tags)}
        outage = next((outage for outage in self.outages if outage.rule is None and outage.resolved is None), None)
        spoke = {} if outage is None else self._speakers(outage.cause)
        for uid, ruling in list(self.rulings.items()):
            # One of another type is another rule.
            if not ruling.of_api and (uid not in mine or mine[uid].type != ruling.rule.type):
                ruling.dismiss(now, "rule_removed")
                del self.rulings[uid]
        fresh = []
        for uid, rule in mine.items():
            known = self.rulings.get(uid)
            if known is None:
                known = self.rulings[uid] = Ruling(rule, self.span)
                fresh.append(known)
            elif known.change(rule, now):
                fresh.append(known)
        # In the order of the files, and those of the API behind them all.
        order = list(mine)
        self.rulings = dict(sorted(self.rulings.items(), key=lambda one: order.index(one[0]) if one[0] in mine else len(order)))
        if outage is not None:  # those who speak of it from now on tell whoever does not know
            news = [channels for uid, channels in self._speakers(outage.cause).items() if uid not in spoke]
            outage.tells = outage.tells.union(*news)
        self._arm(fresh, now)

    def set_alert(self, rule: Rule) -> None:
        """An alert of the API is made, or changed."""
        known = self.rulings.get(rule.uid)
        if known is None:
            self.rulings[rule.uid] = Ruling(rule, self.span, of_api=True)
        else:
            known.change(rule, 0)

    def drop_alert(self, uid: str, now: Ns) -> None:
        self.rulings.pop(uid).dismiss(now, "rule_removed")

    def meant(self, rule: Rule) -> frozenset[str]:
        """Whom the rule tells."""
        if rule.channels is None:
            return self.tells
        known = frozenset(self.named[name] for name in rule.channels if name in self.named)
        return self.tells if rule.channels and not known else known

    def _arm(self, rulings: list[Ruling], now: Ns) -> None:
        if self.gone:
            return
        for ruling in rulings:
            ruling.arm(self, now)

    # When the next ping is expected.

    def _expected_after(self, instant: Ns) -> Ns:
        return expected_after(self.schedule, instant, self.span)

    def _wait_for(self, expected: Ns, *, begun: bool = False) -> None:
        """The next success is expected then; `begun`: the start of its run is not waited for."""
        grace, start_by = self.schedule.grace, self.schedule.start_by
        self.expected, self.waited = expected, 0
        self.deadline = expected + (grace if begun or start_by is None else min(grace, start_by)) * SECOND

    def _waits_for_start(self) -> bool:
        if self.schedule.start_by is None or self.deadline is None or self.expected is None:
            return False
        return self.deadline - self.waited < self.expected + self.schedule.grace * SECOND

    def _starts_count_from(self, expected: Ns) -> Ns:
        """From when on a start is that of the run that is expected: with an interval any since the last ping."""
        if self.schedule.cron is None:
            return expected - self.schedule.interval * SECOND
        return expected - early(self.schedule, expected, self.span)

    def _outlasts(self, expected: Ns) -> bool:
        """Whether a run that began while nobody listened may go on, in time, until after the next one must have begun."""
        if self.schedule.cron is None:
            return True
        late = self.schedule.grace if self.schedule.start_by is None else min(self.schedule.grace, self.schedule.start_by)
        return distance(self.schedule, expected, self.span) + late * SECOND < self.schedule.grace * SECOND

    def _count_anew(self, new: Schedule, now: Ns, expected: Ns, pinged: Ns) -> None:
        old = self.schedule
        waited = self._waits_for_start()
        if rhythm(old) != rhythm(new):
            granted = expected != self._expected_after(pinged)
            again = expected_after(new, pinged, self.span)
            if granted or again <= now:
                again = expected_after(new, now, self.span)
            begun = self._has_begun(new, again, waited)
            self.schedule, self.listened = new, 0
            self._wait_for(again, begun=begun)
            return
        begun = self._has_begun(new, expected, waited)
        self.schedule = new
        if begun and old.grace == new.grace:
            if waited:
                self._wait_for(expected, begun=True)
            return
        late = new.grace if begun or new.start_by is None else min(new.grace, new.start_by)
        if not begun and waited and old.start_by is not None and late == min(old.grace, old.start_by):
            return
        self.deadline, self.waited = max(expected, now) + late * SECOND, 0

    def _has_begun(self, new: Schedule, expected: Ns, waited: bool) -> bool:
        """Whether after an edit the run that is expected has begun already, or may have."""
        old = self.schedule
        if new.start_by is None or (old.start_by is not None and not waited):
            return True
        if new.cron is None and (old.cron is not None or old.start_by is None):
            return True
        starts = expected - (new.interval * SECOND if new.cron is None else early(new, expected, self.span))
        return any(run.began >= starts for run in self.runs)

    # Signals.

    def _succeed(self, ping: Ping) -> None:
        if self.status == "paused":
            return
        said_first = self._said_first(ping, "success")
        too_short = self._was_too_short(ping)
        self._end_run(ping, "success")
        hides = said_first is not None and self.status == "down" and said_first < (self.down_since or 0) <= (self.last or 0)
        self.last = ping.at
        if hides or (too_short and said_first is not None):
            return
        if too_short:
            self._fall(ping.at, "underran")
            return
        self.listened = 0
        self._turn("up", ping.at, "ping")
        self._wait_for(self._expected_after(ping.at))
        self._time_runs()

    def _fail(self, ping: Ping) -> None:
        if self.status == "paused":
            return
        said_first = self._said_first(ping, "fail")
        self._end_run(ping, "fail")
        overtaken = self.status != "down" and said_first is not None and self.last is not None and said_first < self.last
        self.last = ping.at
        if not overtaken:
            self._fall(ping.at, "failed")

    def _fall(self, at: Ns, why: str) -> None:
        self.listened = 0
        self.expected = self._expected_after(at)
        self.deadline = self.run_due = None
        self._turn("down", at, why)

    def _miss(self, due: Ns) -> None:
        reason = "overran" if due == self.run_due else "not_started" if self._waits_for_start() else "missed"
        if reason == "overran":
            for run in self.runs:
                run.excused |= run.due is not None and run.due <= due
        self.deadline = self.run_due = None
        if self.impatient:
            self.doubted.add(due)
        self._turn("down", due, reason)

    def _start(self, ping: Ping) -> None:
        if self.status == "paused":
            return
        self._forget_runs(ping.at)
        known = next((run for run in self.runs if run.rid == ping.rid), None)
        again = False
        if known is not None and ping.rid is not None:
            again = ping.at - known.ended < _BEHIND_ITS_END if known.ended is not None else ping.at - known.began < _REMEMBERED
        if not again:
            if known is not None:
                self.runs.remove(known)
            limit = self.schedule.max_run
            self.runs.append(Run(ping.rid, ping.at, None if limit is None else ping.at + limit * SECOND))
        self._time_runs()
        if not again and self._waits_for_start() and self.expected is not None and ping.at >= self._starts_count_from(self.expected):
            self._wait_for(self.expected, begun=True)

    # Runs.

    def _going(self, rid: str | None) -> Run | None:
        return next((run for run in self.runs if run.rid == rid and run.ended is None), None)

    def _ended_before(self, ping: Ping, how: str) -> Run | None:
        """The run that the ping names, where it had ended in the same way before and that is not long ago."""
        for run in self.runs:
            if ping.rid is not None and run.rid == ping.rid and run.how == how and run.ended is not None:
                return run if ping.at < run.ended + _REMEMBERED else None
        return None

    def _said_first(self, ping: Ping, how: str) -> Ns | None:
        run = self._ended_before(ping, how)
        return None if run is None else run.ended

    def _was_too_short(self, ping: Ping) -> bool:
        run = self._going(ping.rid) or self._ended_before(ping, "success")
        if run is None or self.schedule.min_run is None:
            return False
        length = (ping.at if run.ended is None else run.ended) - run.began + run.skipped
        return 0 < length < self.schedule.min_run * SECOND

    def _end_run(self, ping: Ping, how: str) -> None:
        if not self.runs and ping.rid is None:
            return
        self._forget_runs(ping.at)
        if ping.rid is None:
            unnamed = self._going(None)
            self.runs = [run for run in self.runs if run.ended is not None or (unnamed is not None and run is not unnamed)]
            return
        known = next((run for run in self.runs if run.rid == ping.rid), None)
        if known is not None and known.how == how:
            return
        if known is not None:
            self.runs.remove(known)
        self.runs.append(Run(ping.rid, ping.at if known is None else known.began, None, ping.at, how))
        self.runs[-1].skipped = 0 if known is None else known.skipped

    def _forget_runs(self, at: Ns) -> None:
        month = 31 * 24 * _HOUR
        self.runs = [run for run in self.runs if at < (run.began + month if run.ended is None else run.ended + _REMEMBERED)]

    def _time_runs(self) -> None:
        waited = [run.due for run in self.runs if run.due is not None and run.ended is None and not run.excused]
        first = min(waited, default=None)
        # Over-long in another outage: told right after it.
        self.run_due = None if first is None or self.status in ("down", "paused") else max(first, self.last or first)

    @staticmethod
    def _run_in_gap(run: Run, gap: Gap) -> None:
        if gap.reason == "clock" and run.ended is None:
            run.began += gap.end - gap.start
            run.skipped += gap.end - gap.start
            if run.due is not None and run.due >= gap.start:
                run.due += gap.end - gap.start
        if gap.reason == "clock" and gap.end - gap.start < _BRIEF:
            return
        if gap.reason == "stall":
            if run.due is not None and run.ended is None and not run.excused:
                more = wait_in_stall(run.due, gap, run.waited)
                run.due, run.waited = run.due + more, run.waited + more
        elif run.ended is None and not run.excused and run.began < gap.end and (run.due is None or gap.start <= run.due):
            run.due, run.excused = None, True

    # What people are told.

    def _turn(self, after: str, at: Ns, reason: str) -> None:
        before, self.status = self.status, after
        if before == after:
            return
        self.turns.append(Turn(at, before, after, reason))
        if after == "down":
            self.down_since = at
            self.outages.append(Outage(None, reason, at, self._tells_of(reason), "monitor_down", "monitor_up"))
        elif before == "down":
            self.down_since = None
            self._close_outage(at, reason)

    def _tells_of(self, reason: str) -> frozenset[str]:
        """Rules of the kind that speaks of such an outage say whom to tell of it; where there is none, the monitor's channels are told."""
        return frozenset[str]().union(*self._speakers(reason).values())

    def _speakers(self, reason: str) -> dict[object, frozenset[str]]:
        speaker = "status" if reason in ("failed", "underran") else "heartbeat"
        speaking = [ruling for ruling in self.rulings.values() if ruling.rule.type == speaker]
        if not speaking:
            return {None: self.tells}
        return {(ruling.rule.uid, ruling.rule.channels): self.meant(ruling.rule) for ruling in speaking if ruling.is_plain}

    def _close_outage(self, at: Ns, why: str) -> None:
        outage = next(outage for outage in reversed(self.outages) if outage.rule is None)
        outage.resolved, outage.resolution = at, why
