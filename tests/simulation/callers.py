"""The jobs' side of the wire: what is sent when, who hears it, and what becomes of it when nobody does."""

from __future__ import annotations

import sqlite3

from simulation.jobs import Job, Round, Signal
from simulation.scene import Scene
from simulation.stage import Worker
from simulation.ticks import Ticks
from store.instant import iso
from store.model import SECOND, Ns


class Callers:
    def __init__(self, scene: Scene, ticks: Ticks) -> None:
        self._scene = scene
        self._ticks = ticks

    def begin(self, monitor: str, job: Job) -> None:
        self._scene.jobs[monitor] = job
        job.begin(self._scene.ground.elapsed)
        self._run(monitor)

    def _run(self, monitor: str) -> None:
        """The job runs once more, for as long as there is a monitor."""
        scene, job = self._scene, self._scene.jobs[monitor]
        if scene.lives[monitor].gone:
            return
        coming = self._sharpened(monitor, job.next(scene.ground.elapsed))
        job.ends_at = coming.at
        if scene.only in (None, job.number):
            for when, signal in coming.signals:
                scene.at(when, self.call, monitor, signal, when)
        scene.at(max([coming.at, *(when for when, _ in coming.signals)]) + 1, self._run, monitor)

    def _sharpened(self, monitor: str, coming: Round) -> Round:
        """A job that is `exact` calls at the very edge of being late, or early."""
        scene, life, job = self._scene, self._scene.lives[monitor], self._scene.jobs[monitor]
        if job.mood != "exact" or life.deadline is None or life.expected is None or not coming.signals:
            return coming
        at = scene.ground.elapsed + job.exact(life.expected, life.deadline) - scene.logical()
        return Round([(at, coming.signals[-1][1])], at) if at > scene.ground.elapsed else coming

    def call(self, monitor: str, signal: Signal, since: Ns) -> None:
        """The job says something. `since`: when it tried first."""
        scene = self._scene
        if scene.lives[monitor].gone:
            return
        # Of a machine that stands still connections wait in the kernel, and clients for ten seconds.
        if scene.is_held and scene.held_until - scene.ground.elapsed < 9 * SECOND:
            # Whoever keeps to the rules sends nothing more before its start is answered.
            answered = SECOND // 1_000 if scene.jobs[monitor].mood == "well" and signal.kind != "start" else 0
            scene.at(scene.held_until + 1_000 + answered, self.call, monitor, signal, since)
        elif scene.is_held or not scene.workers or not self._heard(self._pick(monitor), monitor, signal):
            self._unheard(monitor, signal, since)
        elif scene.chance.random() < 0.02 and (signal.kind != "start" or scene.jobs[monitor].mood != "well"):
            # The answer does not arrive, and the client says it again.
            scene.after(scene.chance.randrange(1, 20) * SECOND, self.call, monitor, signal, since)

    def _heard(self, worker: Worker, monitor: str, signal: Signal) -> bool:
        scene = self._scene
        acknowledged = False
        with scene.mortal(worker):
            try:
                at = worker.commit(monitor, signal)
            except sqlite3.OperationalError:
                return False
            acknowledged = True
            name = f" of {signal.rid}" if signal.rid else ""
            scene.say(f"{signal.kind}{name} {signal.numbers or ''} at {at} = {iso(at)}", monitor)
            scene.jobs[monitor].heard_at = at
            if scene.chance.random() < self._ticks.eagerness / 10:
                self._ticks.tick()
        return acknowledged

    def _pick(self, monitor: str) -> Worker:
        scene, job = self._scene, self._scene.jobs[monitor]
        if job.mood == "exact" and job.heard_at is not None and job.heard_at % 1_000 in scene.workers:
            return scene.workers[job.heard_at % 1_000]  # whose stamps have the same last digits
        return scene.chance.choice(list(scene.workers.values()))

    def _unheard(self, monitor: str, signal: Signal, since: Ns) -> None:
        scene = self._scene
        scene.say(f"{signal.kind} is not heard", monitor)
        job, again = scene.jobs[monitor], scene.ground.elapsed + scene.chance.randrange(1, 5 if scene.workers else 30) * SECOND
        out_of_turn = job.mood == "well" and signal.kind == "start" and again >= job.ends_at
        # Where others live, whoever was cut off is heard by one of them at once.
        if not out_of_turn and again - since <= max(signal.patience, 10 if scene.workers and not scene.is_held else 0) * SECOND:
            scene.at(again, self.call, monitor, signal, since)
        else:
            scene.unheard.append((scene.ground.wall(), monitor))
