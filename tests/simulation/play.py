"""One seed, played to its end: time goes on, jobs ping, things break, the engine works, and the model is asked what it should have done."""

from __future__ import annotations

import gc
import heapq
import itertools
import logging
import random
import secrets
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import sqlalchemy.exc
from marshmallow import ValidationError
from msgspec.structs import replace

from rules import actions, overdue, settle
from rules.accept import accept, arm
from rules.definitions import AlertDefinition, MonitorDefinition, defined_alert, defined_monitor
from simulation import audit
from simulation.jobs import Job, Round, Signal
from simulation.oracle import Life, Turn
from simulation.receivers import Receiver
from simulation.stage import BASE_URL, Died, Engine, Ground, Worker
from simulation.story import Story, Trouble, another_schedule, another_set, told
from store.control import Control, alerts, channels, monitors, progress, projects, settings
from store.instant import iso
from store.model import SECOND, Channel, Gap, Ns, Ping, Plan, Project, Record, new_id
from store.rule import Rule

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_PLAN = Plan("unlimited")


class Found(AssertionError):
    """Something is not as it must be; says what, and all that happened to the monitor concerned."""


class Outcome(NamedTuple):
    seed: int
    kind: str
    days: float
    monitors: int
    pings: int
    deaths: int
    ticks: int
    turns: int
    messages: int


class Play:
    def __init__(self, seed: int, root: Path, kind: str | None = None, only: int | None = None) -> None:
        """`only`: the number of the one monitor whose job pings at all."""
        self.seed = seed
        self.story: Story = told(random.Random(f"story {seed}"), kind)
        self.chance = random.Random(f"play {seed}")
        self.ground = Ground(root, self.story.start, random.Random(f"ground {seed}"))
        self.ground.storm_hold = self.story.storm_hold
        self.ground.stored = self._stored
        self.ground.meanwhile = self._meanwhile
        self.queue: list[tuple[Ns, int, Callable[[], None]]] = []
        self.number = itertools.count()
        self.journal: list[tuple[Ns, str | None, str]] = []
        self.workers: dict[int, Worker] = {}
        self.engine: Engine | None = None
        self.held_until: Ns = 0  # the machine stands still
        self.asleep_until: Ns = 0  # it sleeps, and clients give up
        self.ending = False
        self.lives: dict[str, Life] = {}
        self.jobs: dict[str, Job] = {}
        self.names: dict[str, int] = {}
        self.channels: list[Channel] = []
        self.records: dict[int, list[Record]] = defaultdict(list)
        self.fed: dict[int, int] = defaultdict(int)
        self.fed_until: Ns = 0
        self.early: dict[str, Ns] = {}  # who was told of a gap before all others were
        self.looked: Ns = 0
        self.looking: Ns = 0
        self.actual: dict[str, list[Turn]] = defaultdict(list)
        self.rules: list[Rule] = []
        self.compared: dict[str, int] = defaultdict(int)
        self.last_row = self.last_incident = 0
        self.opened: dict[str, list[tuple[Ns, str]]] = defaultdict(list)
        self.planned: set[Ns] = set()  # instants for which there are ticks
        self.eagerness = 0.1 if self.story.kind == "crowd" else 0.5
        self.lost: list[tuple[Ns, str]] = []
        self.stepped = False
        self.steps: list[Gap] = []
        self.forgot_at: Ns | None = None
        self.pace: Ns = 0  # by how much the time of this machine is ahead of `elapsed`
        self.deaths = self.ticks = 0
        self.only = only
        self._busy = False
        self.api = Control(self.ground.control)
        self.view = sqlite3.connect(self.ground.control, isolation_level=None)
        self.slots_of: dict[str, int] = {}

    # The whole of it.

    def run(self) -> Outcome:
        self._set_up()
        for at, trouble in self.story.troubles:
            self.at(at, partial(self._trouble, trouble))
        for at in range(0, self.story.length, self.story.length // 12):
            self.at(at + self.chance.randrange(MINUTE), self.tick)
        while self.queue and self.queue[0][0] <= self.story.length:
            at, _, what = heapq.heappop(self.queue)
            self._advance(at)
            what()
        self._finish()
        return Outcome(
            self.seed,
            self.story.kind,
            self.story.days,
            len(self.lives),
            sum(isinstance(record, Ping) for records in self.records.values() for record in records),
            self.deaths,
            self.ticks,
            sum(len(life.turns) for life in self.lives.values()),
            sum(len(receiver.taken) for receiver in self.ground.senders.receivers.values()),
        )

    def at(self, when: Ns, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (max(when, self.ground.elapsed), next(self.number), what))

    def say(self, text: str, monitor: str | None = None) -> None:
        self.journal.append((self.logical(), monitor, text))

    def fail(self, sentence: str, monitor: str | None = None, until: Ns | None = None) -> Found:
        return Found(audit.told(self, sentence, monitor, until))

    def close(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        if self.engine is not None:
            self.engine.kill()
        self.api.close()
        self.view.close()

    def _set_up(self) -> None:
        now = self.ground.wall()
        with self.api.begin() as connection:
            self.project: Project = projects.create(connection, "default", "unlimited", now)
            for number in range(self.story.channels):
                url = f"http://receiver-{number}/"
                self.ground.senders.receivers[url] = Receiver()
                channel = Channel(new_id("ch"), self.project.id, f"receiver {number}", "webhook", {"url": url}, number == 0, now, now)
                channels.add(connection, channel)
                self.channels.append(channel)
        self.defaults = frozenset(channel.id for channel in self.channels if channel.is_default)
        self.named = {name: channel.id for channel in self.channels for name in (channel.name, channel.id)}
        for slot in range(self.story.workers):
            self._start_worker(slot)
        self._start_engine()
        for number, character in enumerate(self.story.characters):
            self.at(character.appears, partial(self._add_monitor, number))

    # Time.

    def _advance(self, to: Ns) -> None:
        """Nothing happens until then: who lives turns in peace."""
        ground = self.ground
        held = self._is_held()
        if to - ground.elapsed > SECOND // 4 and not held:
            ground.elapsed = to - self.chance.randrange(SECOND // 4)
            self._turn()
        ground.elapsed = max(ground.elapsed, to)
        if not held:
            for worker in self.workers.values():
                worker.idle()

    def _is_held(self) -> bool:
        return self.ground.elapsed < self.held_until

    def _turn(self) -> None:
        for worker in list(self.workers.values()):
            worker.idle()
            with self._mortal(worker):
                worker.turn()

    def logical(self) -> Ns:
        """The time by which this machine goes."""
        now = max((worker.clock() for worker in self.workers.values()), default=self.ground.wall())
        self.pace = max(self.pace, now - self.ground.elapsed)
        return now

    # Ticks.

    def tick(self) -> None:
        """The engine does all there is to do now."""
        if self._is_held() or self._busy:
            return
        self.ticks += 1
        for worker in list(self.workers.values()):
            with self._mortal(worker):
                worker.turn()
        if self.engine is None:
            return
        with self._mortal(self.engine), suppress(sqlalchemy.exc.OperationalError, sqlite3.OperationalError):
            self._work(self.engine)
        if self.engine is not None:
            self._plan_ticks()

    def _work(self, engine: Engine) -> None:
        for _ in range(100_000):
            try:
                more = engine.judge()
            finally:
                self.looked, self.looking = max(self.looked, engine.looked), max(self.looking, engine.looking)
            if not more:
                break
        else:
            raise self.fail("the engine never comes to an end")
        self.compare(engine)
        while engine.send():
            self._carry(engine)
        if self.chance.random() < 0.4 or self.ending:
            while engine.ship():
                pass
        if self.chance.random() < 0.1:
            for worker in list(self.workers.values()):
                with self._mortal(worker):
                    worker.prune()

    def _carry(self, engine: Engine) -> None:
        post = engine.post
        for _ in range(len(post.waiting)):
            if self.chance.random() < 0.85 or self.ending:
                post.carry(self.chance.randrange(len(post.waiting)))
        for future, _ in post.waiting:
            self.at(self.ground.elapsed + self.chance.randrange(30 * SECOND), partial(self._carry_late, engine, future))

    def _carry_late(self, engine: Engine, future: object) -> None:
        number = next((n for n, (waiting, _) in enumerate(engine.post.waiting) if waiting is future), None)
        if number is not None and self.engine is engine:
            engine.post.carry(number)
            self.tick()

    def _plan_ticks(self) -> None:
        """The next tick that matters: just before or after what the engine takes for a deadline, or when a message is due."""
        (deadline,) = self.view.execute("SELECT min(deadline) FROM beats WHERE deadline IS NOT NULL").fetchone()
        (run_due,) = self.view.execute("SELECT min(run_due) FROM beats WHERE run_due IS NOT NULL").fetchone()
        (rule_due,) = self.view.execute("SELECT min(due_at) FROM standings WHERE due_at IS NOT NULL").fetchone()
        (next_at,) = self.view.execute("SELECT min(next_at) FROM outbox WHERE state = 'pending'").fetchone()
        (held,) = self.view.execute("SELECT min(next_at) FROM outbox WHERE state = 'held'").fetchone()
        now = self.logical()
        for due in (deadline, run_due, rule_due, None if held is None else held + self.ground.storm_hold):
            if due is not None and due not in self.planned and self.chance.random() < self.eagerness:
                self.planned.add(due)
                for off in self.chance.choice(((-SECOND // 2, 1_000), (-1_000, SECOND // 4), (1_000,), (SECOND,))):
                    self.at(self.ground.elapsed + due - now + off, self.tick)
        if next_at is not None and next_at not in self.planned:
            self.planned.add(next_at)
            self.at(self.ground.elapsed + max(0, next_at - now) + SECOND // 10, self.tick)

    # What was stored, and what the model makes of it.

    def _stored(self, slot: int, records: Sequence[Record]) -> None:
        self.records[slot].extend(records)
        for record in records:
            if isinstance(record, Gap):
                self.say(f"gap ({record.reason}) from {iso(record.start)} to {iso(record.end)}, at {iso(record.at)}")

    def _offsets(self, rows: Iterator[tuple[str, int]]) -> dict[int, int]:
        return {self.slots_of[journal]: seq for journal, seq in rows}

    def feed(self, offsets: dict[int, int]) -> None:
        """The model hears what the engine says that it has settled, in the order of receipt."""
        fresh = [record for slot, seq in offsets.items() for record in self.records[slot][self.fed[slot] : seq]]
        for slot, seq in offsets.items():
            if seq < self.fed[slot]:
                raise self.fail(f"the offset in journal {slot} went back from {self.fed[slot]} to {seq}")
            self.fed[slot] = seq
        for record in sorted(fresh, key=lambda record: record.at):
            if record.at < self.fed_until:
                raise self.fail(f"what came at {iso(record.at)} was settled after what came at {iso(self.fed_until)}")
            self.fed_until = record.at
            if isinstance(record, Ping):
                self.lives[record.monitor].hear(record)
                continue
            if record.reason == "clock":
                # Each worker has seen the clock being put forward, and it was put forward once.
                seen = any(step.start < record.end and record.start < step.end for step in self.steps)
                self.steps.append(record)
                if seen:
                    continue
            for life in self.lives.values():
                if self.early.get(life.monitor) != record.at:
                    life.miss_out(record)

    def compare(self, engine: Engine) -> None:
        watermark = engine.settle.watermark
        offsets = self._offsets(self.view.execute("SELECT journal, seq FROM offsets WHERE reader = 'settle'"))
        self.feed(offsets)
        if watermark is not None:
            for slot, records in self.records.items():
                if len(records) > offsets.get(slot, 0) and records[offsets.get(slot, 0)].at < watermark:
                    raise self.fail(
                        f"the watermark is {iso(watermark)}, and record {offsets.get(slot, 0) + 1} of journal {slot} is not settled"
                    )
            for life in self.lives.values():
                life.look(watermark)
            now = min(worker.clock() for worker in self.workers.values())
            if watermark < now - SECOND and not self.ground.disk_full:
                raise self.fail(f"the watermark is {iso(watermark)} at {iso(now)}, though all workers listen")
        query = "SELECT id, monitor_id, at, from_status, to_status, reason FROM transitions WHERE id > ? ORDER BY id"
        for row, monitor, *turn in self.view.execute(query, (self.last_row,)):
            self.last_row = row
            self.actual[monitor].append(Turn(*turn))
            self.say(f"  row {row}: {iso(turn[0])} {turn[1]} → {turn[2]} ({turn[3]})", monitor)
        query = "SELECT rowid, monitor_id, alert_id, opened_at FROM incidents WHERE rowid > ? ORDER BY rowid"
        for row, monitor, rule, opened in self.view.execute(query, (self.last_incident,)):
            self.last_incident = row
            self.opened[monitor].append((opened, rule or ""))
            if rule is not None:
                self.say(f"  {rule} fired at {iso(opened)}", monitor)
        for monitor, life in self.lives.items():
            if len(life.outages) != len(self.opened[monitor]):
                wanted = sorted((outage.opened, outage.rule or "") for outage in life.outages)
                amiss = sorted(set(wanted) ^ set(self.opened[monitor]))
                raise self.fail(f"incidents that are too many or missing: {[(iso(at), rule) for at, rule in amiss]}", monitor)
            known = self.compared[monitor]
            if life.turns[known:] != self.actual[monitor][known:]:
                raise self.fail(f"it should be: {_listed(life.turns[known:])}, and is: {_listed(self.actual[monitor][known:])}", monitor)
            self.compared[monitor] = len(life.turns)

    # Pings.

    def _run_job(self, monitor: str) -> None:
        """The job of the monitor runs once more, for as long as there is a monitor."""
        life, job = self.lives[monitor], self.jobs[monitor]
        if life.gone:
            return
        coming = job.next(self.ground.elapsed)
        at = coming.at
        if job.mood == "exact" and life.due is not None and life.expected is not None and life.deadline is not None and coming.signals:
            at = self.ground.elapsed + job.exact(life.expected, life.deadline) - self.logical()
            if at > self.ground.elapsed:
                coming = Round([(at, coming.signals[-1][1])], at)
        if self.only in (None, job.number):
            for when, signal in coming.signals:
                self.at(when, partial(self._attempt, monitor, signal, when))
        last = max([coming.at, *(when for when, _ in coming.signals)])
        self.at(last + 1, lambda: self._run_job(monitor))

    def _attempt(self, monitor: str, signal: Signal, since: Ns) -> None:
        """The job says something. `since`: when it tried first."""
        ground = self.ground
        if self.lives[monitor].gone:
            return None
        if self._is_held():
            # Connections wait in the kernel, and clients for ten seconds.
            if self.held_until - ground.elapsed < 9 * SECOND:
                self.at(self.held_until + 1_000, lambda: self._attempt(monitor, signal, since))
                return None
            return self._unheard(monitor, signal, since)
        if not self.workers:
            return self._unheard(monitor, signal, since)
        worker, answered = self._pick(monitor), False
        with self._mortal(worker):
            try:
                at = self._commit(worker, monitor, signal)
            except sqlite3.OperationalError:
                return self._unheard(monitor, signal, since)
            self.say(f"{signal.kind}{f' of {signal.rid}' if signal.rid else ''} {signal.numbers or ''} at {at} = {iso(at)}", monitor)
            self.jobs[monitor].heard_at = at
            if self.chance.random() < 0.02 and (signal.kind != "start" or self.jobs[monitor].mood != "well"):  # the answer does not arrive
                self.at(ground.elapsed + self.chance.randrange(1, 20) * SECOND, lambda: self._attempt(monitor, signal, since))
            if self.chance.random() < self.eagerness / 10:
                self.tick()
            answered = True
        # Else the worker died over it; whether it is in the journal or not, nobody has answered.
        return None if answered else self._unheard(monitor, signal, since, dying=True)

    def _pick(self, monitor: str) -> Worker:
        job = self.jobs[monitor]
        if job.mood == "exact" and job.heard_at is not None and job.heard_at % 1_000 in self.workers:
            return self.workers[job.heard_at % 1_000]
        return self.chance.choice(list(self.workers.values()))

    def _commit(self, worker: Worker, monitor: str, signal: Signal) -> Ns:
        return worker.commit(
            lambda at: Ping(
                at, monitor, signal.kind, signal.numbers, signal.texts, signal.log, None, None, signal.exit_status, signal.rid, None, None
            )
        )

    def _unheard(self, monitor: str, signal: Signal, since: Ns, *, dying: bool = False) -> None:
        elapsed = self.ground.elapsed
        self.say(f"{signal.kind} is not heard", monitor)
        patience = max(signal.patience, 10 if dying and self.workers else 0)
        again = elapsed + self.chance.randrange(1, 5 if dying else 30) * SECOND
        if again - since <= patience * SECOND:
            self.at(again, lambda: self._attempt(monitor, signal, since))
        else:
            self.lost.append((self.ground.wall(), monitor))

    # What people do.

    def _add_monitor(self, number: int) -> None:
        worker = next(iter(self.workers.values()), None)
        if worker is None or self._is_held():
            self.at(self.ground.elapsed + 10 * SECOND, lambda: self._add_monitor(number))
            return
        character = self.story.characters[number]
        schedule, now = character.schedule, worker.clock()
        own = self.chance.sample(self.channels, self.chance.randint(1, len(self.channels))) if character.own_channels else []
        definition = {
            "name": f"job {number}",
            "interval": schedule.interval,
            "gracePeriod": schedule.grace,
            "schedule": schedule.cron,
            "timezone": schedule.timezone,
            "maxRunTime": schedule.max_run,
            "minRunTime": schedule.min_run,
            "startBy": schedule.start_by,
            "tags": list(character.tags),
            "channelIds": [channel.id for channel in own] or None,
        }
        with self.api.begin() as connection:
            monitor = actions.add_monitor(connection, self.project, _PLAN, MonitorDefinition().load(definition), now).monitor
        tells = frozenset(channel.id for channel in own) or self.defaults
        self.lives[monitor.id] = Life(monitor.id, monitor.schedule, self.story.span, tells, self.named, character.tags)
        self.lives[monitor.id].rule(self.rules, now)
        self.names[monitor.id] = number
        job = Job(number, monitor.schedule, character.mood, self.story.span, self.story.start, random.Random(f"job {self.seed} {number}"))
        self.jobs[monitor.id] = job
        if character.mood == "dying":
            first, last = sorted((self.chance.randrange(self.story.length), self.chance.randrange(self.story.length * 3 // 2)))
            job.rests.append((first, last))
        self.say(f"made, {character.mood}, {monitor.schedule}", monitor.id)
        for _ in range(character.alerts):
            self._edit_alert(monitor.id)
        job.begin(self.ground.elapsed)
        self._run_job(monitor.id)

    def _edit(self) -> None:
        chance = self.chance
        living = [monitor for monitor, life in self.lives.items() if not life.gone]
        if not living or not self.workers or self._is_held():
            return
        monitor = chance.choice(living)
        if self.lives[monitor].is_due(self.looked, self.looking):
            return  # the engine is in the midst of declaring, and nobody can tell which was first
        what = chance.choice(
            (self._pause, self._resume, self._reschedule, self._reschedule, self._choose, self._edit_alert, self._edit_alert)
        )
        if chance.random() < 0.05 and len(living) > 1:
            what = self._delete
        what(monitor)

    @contextmanager
    def _editing(self, monitor: str) -> Iterator[tuple[Any, monitors.Watched, Ns]]:
        """A transaction of the API, at a moment that the model knows: what was settled and declared before it."""
        now = next(iter(self.workers.values())).clock()
        life = self.lives[monitor]
        with self.api.begin() as connection:
            rows = connection.exec_driver_sql("SELECT journal, seq FROM offsets WHERE reader = 'settle'")
            self.feed(self._offsets((row[0], row[1]) for row in rows))
            watched = monitors.get(connection, self.project.id, monitor)
            assert watched is not None
            self._half_a_gap(connection, life)
            life.look(self.looked)
            yield connection, watched, now

    def _half_a_gap(self, connection: Any, life: Life) -> None:
        """The engine may be in the midst of telling all monitors of a gap."""
        at, _, last = (settings.get(connection, "gap_progress") or "").partition(" ")
        coming = [records[self.fed[slot]] for slot, records in self.records.items() if len(records) > self.fed[slot]]
        gap = min(coming, key=lambda record: record.at, default=None)
        if isinstance(gap, Gap) and str(gap.at) == at and life.monitor <= last and self.early.get(life.monitor) != gap.at:
            assert progress.of(connection, gap) == last
            life.miss_out(gap)
            self.early[life.monitor] = gap.at

    def _pause(self, monitor: str) -> None:
        with self._editing(monitor) as (connection, watched, now):
            actions.pause(connection, watched.monitor, BASE_URL, now)
        self.say(f"paused at {iso(now)}", monitor)
        self.lives[monitor].pause(now)
        # Most are resumed some day.
        self.at(self.ground.elapsed + self.chance.randrange(max(1, self.story.length // 6)), lambda: self._resume(monitor))

    def _resume(self, monitor: str) -> None:
        life = self.lives[monitor]
        if life.gone or not self.workers or self._is_held() or life.is_due(self.looked, self.looking):
            return
        with self._editing(monitor) as (connection, watched, now):
            actions.resume(connection, watched.monitor, BASE_URL, now)
        self.say(f"resumed at {iso(now)}", monitor)
        self.lives[monitor].resume(now)

    def _delete(self, monitor: str) -> None:
        with self._editing(monitor) as (connection, watched, now):
            actions.delete_monitor(connection, watched.monitor, BASE_URL, now)
        self.say(f"deleted at {iso(now)}", monitor)
        self.lives[monitor].delete(now)

    def _reschedule(self, monitor: str) -> None:
        life, job, chance = self.lives[monitor], self.jobs[monitor], self.chance
        if job.mood == "well":
            return
        other = another_schedule(self.story.kind, chance)
        now_is = life.schedule
        changed: dict[str, Any]
        match chance.randrange(5):
            case 0:
                changed = {"gracePeriod": other.grace}
            case 1:
                changed = {"maxRunTime": other.max_run, "minRunTime": other.min_run if other.max_run is None else None}
            case 2:
                changed = {"name": f"job {job.number} anew"}
            case 3:
                changed = {"startBy": other.start_by}
            case _:
                changed = {"interval": other.interval, "schedule": other.cron, "timezone": other.timezone, "gracePeriod": other.grace}
        with self._editing(monitor) as (connection, watched, now):
            chosen = channels.chosen(connection, [monitor]).get(monitor, [])
            try:
                fields = MonitorDefinition().load(defined_monitor(watched.monitor, chosen) | changed)
            except ValidationError:
                return  # the one does not go with the other
            actions.edit_monitor(connection, watched.monitor, _PLAN, fields, BASE_URL, now)
            edited = monitors.get(connection, self.project.id, monitor)
            assert edited is not None
        self.say(f"edited at {iso(now)}: {changed}", monitor)
        life.reschedule(edited.monitor.schedule, now)
        if life.schedule != now_is and chance.random() < 0.8:
            job.follow(life.schedule, self.ground.elapsed)

    def _choose(self, monitor: str) -> None:
        life = self.lives[monitor]
        own = [channel.id for channel in self.chance.sample(self.channels, self.chance.randint(0, len(self.channels)))]
        with self._editing(monitor) as (connection, watched, now):
            fields = MonitorDefinition().load(defined_monitor(watched.monitor, own))
            actions.edit_monitor(connection, watched.monitor, _PLAN, fields, BASE_URL, now)
        self.say(f"tells {own or 'the default'} from {iso(now)}", monitor)
        life.tells = frozenset(own) or self.defaults

    def _edit_alert(self, monitor: str) -> None:
        chance, life = self.chance, self.lives[monitor]
        name = chance.choice([None, *(uid for uid, ruling in life.rulings.items() if ruling.of_api)])
        if name is not None and chance.random() < 0.3:
            with self._editing(monitor) as (connection, watched, now):
                alert = alerts.get(connection, monitor, name)
                assert alert is not None
                actions.delete_alert(connection, watched.monitor, alert, BASE_URL, now)
            self.say(f"alert {name} is deleted at {iso(now)}", monitor)
            life.drop_alert(name, now)
            return
        key, operator, bound = chance.choice(
            (
                *(("v", ">", 100), ("v", ">=", 100), ("v", "<", 99), ("v", "<=", 99), ("v", "=", 120), ("v", "!=", 100)),
                *(("state", "=", "bad"), ("state", "!=", "good"), ("duration_s", ">", 30), ("v", "=", "no number")),
            )
        )
        channel = chance.choice([None, None, chance.choice(self.channels).id])
        new = {
            "metricKey": key,
            "operator": operator,
            "threshold": bound,
            "channelId": channel,
            "consecutiveTriggers": chance.choice((1, 1, 2, 3)),
        }
        with self._editing(monitor) as (connection, watched, now):
            if name is None:
                alert = actions.add_alert(connection, watched.monitor, AlertDefinition().load(new), now)
            else:
                old = alerts.get(connection, monitor, name)
                assert old is not None
                changed = new if chance.random() < 0.5 else {"channelId": channel}
                alert = actions.edit_alert(
                    connection, watched.monitor, old, AlertDefinition().load(defined_alert(old) | changed), BASE_URL, now
                )
        self.say(
            f"alert {alert.id} is {alert.metric_key} {alert.operator} {alert.threshold}, {alert.consecutive} times, at {iso(now)}", monitor
        )
        told = None if alert.channel_id is None else (alert.channel_id,)
        rule = Rule(alert.id, "threshold", channels=told, metric=alert.metric_key, operator=alert.operator, value=alert.threshold)
        life.set_alert(replace(rule, consecutive=alert.consecutive))

    def _change_rules(self) -> None:
        """Other rule files, or the first ones."""
        if self.engine is None or self._is_held() or any(life.is_due(self.looked, self.looking) for life in self.lives.values()):
            return
        ground = self.ground
        spared = ground.dies_in, ground.control_fails_in
        ground.dies_in = ground.control_fails_in = None
        self.rules = another_set(self.story, self.rules, self.chance)
        now = self.engine.clock()
        self._busy = True
        with self.engine.control.begin() as connection:
            rows = connection.exec_driver_sql("SELECT journal, seq FROM offsets WHERE reader = 'settle'")
            self.feed(self._offsets((row[0], row[1]) for row in rows))
            accept(connection, self.rules, BASE_URL, now)
        while arm(self.engine.control, BASE_URL, now):
            pass
        self._busy = False
        ground.dies_in, ground.control_fails_in = spared
        self.say(f"rules at {iso(now)}: {self.rules}")
        for life in self.lives.values():
            life.look(self.looked)
            if not life.gone:
                life.rule(self.rules, now)

    def _meanwhile(self) -> None:
        """Between two steps of the engine: workers and people go on."""
        if self._busy or self.engine is None or self.chance.random() > 0.03:
            return
        self._busy = True
        try:
            if self.chance.random() < 0.4:
                self._edit()
            elif self.workers and self.lives:
                monitor = self.chance.choice(list(self.lives))
                if self.jobs[monitor].mood not in ("well", "exact") and self.only in (None, self.names[monitor]):
                    self._attempt(monitor, Signal("success"), self.ground.elapsed)
                for worker in list(self.workers.values()):
                    with self._mortal(worker):
                        worker.turn()
        finally:
            self._busy = False

    # What goes wrong.

    @contextmanager
    def _mortal(self, process: Worker | Engine) -> Iterator[None]:
        """Whoever dies in here is gone, and is started again."""
        try:
            yield
        except Died as death:
            self._bury(process, str(death))

    def _bury(self, process: Worker | Engine, where: str) -> None:
        self.deaths += 1
        chance = self.chance
        if isinstance(process, Worker):
            self.say(f"worker {process.slot} dies {where}")
            if self.ground.disk_full and self.story.workers > 1 and self.forgot_at is None:
                self.forgot_at = self.logical()  # what it refused is nowhere, as others live
            process.kill()
            self.workers.pop(process.slot, None)
            self.at(self.ground.elapsed + chance.choice((SECOND // 5, SECOND, 4 * SECOND)), lambda: self._start_worker(process.slot))
            return
        self.say(f"the engine dies {where}")
        if process.post.waiting and chance.random() < 0.5:
            process.post.carry(0)  # it was on its way
        process.kill()
        if process is self.engine:
            self.engine = None
        self.at(self.ground.elapsed + chance.choice((SECOND // 5, SECOND, 20 * SECOND, 10 * MINUTE)), self._start_engine)

    def _start_worker(self, slot: int) -> None:
        if slot in self.workers:
            return
        if self._is_held():
            self.at(self.held_until + 1, lambda: self._start_worker(slot))
            return
        self._right_the_clock()
        try:
            worker = Worker(self.ground, slot)
        except Died as death:
            self.deaths += 1
            self.say(f"worker {slot} dies as it starts, {death}")
            self.at(self.ground.elapsed + SECOND, lambda: self._start_worker(slot))
            return
        self.slots_of[worker.journal_id] = slot
        self.workers[slot] = worker

    def _right_the_clock(self) -> None:
        """A worker that starts while the clock is behind what was seen before gives stamps a second time, and knows of no pause."""
        self.ground.skew = max(self.ground.skew, self.pace)

    def _start_engine(self) -> None:
        if self.engine is not None:
            return
        if self._is_held():
            self.at(self.held_until + 1, self._start_engine)
            return
        try:
            self.engine = Engine(self.ground)
        except Died as death:
            self.deaths += 1
            self.say(f"the engine dies as it starts, {death}")
            self.at(self.ground.elapsed + SECOND, self._start_engine)
            return
        except (sqlalchemy.exc.OperationalError, sqlite3.OperationalError):
            self.at(self.ground.elapsed + SECOND, self._start_engine)
            return
        self.tick()

    def _trouble(self, trouble: Trouble) -> None:
        chance, ground = self.chance, self.ground
        if trouble != "edit":
            self.say(f"trouble: {trouble}")
        match trouble:
            case "engine dies":
                if self.engine is not None:
                    self._bury(self.engine, "between two steps")
            case "worker dies":
                if self.workers:
                    self._bury(chance.choice(list(self.workers.values())), "between two steps")
            case "power cut":
                self._power_cut()
            case "restart":
                self._restart()
            case "death somewhere":
                ground.dies_in = chance.randint(1, 80)
            case "control fails":
                ground.control_fails_in = chance.randint(1, 40)
            case "suspend":
                self._hold(chance.choice((11 * SECOND, MINUTE, 10 * MINUTE, 3 * HOUR, self.story.length // 8)))
            case "stall":
                self._hold(chance.randrange(SECOND, 10 * SECOND))
            case "clock forward":
                self._step_clock(chance.choice((SECOND // 2, 3 * SECOND, MINUTE, HOUR)))
            case "clock back":
                self._step_clock(-chance.choice((SECOND // 2, 3 * SECOND, MINUTE, HOUR)))
            case "disk full":
                ground.disk_full = True
                self.at(ground.elapsed + chance.choice((2 * SECOND, 5 * MINUTE, HOUR, self.story.length // 10)), self._disk_free)
            case "points away":
                ground.points_away = True
                self.at(ground.elapsed + chance.randrange(self.story.length), self._points_back)
            case "channel":
                self._spoil_channel()
            case "edit":
                self._edit()
            case "rules":
                self._change_rules()

    def _power_cut(self) -> None:
        for worker in self.workers.values():
            worker.kill()
        if self.engine is not None:
            self.engine.kill()
        self.deaths += 1
        self.workers.clear()
        self.engine = None
        self._start_again(self.chance.choice((SECOND, 30 * SECOND, 10 * MINUTE, 2 * HOUR, self.story.length // 10)))

    def _restart(self) -> None:
        for worker in list(self.workers.values()):
            with self._mortal(worker):
                worker.stop()
        if self.engine is not None:
            self.engine.kill()
        self.workers.clear()
        self.engine = None
        self._start_again(self.chance.choice((SECOND // 2, 5 * SECOND, 40 * SECOND)))

    def _start_again(self, after: Ns) -> None:
        when = self.ground.elapsed + after
        self.say(f"all is off until {iso(when + self.ground.skew)}")
        for slot in range(self.story.workers):
            self.at(when + self.chance.randrange(SECOND), partial(self._start_worker, slot))
        self.at(when + self.chance.randrange(2 * SECOND), self._start_engine)

    def _hold(self, length: Ns) -> None:
        self.held_until = max(self.held_until, self.ground.elapsed + length)
        self.say(f"the machine stands still until {iso(self.held_until + self.ground.skew)}")
        self.at(self.held_until, self.tick)

    def _step_clock(self, step: Ns) -> None:
        self.say(f"the clock on the wall jumps by {step / SECOND} s")
        self.stepped = True
        self.ground.skew += step
        self.tick()

    def _disk_free(self) -> None:
        self.ground.disk_full = False
        self.say("the disk has room again")

    def _points_back(self) -> None:
        self.ground.points_away = False

    def _spoil_channel(self) -> None:
        url = self.chance.choice(list(self.ground.senders.receivers))
        receiver = self.ground.senders.receivers[url]
        receiver.mood = self.chance.choice(("failing", "failing", "mute", "refusing"))
        self.say(f"{url} is {receiver.mood}")
        self.at(self.ground.elapsed + self.chance.choice((MINUTE, HOUR, 26 * HOUR)), lambda: self._heal(receiver))

    @staticmethod
    def _heal(receiver: Receiver) -> None:
        receiver.mood = "well"

    # The end.

    def _finish(self) -> None:
        """Everything works again; what is to be sent is sent, within a day."""
        ground = self.ground
        self.ending = True
        ground.dies_in = ground.control_fails_in = None
        ground.disk_full = ground.points_away = False
        self.ended_at = self.logical()
        self.say("the end: all is well again")
        for receiver in ground.senders.receivers.values():
            receiver.mood = "well"
        self.queue.clear()
        if self._is_held():
            self._advance(self.held_until)
            self.tick()
        for slot in range(self.story.workers):
            self._start_worker(slot)
        self._start_engine()
        end = ground.elapsed + 23 * HOUR
        ground.meanwhile = lambda: None
        self._settle_down(SECOND)
        for _ in range(500):
            query = """SELECT count(*), min(CASE WHEN next_at > ? THEN next_at END) FROM outbox
                WHERE state IN ('pending', 'inflight', 'held', 'carried')"""
            waiting, next_at = self.view.execute(query, (self.logical(),)).fetchone()
            if not waiting:
                break
            wait = MINUTE if next_at is None else next_at - self.logical() + 1
            if ground.elapsed + wait > end:
                break  # whatever still waits is found by the audit
            self._settle_down(wait)
        audit.all(self)

    def _settle_down(self, after: Ns) -> None:
        self.queue.clear()
        self._advance(self.ground.elapsed + after)
        self.tick()


def _listed(turns: Sequence[Turn]) -> str:
    return ", ".join(f"{iso(turn.at)} {turn.before} → {turn.after} ({turn.reason})" for turn in turns) or "nothing"


class _Tokens:
    """Random in place of secret, so that a seed says it all."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"ids {seed}")

    def token_hex(self, number: int) -> str:
        return self._chance.randbytes(number).hex()

    def __getattr__(self, name: str) -> Any:
        return getattr(secrets, name)


def play(seed: int, *, kind: str | None = None, only: int | None = None, root: Path | None = None) -> Outcome:
    """Play the seed to its end; raises `Found` where something is wrong."""
    shelf = Path("/dev/shm")  # files in memory, where there are any
    home = root or Path(tempfile.mkdtemp(prefix="simulated-", dir=shelf if shelf.is_dir() else None))
    story = told(random.Random(f"story {seed}"), kind)
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()  # a seed makes no rubbish that cannot wait
    random.seed(seed)
    with (
        mock.patch("store.model.secrets", _Tokens(seed)),
        mock.patch.object(settle, "_BATCH", story.batch),
        mock.patch.object(overdue, "_BATCH", story.batch),
    ):
        try:
            one = Play(seed, home, kind, only)
            try:
                return one.run()
            finally:
                one.close()
        finally:
            logging.disable(quiet)
            gc.enable()
            if root is None:
                shutil.rmtree(home, ignore_errors=True)
