"""The storm guard: when most jobs fall silent at once, the trouble is rather before us than in all of them.

Their states are what they are, and are recorded. But the alarms are held for a while, and one message says why. Whoever is heard again
meanwhile was never told of; what stays silent is told in one message for each channel. Nothing is dropped.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from rules import ledger
from rules.case import Case, Word
from store.control import Control, outbox, settings, verdicts
from store.instant import iso
from store.model import SECOND, Ns, Schedule

log = logging.getLogger(__name__)
_active = Gauge(
    "lastbeat_storm_guard_active", "1 while alarms are held, since most jobs fell silent at once.", multiprocess_mode="mostrecent"
)
_storms = Counter("lastbeat_storms", "Times that most jobs fell silent at once.")

WINDOW: Final[Ns] = 60 * SECOND
LEAST: Final = 5  # monitors: fewer may well have one cause of their own
SHARE: Final = 5  # one in so many
_LISTED: Final = 100
_STORM: Final = "storm"


class Storm(msgspec.Struct, frozen=True):
    """Since when alarms are held, and until when; whether people know of it."""

    since: Ns
    until: Ns
    told: bool = False


class Recent:
    """How much there was of something in the last minute, by the second. Bounded, whatever comes."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[Ns, float]] = deque()

    def add(self, at: Ns, amount: float) -> None:
        second = at // SECOND
        if self._seconds and self._seconds[-1][0] >= second:
            last, before = self._seconds.pop()
            self._seconds.append((last, before + amount))
        else:
            self._seconds.append((second, amount))
        while self._seconds[0][0] <= self._seconds[-1][0] - WINDOW // SECOND:
            self._seconds.popleft()

    def within(self, now: Ns) -> float:
        return sum(amount for second, amount in self._seconds if second > (now - WINDOW) // SECOND)


def suspect(silent: float, waiting: float, owed: float, heard: float) -> bool:
    """Whether so many monitors rather were not heard than did not ping.

    `silent`: monitors that missed their deadline within a minute, of `waiting`. `owed`: pings that they did not send in that minute.
    `heard`: pings that arrived in it.
    """
    return silent >= LEAST and silent * SHARE >= waiting and heard < owed


class Guard:
    """Decides whether the alarms of what is declared overdue are held, and lets them out again. `hold`: for how long; 0: never.

    `heard`: the pings that were settled.
    """

    def __init__(self, control: Control, heard: Recent, hold: Ns, base_url: str) -> None:
        self._control = control
        self._heard = heard
        self._hold = hold
        self._base_url = base_url
        self._silent, self._owed = Recent(), Recent()

    def holds(self, connection: Connection, cases: Iterable[Case], watermark: Ns, now: Ns) -> bool:
        """Whether the alarms of these cases, whose deadlines have just passed, are to be held; a storm may begin with them."""
        silent = [case.monitor.schedule for case in cases if any(is_silence(word) for word in case.words)]
        storm = _current(connection) if self._hold and silent else None
        holds = now < storm.until if storm is not None else bool(self._hold and silent) and self._begins(connection, silent, watermark, now)
        self._silent.add(watermark, len(silent))
        self._owed.add(watermark, sum(_owed(schedule) for schedule in silent))
        return holds

    def step(self, now: Ns) -> bool:
        """Say once that alarms are held; when they were for long enough, let them out."""
        with self._control.read() as connection:
            storm = _current(connection)
        _active.set(storm is not None)
        if storm is not None and not storm.told:
            with self._control.begin() as connection:
                self._tell(connection, storm, now)
                _keep(connection, replace(storm, told=True))
        elif storm is not None and now >= storm.until:
            with self._control.begin() as connection:
                self._let_out(connection, storm, now)
                settings.drop(connection, _STORM)
        return False

    def _begins(self, connection: Connection, fresh: Sequence[Schedule], watermark: Ns, now: Ns) -> bool:
        due = verdicts.count_overdue(connection, watermark)  # these among them: of a great many, they are but the first
        before = self._silent.within(watermark)
        owed = self._owed.within(watermark) + sum(_owed(schedule) for schedule in fresh) + due - len(fresh)
        silent, heard = before + due, self._heard.within(watermark)
        if silent < LEAST or heard >= owed:
            return False
        enough = math.ceil(silent * SHARE)  # of more of them, those who are silent are too few
        if not suspect(silent, before + verdicts.count_waiting(connection, enough + 1), owed, heard):
            return False
        log.warning("%d monitors fell silent within a minute, while hardly a ping arrives: their alarms are held", silent)
        _storms.inc()
        _keep(connection, Storm(now, now + self._hold))
        return True

    def _tell(self, connection: Connection, storm: Storm, now: Ns) -> None:
        silent = verdicts.silent_by_project(connection, storm.since - WINDOW)
        waiting = verdicts.waiting_by_project(connection)
        about = {}
        for project, (number, _) in silent.items():
            of = number + waiting.get(project, 0)
            text = f"{number} of {of} monitors fell silent within a minute, while hardly a ping arrives at Lastbeat: is it still reached?"
            held = f" Their alarms are held until {iso(storm.until)}; whoever is heard again before is not told of."
            about[project] = {"since": iso(storm.since), "until": iso(storm.until), "count": number, "of": of, "text": text + held}
        ledger.tell_projects(connection, "ingest_suspect", about, storm.since, self._base_url, now)

    def _let_out(self, connection: Connection, storm: Storm, now: Ns) -> None:
        for channel_id, number in outbox.held(connection).items():
            if number == 1:
                outbox.let_out(connection, channel_id, now)
                continue
            carrier = ledger.grouped(
                "monitors_down", channel_id, outbox.held_first(connection, channel_id, _LISTED), number, self._base_url, now
            )
            outbox.add(connection, [carrier])
            outbox.let_out(connection, channel_id, now, carrier.id)
        about = {}
        for project, (number, still) in verdicts.silent_by_project(connection, storm.since - WINDOW).items():
            text = f"Of {number} monitors that fell silent at once, {number - still} were heard again and {still} were not."
            about[project] = {"since": iso(storm.since), "count": number, "silent": still, "text": text}
        ledger.tell_projects(connection, "ingest_judged", about, now, self._base_url, now)


def _owed(schedule: Schedule) -> float:
    """How many pings a monitor that was silent for a minute did not send in it, at least."""
    return max(1.0, WINDOW / SECOND / schedule.interval) if schedule.cron is None else 1.0


def is_silence(word: Word) -> bool:
    """Whether it is said that a monitor was not heard: the only alarms that are ever held."""
    return word.opens and word.details.get("reason") in ("missed", "not_started")


def _current(connection: Connection) -> Storm | None:
    kept = settings.get(connection, _STORM)
    return None if kept is None else msgspec.json.decode(kept, type=Storm)


def _keep(connection: Connection, storm: Storm) -> None:
    settings.put(connection, _STORM, msgspec.json.encode(storm).decode())
