"""What people do to their monitors, alerts and rules while all this goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from marshmallow import ValidationError
from sqlalchemy import Connection

from rules import actions
from rules.accept import accept, arm
from rules.definitions import AlertDefinition, MonitorDefinition, defined_alert, defined_monitor
from simulation.callers import Callers
from simulation.jobs import Job, dice
from simulation.oracle import Life
from simulation.scene import Scene
from simulation.stage import BASE_URL
from simulation.story import another_schedule, another_set
from simulation.witness import Witness
from store.control import alerts, channels, monitors
from store.control.monitors import Watched
from store.instant import iso
from store.model import SECOND, Alert, Ns, Plan
from store.rule import Rule

_PLAN = Plan("unlimited")
_CONDITIONS = (
    ("v", ">", 100), ("v", ">=", 100), ("v", "<", 99), ("v", "<=", 99), ("v", "=", 120), ("v", "!=", 100), ("v", "=", "no number"),
    ("state", "=", "bad"), ("state", "!=", "good"), ("duration_s", ">", 30),
)  # fmt: skip


class People:
    def __init__(self, scene: Scene, witness: Witness, callers: Callers) -> None:
        self._scene = scene
        self._witness = witness
        self._callers = callers

    @property
    def can_edit(self) -> bool:
        return bool(self._scene.workers) and not self._scene.is_held

    def add_monitor(self, number: int) -> None:
        scene, chance = self._scene, self._scene.chance
        if not self.can_edit:
            scene.after(10 * SECOND, self.add_monitor, number)
            return
        character, now = scene.story.characters[number], self._now()
        schedule = character.schedule
        own = (
            [channel.id for channel in chance.sample(scene.channels, chance.randint(1, len(scene.channels)))]
            if character.own_channels
            else []
        )
        definition = {
            "name": f"job {number}", "interval": schedule.interval, "gracePeriod": schedule.grace, "schedule": schedule.cron,
            "timezone": schedule.timezone, "maxRunTime": schedule.max_run, "minRunTime": schedule.min_run, "startBy": schedule.start_by,
            "tags": list(character.tags), "channelIds": own or None,
        }  # fmt: skip
        with scene.api.begin() as connection:
            made = actions.add_monitor(connection, scene.project, _PLAN, MonitorDefinition().load(definition), now).monitor
        life = scene.lives[made.id] = Life(
            made.id, made.schedule, scene.story.span, frozenset(own) or scene.defaults, scene.named, character.tags
        )
        life.rule(scene.rules, now)
        job = Job(number, made.schedule, character.mood, scene.story.span, scene.story.start, dice(f"job {scene.seed} {number}"))
        if character.mood == "dying":
            first, last = sorted((chance.randrange(scene.story.length), chance.randrange(scene.story.length * 3 // 2)))
            job.rests.append((first, last))
        scene.say(f"made, {character.mood}, {made.schedule}", made.id)
        self._callers.begin(made.id, job)
        for _ in range(character.alerts):
            self._edit_alert(life)

    def edit(self) -> None:
        """Somebody does something to some monitor."""
        scene, chance = self._scene, self._scene.chance
        living = [life for life in scene.lives.values() if not life.gone]
        if not living or not self.can_edit:
            return
        life = chance.choice(living)
        edits = (self._pause, self._resume, self._reschedule, self._reschedule, self._choose, self._edit_alert, self._edit_alert)
        self._try(self._delete if len(living) > 1 and chance.random() < 0.05 else chance.choice(edits), life)

    def _try(self, edit: Any, life: Life) -> None:
        scene = self._scene
        if not self.can_edit or life.gone:
            return
        self._hear(life)
        # Else the engine is in the midst of declaring, and nobody can tell which was first; nor whether it was among those whom a gap
        # concerns that the engine is in the midst of.
        if not life.is_due(scene.looked - scene.lead, scene.looking) and not (scene.busy and self._witness.is_at_a_gap(life)):
            edit(life)

    def _hear(self, life: Life | None = None) -> None:
        """The model hears what is settled by now: only then it knows what is due."""
        with self._scene.api.begin() as connection:
            self._witness.hear_settled(connection)
            if life is not None:
                self._witness.hear_half_a_gap(connection, life)

    def _now(self) -> Ns:
        return next(iter(self._scene.workers.values())).clock()

    @contextmanager
    def _editing(self, life: Life) -> Iterator[tuple[Connection, Watched, Ns]]:
        """A transaction of the API, at a moment that the model knows: what was settled and declared before it."""
        scene, now = self._scene, self._now()
        with scene.api.begin() as connection:
            self._witness.hear_settled(connection)
            self._witness.hear_half_a_gap(connection, life)
            life.look(scene.looked, scene.lead)
            watched = monitors.get(connection, scene.project.id, life.monitor)
            assert watched is not None
            yield connection, watched, now

    def _pause(self, life: Life) -> None:
        with self._editing(life) as (connection, watched, now):
            actions.pause(connection, watched.monitor, BASE_URL, now)
        self._scene.say(f"paused at {iso(now)}", life.monitor)
        life.pause(now)
        # Most are resumed some day.
        self._scene.after(self._scene.chance.randrange(max(1, self._scene.story.length // 6)), self._try, self._resume, life)

    def _resume(self, life: Life) -> None:
        with self._editing(life) as (connection, watched, now):
            actions.resume(connection, watched.monitor, BASE_URL, now)
        self._scene.say(f"resumed at {iso(now)}", life.monitor)
        life.resume(now)

    def _delete(self, life: Life) -> None:
        with self._editing(life) as (connection, watched, now):
            actions.delete_monitor(connection, watched.monitor, BASE_URL, now)
        self._scene.say(f"deleted at {iso(now)}", life.monitor)
        life.delete(now)

    def _choose(self, life: Life) -> None:
        scene = self._scene
        own = [channel.id for channel in scene.chance.sample(scene.channels, scene.chance.randint(0, len(scene.channels)))]
        with self._editing(life) as (connection, watched, now):
            fields = MonitorDefinition().load(defined_monitor(watched.monitor, own))
            actions.edit_monitor(connection, watched.monitor, _PLAN, fields, BASE_URL, now)
        scene.say(f"tells {own or 'the default'} from {iso(now)}", life.monitor)
        life.tells = frozenset(own) or scene.defaults

    def _reschedule(self, life: Life) -> None:
        scene, job = self._scene, self._scene.jobs[life.monitor]
        changed = self._changed(job) if job.mood != "well" else self._eased(job)
        with self._editing(life) as (connection, watched, now):
            chosen = channels.chosen(connection, [life.monitor]).get(life.monitor, [])
            try:
                fields = MonitorDefinition().load(defined_monitor(watched.monitor, chosen) | changed)
            except ValidationError:
                return  # the one does not go with the other
            actions.edit_monitor(connection, watched.monitor, _PLAN, fields, BASE_URL, now)
            edited = monitors.get(connection, scene.project.id, life.monitor)
            assert edited is not None
        scene.say(f"edited at {iso(now)}: {changed}", life.monitor)
        before = life.schedule
        life.reschedule(edited.monitor.schedule, now)
        if life.schedule != before and job.mood != "well" and scene.chance.random() < 0.8:
            job.follow(life.schedule, scene.ground.elapsed)

    def _changed(self, job: Job) -> dict[str, Any]:
        other = another_schedule(self._scene.story.kind, self._scene.chance)
        return self._scene.chance.choice(
            (
                {"gracePeriod": other.grace},
                {"maxRunTime": other.max_run, "minRunTime": other.min_run if other.max_run is None else None},
                {"name": f"job {job.number} anew"},
                {"startBy": other.start_by},
                {"interval": other.interval, "schedule": other.cron, "timezone": other.timezone, "gracePeriod": other.grace},
            )
        )

    def _eased(self, job: Job) -> dict[str, Any]:
        """Of a job that does not know: what it keeps to already stays right."""
        chance = dice(f"eased {self._scene.seed} {job.number} {self._now()}")
        longer = job.schedule.grace + chance.choice((0, 1, 60, job.schedule.interval))
        return chance.choice(({"gracePeriod": longer}, {"maxRunTime": None}, {"minRunTime": None}, {"name": f"job {job.number} anew"}))

    def _edit_alert(self, life: Life) -> None:
        """An alert is made, changed or deleted."""
        chance = self._scene.chance
        uid = chance.choice([None, *(uid for uid, ruling in life.rulings.items() if ruling.of_api)])
        with self._editing(life) as (connection, watched, now):
            old = None if uid is None else alerts.get(connection, life.monitor, uid)
            if old is not None and chance.random() < 0.3:
                actions.delete_alert(connection, watched.monitor, old, BASE_URL, now)
                alert = None
            elif old is not None:
                fields = AlertDefinition().load(defined_alert(old) | self._alert(whole=chance.random() < 0.5))
                alert = actions.edit_alert(connection, watched.monitor, old, fields, BASE_URL, now)
            else:
                alert = actions.add_alert(connection, watched.monitor, AlertDefinition().load(self._alert(whole=True)), now)
        self._scene.say(f"alert {uid} becomes {alert} at {iso(now)}", life.monitor)
        if alert is not None:
            life.set_alert(_as_rule(alert))
        elif uid is not None:
            life.drop_alert(uid, now)

    def _alert(self, *, whole: bool) -> dict[str, Any]:
        chance, scene = self._scene.chance, self._scene
        channel = chance.choice([None, None, chance.choice(scene.channels).id])
        key, operator, bound = chance.choice(_CONDITIONS)
        condition = {"metricKey": key, "operator": operator, "threshold": bound, "consecutiveTriggers": chance.choice((1, 1, 2, 3))}
        return {"channelId": channel} | (condition if whole else {})

    def change_rules(self) -> None:
        """The rule files are others."""
        scene, ground = self._scene, self._scene.ground
        if scene.engine is None or scene.is_held:
            return
        self._hear()
        if any(life.is_due(scene.looked - scene.lead, scene.looking) for life in scene.lives.values()):
            return
        spared = ground.dies_in, ground.control_fails_in
        ground.dies_in = ground.control_fails_in = None
        scene.busy = True
        scene.rules, now = another_set(scene.story, scene.rules, scene.chance), scene.engine.clock()
        with scene.engine.control.begin() as connection:
            self._witness.hear_settled(connection)
            accept(connection, scene.rules, BASE_URL, now)
        while arm(scene.engine.control, BASE_URL, now):
            pass
        scene.busy = False
        ground.dies_in, ground.control_fails_in = spared
        scene.say(f"rules at {iso(now)}: {scene.rules}")
        for life in scene.lives.values():
            life.look(scene.looked, scene.lead)
            if not life.gone:
                life.rule(scene.rules, now)


def _as_rule(alert: Alert) -> Rule:
    told = None if alert.channel_id is None else (alert.channel_id,)
    return Rule(
        alert.id,
        "threshold",
        metric=alert.metric_key,
        operator=alert.operator,
        value=alert.threshold,
        consecutive=alert.consecutive,
        channels=told,
    )
