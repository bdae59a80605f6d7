"""One seed, played to its end: time goes on, jobs ping, things break, the engine works, and the model is asked what it should have done."""

from __future__ import annotations

import gc
import hashlib
import heapq
import json
import logging
import random
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from rules import overdue, settle
from simulation import audit
from simulation.callers import Callers
from simulation.jobs import Signal, dice
from simulation.people import People
from simulation.scene import Found as Found
from simulation.scene import Scene
from simulation.ticks import Ticks
from simulation.troubles import HOUR, MINUTE, Troubles
from simulation.witness import Witness
from store.model import SECOND, Ns, Ping

_WAITING = """SELECT count(*), min(CASE WHEN next_at > ? THEN next_at END) FROM outbox
    WHERE state IN ('pending', 'inflight', 'held', 'carried')"""
_MEMORY = Path("/dev/shm")


class Outcome(NamedTuple):
    """What was played. `turns`: transitions. `fingerprint`: of all that was recorded and said."""

    seed: int
    kind: str
    days: float
    monitors: int
    pings: int
    deaths: int
    ticks: int
    turns: int
    messages: int
    fingerprint: str


class Play:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        witness = Witness(scene)
        self._ticks = Ticks(scene, witness)
        self._callers = Callers(scene, self._ticks)
        self._people = People(scene, witness, self._callers)
        self._troubles = Troubles(scene, self._ticks, self._people)
        scene.ground.meanwhile = self._meanwhile

    def run(self) -> Outcome:
        scene, story = self._scene, self._scene.story
        for slot in range(story.workers):
            self._troubles.start_worker(slot)
        self._troubles.start_engine()
        for number, character in enumerate(story.characters):
            scene.at(character.appears, self._people.add_monitor, number)
        for at, trouble in story.troubles:
            scene.at(at, self._troubles.happen, trouble)
        for at in range(0, story.length, story.length // 12):
            scene.at(at + scene.chance.randrange(MINUTE), self._ticks.tick)
        while scene.queue and scene.queue[0][0] <= story.length:
            at, _, what = heapq.heappop(scene.queue)
            scene.advance(at)
            what()
        self._troubles.end()
        self._send_all()
        audit.everything(scene)
        return self._outcome()

    def _meanwhile(self) -> None:
        """Between two steps of the engine workers and people go on."""
        scene, chance = self._scene, self._scene.chance
        if scene.busy or scene.engine is None or chance.random() > 0.03:
            return
        scene.busy = True
        try:
            if chance.random() < 0.4:
                self._people.edit()
            elif scene.workers and scene.lives:
                monitor = chance.choice(list(scene.lives))
                if scene.jobs[monitor].mood not in ("well", "exact") and scene.only in (None, scene.jobs[monitor].number):
                    self._callers.call(monitor, Signal("success"), scene.ground.elapsed)
                for worker in list(scene.workers.values()):
                    with scene.mortal(worker):
                        worker.turn()
        finally:
            scene.busy = False

    def _send_all(self) -> None:
        """What is to be sent is sent within a day, by which nothing is too old."""
        scene = self._scene
        end = scene.ground.elapsed + 23 * HOUR
        self._pass(SECOND)
        for _ in range(150):
            waiting, next_at = scene.view.execute(_WAITING, (scene.logical(),)).fetchone()
            wait = MINUTE if next_at is None else max(MINUTE, next_at - scene.logical() + 1)
            if not waiting or scene.ground.elapsed + wait > end:
                return  # whatever still waits is found by the audit
            self._pass(wait)

    def _pass(self, pause: Ns) -> None:
        self._scene.queue.clear()
        self._scene.advance(self._scene.ground.elapsed + pause)
        self._ticks.tick()

    def _outcome(self) -> Outcome:
        scene = self._scene
        told = [[delivery.payload for delivery in receiver.taken] for receiver in scene.ground.senders.receivers.values()]
        kept = [scene.view.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in ("transitions", "incidents", "outbox")]
        return Outcome(
            scene.seed,
            scene.story.kind,
            scene.story.days,
            len(scene.lives),
            sum(isinstance(record, Ping) for records in scene.records.values() for record in records),
            scene.deaths,
            self._ticks.number,
            sum(len(life.turns) for life in scene.lives.values()),
            sum(len(messages) for messages in told),
            hashlib.sha256(json.dumps([told, kept]).encode()).hexdigest(),
        )


def play(seed: int, *, kind: str | None = None, only: int | None = None) -> Outcome:
    """Play the seed to its end; raises `Found` where something is wrong."""
    home = Path(tempfile.mkdtemp(prefix="lives-", dir=_MEMORY if _MEMORY.is_dir() else None))
    try:
        with _controlled(seed):
            scene = Scene(seed, home, kind, only)
            with mock.patch.object(settle, "_BATCH", scene.story.batch), mock.patch.object(overdue, "_BATCH", scene.story.batch):
                try:
                    return Play(scene).run()
                finally:
                    scene.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _controlled(seed: int) -> Iterator[None]:
    """Nothing is left to chance, and nothing is printed."""
    quiet = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()  # a seed makes no rubbish that cannot wait
    random.seed(seed)
    try:
        with mock.patch("store.model.secrets", _Tokens(seed)):
            yield
    finally:
        logging.disable(quiet)
        gc.enable()


class _Tokens:
    """Random in place of secret, so that a seed says it all."""

    def __init__(self, seed: int) -> None:
        self._chance = dice(f"ids {seed}")

    def token_hex(self, number: int) -> str:
        return self._chance.randbytes(number).hex()

    def __getattr__(self, name: str) -> Any:
        return getattr(secrets, name)
