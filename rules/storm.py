"""The storm guard: when most jobs fall silent at once, the trouble is rather before us than in all of them.

Their states are what they are, and are recorded. But the alarms are held for a while, and one message says why. Whoever is heard again
meanwhile was never told of; what stays silent is told in one message for each channel. Nothing is dropped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from rules import ledger
from rules.case import Case, Word
from store.control import Control, outbox, settings, verdicts
from store.instant import iso
from store.model import SECOND, Ns

log = logging.getLogger(__name__)
_active = Gauge(
    "lastbeat_storm_guard_active", "1 while alarms are held, since most jobs fell silent at once.", multiprocess_mode="mostrecent"
)
_storms = Counter("lastbeat_storms", "Times that most jobs fell silent at once.")

WINDOW: Final[Ns] = 60 * SECOND
LEAST: Final = 5  # monitors: fewer may well have one cause of their own
SHARE: Final = 5  # one in so many
_HARDLY: Final = 10  # one in so many of the pings that are usual
_TELLING: Final = 20  # pings: where fewer are usual, that none comes tells nothing
_LISTED: Final = 100
_STORM: Final = "storm"


class Storm(msgspec.Struct, frozen=True):
    """Since when alarms are held, and until when; when the first of those fell silent that they are about; whether people know of it."""

    since: Ns
    until: Ns
    told: bool = False
    first: Ns = 0


class Recent:
    """How many pings came in the last two minutes, by the second. Bounded, whatever comes."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def add(self, at: Ns, number: int) -> None:
        second = at // SECOND
        if self._seconds and self._seconds[-1][0] >= second:
            last, before = self._seconds.pop()
            self._seconds.append((last, before + number))
        else:
            self._seconds.append((second, number))
        while self._seconds[0][0] < self._seconds[-1][0] - 2 * WINDOW // SECOND:
            self._seconds.popleft()

    def between(self, start: Ns, end: Ns) -> int:
        return sum(number for second, number in self._seconds if start // SECOND <= second <= end // SECOND)


class Fallen(msgspec.Struct, frozen=True):
    """Monitors that are found silent at `at`: `number` of them, that should have sent `rate` pings a second, the first at `expected`.

    `since`: as of when the first of them is silent; long before, where that is found out late.
    """

    at: Ns
    number: int
    rate: float
    expected: Ns
    since: Ns


class View(msgspec.Struct, frozen=True):
    """What is known when monitors fall silent: `silent` of them within a minute, and how many are `waiting` in all, those among them.

    `owed`: pings that the silent ones did not send since the first of them was expected. `heard`: pings that came since then, and
    `usual`: those that came in the same part of the minute before.
    """

    silent: int
    waiting: int
    owed: float
    heard: int
    usual: int


def suspect(view: View) -> bool:
    """Whether so many monitors rather were not heard than did not ping: they are many, or hardly anybody else is heard any more."""
    many = view.silent * SHARE >= view.waiting and view.heard < view.owed
    return view.silent >= LEAST and (many or has_collapsed(view))


def has_collapsed(view: View) -> bool:
    return view.usual >= _TELLING and view.heard * _HARDLY < view.usual


class Guard:
    """Decides whether the alarms of what is declared overdue are held, and lets them out again. `hold`: for how long; 0: never.

    `heard`: the pings that were settled.
    """

    def __init__(self, control: Control, heard: Recent, hold: Ns, base_url: str) -> None:
        self._control = control
        self._heard = heard
        self._hold = hold
        self._base_url = base_url
        self._fallen: deque[Fallen] = deque()

    def holds(self, connection: Connection, cases: Iterable[Case], watermark: Ns, now: Ns) -> bool:
        """Whether the alarms of these cases, whose deadlines have just passed, are to be held; a storm may begin with them."""
        silent = [case for case in cases if any(is_silence(word) for word in case.words)]
        if not silent or not self._hold:
            return False
        while self._fallen and self._fallen[0].at <= watermark - WINDOW:
            self._fallen.popleft()
        self._fallen.append(_fallen(silent, watermark))
        storm = _current(connection)
        return now < storm.until if storm is not None else self._begins(connection, watermark, now)

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

    def _begins(self, connection: Connection, watermark: Ns, now: Ns) -> bool:
        due = verdicts.count_overdue(connection, watermark)  # the newest among them: of a great many, they are but the first
        before = sum(one.number for one in list(self._fallen)[:-1])
        start = max(min(one.expected for one in self._fallen), watermark - WINDOW)
        silent = before + max(due, self._fallen[-1].number)
        owed = max(float(silent), sum(one.rate for one in self._fallen) * (watermark - start) / SECOND)
        heard, usual = self._heard.between(start, watermark), self._heard.between(start - WINDOW, watermark - WINDOW)
        view = View(silent, silent * SHARE, owed, heard, usual)
        if not suspect(view):  # even if those who are waiting were no more
            return False
        waiting = before + verdicts.count_waiting(connection, silent * SHARE + 1)
        if not suspect(replace(view, waiting=waiting)):
            return False
        log.warning("%d monitors fell silent within a minute, while hardly a ping arrives: their alarms are held", silent)
        _storms.inc()
        _keep(connection, Storm(now, now + self._hold, first=min(one.since for one in self._fallen)))
        return True

    def _tell(self, connection: Connection, storm: Storm, now: Ns) -> None:
        silent = verdicts.silent_by_project(connection, storm.first)
        waiting = verdicts.waiting_by_project(connection)
        about = {}
        for project, (number, _, unawaited) in silent.items():
            of = unawaited + waiting.get(project, 0)
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
        for project, (number, still, _) in verdicts.silent_by_project(connection, storm.first).items():
            text = f"Of {number} monitors that fell silent at once, {still} are silent still."
            about[project] = {"since": iso(storm.since), "count": number, "silent": still, "text": text}
        ledger.tell_projects(connection, "ingest_judged", about, now, self._base_url, now)


def _fallen(silent: Sequence[Case], at: Ns) -> Fallen:
    rate = sum(1 / case.monitor.schedule.interval for case in silent if case.monitor.schedule.cron is None)
    since = min((incident.opened_at for case in silent for incident in case.opened), default=at)
    expected = min([since, *(case.beat.expected_at for case in silent if case.beat.expected_at is not None)])
    return Fallen(at, len(silent), rate, expected, since)


def is_silence(word: Word) -> bool:
    """Whether it is said that a monitor was not heard: the only alarms that are ever held."""
    return word.opens and word.details.get("reason") in ("missed", "not_started")


def holding(connection: Connection, now: Ns) -> Callable[[Word], bool] | None:
    """Which words are held back now, whoever has them said; None: none."""
    storm = _current(connection)
    return is_silence if storm is not None and now < storm.until else None


def _current(connection: Connection) -> Storm | None:
    kept = settings.get(connection, _STORM)
    return None if kept is None else msgspec.json.decode(kept, type=Storm)


def _keep(connection: Connection, storm: Storm) -> None:
    settings.put(connection, _STORM, msgspec.json.encode(storm).decode())
