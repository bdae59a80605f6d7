"""The engine's turns: when it has one, and all that it does then."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

import sqlalchemy.exc

from simulation.scene import Scene
from simulation.stage import Engine
from simulation.witness import Witness
from store.model import SECOND, Ns

REFUSED = (sqlalchemy.exc.OperationalError, sqlite3.OperationalError)  # the control store cannot be used just now
_DEADLINES = """SELECT min(deadline) FROM beats WHERE deadline IS NOT NULL UNION ALL
    SELECT min(run_due) FROM beats WHERE run_due IS NOT NULL UNION ALL SELECT min(due_at) FROM standings WHERE due_at IS NOT NULL"""
_MESSAGES = "SELECT min(CASE WHEN state = 'pending' THEN next_at END), min(CASE WHEN state = 'held' THEN next_at END) FROM outbox"


class Ticks:
    """`eagerness`: how often it has a turn where something may be decided."""

    def __init__(self, scene: Scene, witness: Witness) -> None:
        self._scene = scene
        self._witness = witness
        self.eagerness = 0.1 if scene.story.kind == "crowd" else 0.5
        self._planned: set[Ns] = set()
        self.number = 0

    def tick(self) -> None:
        """The engine does all there is to do now."""
        scene = self._scene
        if scene.is_held or scene.busy:
            return
        self.number += 1
        for worker in list(scene.workers.values()):
            with scene.mortal(worker):
                worker.turn()
        if scene.engine is not None:
            # What is refused is tried again, as the real driver does.
            with scene.mortal(scene.engine), suppress(*REFUSED):
                self._work(scene.engine)
        if scene.engine is not None:
            self._plan()

    def _work(self, engine: Engine) -> None:
        scene, ending = self._scene, self._scene.ended_at is not None
        for _ in range(100_000):
            try:
                more = engine.judge()
            finally:
                if engine.looked >= scene.looked:  # else it died, or was refused, before it looked by its clock
                    scene.lead = engine.clock.lead
                scene.looked, scene.looking = max(scene.looked, engine.looked), max(scene.looking, engine.looking)
            if not more:
                break
        else:
            raise scene.fail("the engine never comes to an end")
        self._witness.compare(engine)
        if ending:
            self._carry(engine, ending=ending)  # what was under way when all else ended
        while engine.send():
            self._carry(engine, ending=ending)
        if scene.chance.random() < 0.4 or ending:
            while engine.ship():
                pass
        if scene.chance.random() < 0.1:
            for worker in list(scene.workers.values()):
                with scene.mortal(worker):
                    worker.prune()

    def _carry(self, engine: Engine, *, ending: bool) -> None:
        """Most messages arrive at once, in any order, some later."""
        chance, post = self._scene.chance, engine.post
        for _ in range(len(post.waiting)):
            if chance.random() < 0.85 or ending:
                post.carry(chance.randrange(len(post.waiting)))
        for future, _ in post.waiting:
            self._scene.after(chance.randrange(30 * SECOND), self._carry_late, engine, future)

    def _carry_late(self, engine: Engine, future: object) -> None:
        number = next((n for n, (waiting, _) in enumerate(engine.post.waiting) if waiting is future), None)
        if number is not None and self._scene.engine is engine:
            engine.post.carry(number)
            self.tick()

    def _plan(self) -> None:
        """The next ticks that matter: just before or after what the engine takes for a deadline, and when a message is due."""
        scene, chance = self._scene, self._scene.chance
        next_at, held = scene.view.execute(_MESSAGES).fetchone()
        due = [row[0] for row in scene.view.execute(_DEADLINES)]
        due.append(None if held is None else held + scene.ground.storm_hold)
        now = scene.logical()
        for instant in due:
            if instant is not None and instant not in self._planned and chance.random() < self.eagerness:
                self._planned.add(instant)
                for off in chance.choice(((-SECOND // 2, 1_000), (-1_000, SECOND // 4), (1_000,), (SECOND,))):
                    scene.after(instant - now + off, self.tick)
        if next_at is not None and next_at not in self._planned:
            self._planned.add(next_at)
            scene.after(max(0, next_at - now) + SECOND // 10, self.tick)
