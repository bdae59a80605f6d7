"""What goes wrong: processes that die and come again, a machine that stands still, clocks, disks, stores and receivers."""

from __future__ import annotations

from collections.abc import Callable

from simulation.people import People
from simulation.receivers import Receiver
from simulation.scene import Scene
from simulation.stage import Died, Engine, Worker
from simulation.story import Trouble
from simulation.ticks import REFUSED, Ticks
from store.instant import iso
from store.model import SECOND, Ns

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Troubles:
    def __init__(self, scene: Scene, ticks: Ticks, people: People) -> None:
        self._scene = scene
        self._ticks = ticks
        self._long = scene.story.length
        self._dark = False  # the machine has no power, or nobody has begun anew since it had none
        scene.bury = self._bury
        self._kinds: dict[Trouble, Callable[[], object]] = {
            "engine dies": self._engine_dies,
            "worker dies": self._worker_dies,
            "power cut": self._power_cut,
            "restart": self._restart,
            "death somewhere": self._death_somewhere,
            "control fails": self._control_fails,
            "suspend": lambda: self._hold(11 * SECOND, MINUTE, 10 * MINUTE, 3 * HOUR, self._long // 8),
            "stall": lambda: self._hold(scene.chance.randrange(SECOND, 10 * SECOND)),
            "out of breath": self._run_out_of_breath,
            "clock forward": lambda: self._step_clock(SECOND // 2, 3 * SECOND, MINUTE, HOUR),
            "clock back": lambda: self._step_clock(-SECOND // 2, -3 * SECOND, -MINUTE, -HOUR),
            "disk full": self._fill_disk,
            "points away": self._lose_points,
            "channel": self._spoil_channel,
            "edit": people.edit,
            "rules": people.change_rules,
        }

    def happen(self, trouble: Trouble) -> None:
        if trouble not in ("edit", "rules"):
            self._scene.say(f"trouble: {trouble}")
        self._kinds[trouble]()

    # Processes.

    def start_worker(self, slot: int) -> None:
        scene = self._scene
        if slot in scene.workers:
            return
        if scene.is_held:
            scene.at(scene.held_until + 1, self.start_worker, slot)
            return
        try:
            worker = Worker(scene.ground, slot)
        except Died as death:
            self._dies_as_it_starts(f"worker {slot}", str(death), self.start_worker, slot)
            return
        self._dark = False
        scene.slots[worker.journal_id] = slot
        scene.workers[slot] = worker

    def start_engine(self) -> None:
        scene = self._scene
        if scene.engine is not None:
            return
        if scene.is_held:
            scene.at(scene.held_until + 1, self.start_engine)
            return
        try:
            scene.engine = Engine(scene.ground)
        except (Died, *REFUSED) as death:
            self._dies_as_it_starts("the engine", str(death), self.start_engine)
            return
        self._ticks.tick()

    def _dies_as_it_starts(self, who: str, where: str, again: Callable[..., None], *arguments: object) -> None:
        self._scene.deaths += 1
        self._scene.say(f"{who} dies as it starts, {where}")
        self._scene.after(SECOND, again, *arguments)

    def _bury(self, process: Worker | Engine, where: str) -> None:
        scene, chance = self._scene, self._scene.chance
        scene.deaths += 1
        process.kill()
        if isinstance(process, Worker):
            scene.say(f"worker {process.slot} dies {where}")
            scene.workers.pop(process.slot, None)
            scene.after(chance.choice((SECOND // 5, SECOND, 4 * SECOND)), self.start_worker, process.slot)
            return
        scene.say(f"the engine dies {where}")
        if process.post.waiting and chance.random() < 0.5:
            process.post.carry(0)  # it was on its way
        scene.engine = None
        scene.after(chance.choice((SECOND // 5, SECOND, 20 * SECOND, 10 * MINUTE)), self.start_engine)

    def _engine_dies(self) -> None:
        if self._scene.engine is not None:
            self._bury(self._scene.engine, "between two steps")

    def _worker_dies(self) -> None:
        if self._scene.workers:
            self._bury(self._scene.chance.choice(list(self._scene.workers.values())), "between two steps")

    def _power_cut(self) -> None:
        """All processes are killed at once, and perhaps the machine is off: then it knows for how long by the clock on the wall alone, so
        that one is not touched meanwhile.
        """
        if self._scene.workers and self._scene.chance.random() < 0.5:
            self._dark = True
            self._scene.ground.boots += 1
            self._scene.steps = [self._scene.jumped()]  # of what nobody has seen by now nobody can know
            self._scene.say("the machine is off")
        for worker in self._scene.workers.values():
            worker.kill()
        self._scene.deaths += 1
        self._all_off(SECOND, 30 * SECOND, 10 * MINUTE, 2 * HOUR, self._long // 10)

    def _restart(self) -> None:
        for worker in list(self._scene.workers.values()):
            with self._scene.mortal(worker):
                worker.stop()
        self._all_off(SECOND // 2, 5 * SECOND, 40 * SECOND)

    def _all_off(self, *pauses: Ns) -> None:
        scene = self._scene
        if scene.engine is not None:
            scene.engine.kill()
        scene.workers.clear()
        scene.engine = None
        pause = scene.chance.choice(pauses)
        scene.say(f"all is off for {pause / SECOND} s")
        if scene.chance.random() < 0.3:  # somebody mends what was wrong with the machine
            scene.after(pause // 2, self._step_clock, -HOUR, -MINUTE, MINUTE, HOUR)
        for slot in range(scene.story.workers):
            scene.after(pause + scene.chance.randrange(SECOND), self.start_worker, slot)
        scene.after(pause + scene.chance.randrange(2 * SECOND), self.start_engine)

    def _death_somewhere(self) -> None:
        self._scene.ground.dies_in = self._scene.chance.randint(1, 80)

    # The machine, and what is around it.

    def _control_fails(self) -> None:
        self._scene.ground.control_fails_in = self._scene.chance.randint(1, 40)

    def _hold(self, *lengths: Ns) -> None:
        scene = self._scene
        length = scene.chance.choice(lengths)
        scene.held_until = max(scene.held_until, scene.ground.elapsed + length)
        scene.say(f"the machine stands still for {length / SECOND} s")
        scene.at(scene.held_until, self._ticks.tick)

    def _run_out_of_breath(self) -> None:
        """One stall follows the other, so that no deadline passes without one."""
        scene, chance = self._scene, self._scene.chance
        coming = [life.due - scene.logical() for life in scene.lives.values() if life.due is not None]
        at = scene.ground.elapsed + max(0, min(coming, default=0) - chance.randrange(20 * SECOND))
        for _ in range(chance.randint(3, 60)):
            length = chance.randrange(SECOND + SECOND // 10, 6 * SECOND)
            scene.at(at, self._hold, length)
            at += length + chance.randrange(SECOND // 10, SECOND)

    def _step_clock(self, *steps: Ns) -> None:
        step = self._scene.chance.choice(steps)
        if self._dark:
            return
        if step < 0 and self._scene.looking > self._scene.looked:
            return  # by which clock what was half declared was looked at nobody can tell
        self._scene.say(f"the clock on the wall jumps by {step / SECOND} s")
        self._scene.stepped = True
        self._scene.ground.skew += step
        self._scene.put_back |= step < -SECOND
        self._scene.steps.append(step)
        self._ticks.tick()

    def _fill_disk(self) -> None:
        self._scene.ground.disk_full = True
        self._scene.after(self._scene.chance.choice((2 * SECOND, 5 * MINUTE, HOUR, self._long // 10)), self._disk_has_room)

    def _disk_has_room(self) -> None:
        self._scene.ground.disk_full = False
        self._scene.say("the disk has room again")

    def _lose_points(self) -> None:
        self._scene.ground.points_away = True
        self._scene.after(self._scene.chance.randrange(self._long), self._find_points)

    def _find_points(self) -> None:
        self._scene.ground.points_away = False

    def _spoil_channel(self) -> None:
        scene, chance = self._scene, self._scene.chance
        url = chance.choice(list(scene.ground.senders.receivers))
        receiver = scene.ground.senders.receivers[url]
        receiver.mood = chance.choice(("failing", "failing", "mute", "refusing"))
        scene.say(f"{url} is {receiver.mood}")
        scene.after(chance.choice((MINUTE, HOUR, 26 * HOUR)), self._heal, receiver)

    @staticmethod
    def _heal(receiver: Receiver) -> None:
        receiver.mood = "well"

    def end(self) -> None:
        """Everything works again."""
        scene, ground = self._scene, self._scene.ground
        ground.dies_in = ground.control_fails_in = None
        ground.disk_full = ground.points_away = False
        ground.meanwhile = lambda: None
        scene.ended_at = scene.logical()
        scene.say(f"the end at {iso(scene.ended_at)}: all is well again")
        for receiver in ground.senders.receivers.values():
            receiver.mood = "well"
        if scene.is_held:
            scene.advance(scene.held_until)
            self._ticks.tick()
        for slot in range(scene.story.workers):
            self.start_worker(slot)
        self.start_engine()
