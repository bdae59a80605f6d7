"""The engine process: settles pings, declares what is overdue, ships points, sends notifications, forgets what is old."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from config.settings import Settings
from lastbeat.clock import Clock
from lastbeat.driver import Step, drive
from lastbeat.installation import open_control, open_points
from lastbeat.places import Places
from lastbeat.vitals import Vitals
from rules.channels import senders
from rules.outbox import Outbox
from rules.overdue import Overdue
from rules.reload import Reload
from rules.rule_files import read
from rules.settle import Settle
from rules.storm import Guard
from rules.windows import Windows
from store.deadletter import DeadLetters
from store.inbox import Inbox, last_reading
from store.lock import FileLock
from store.mark import Mark, read_mark
from store.model import SECOND, Ns
from store.points.embedded import EmbeddedPoints
from store.retention import Retention
from store.ship import Ship, ShipStates
from store.standing import Standing

_SETTLE_EVERY = 0.1
_SENDERS = 16
_STOP_SECONDS = 10
_LOCK_SECONDS = 10  # a predecessor that lost its parent needs a moment to finish


def run(settings: Settings) -> None:
    """Work until SIGTERM or until the parent is gone."""
    places = Places(settings.data_dir)
    lock = FileLock(places.lock("engine"), patience=_LOCK_SECONDS)
    control = open_control(settings)
    points = open_points(settings)
    clock = Clock(after=read_mark(places.rules_mark) or 0, since=last_reading(places.journals))
    reload = Reload(control, settings.rules_dir, lambda place: read(place).rules, settings.base_url)
    stop = _stop_event(reload.hurry)
    inbox = Inbox(places.journals)
    settle = Settle(control, inbox, settings.base_url)
    guard = Guard(control, settle.heard, round(settings.storm_hold * SECOND), settings.base_url)
    overdue = Overdue(control, lambda: settle.watermark, settings.base_url, guard, lambda: clock.lead)
    mark = Mark(places.rules_mark)
    senders_pool = ThreadPoolExecutor(_SENDERS, thread_name_prefix="send")
    outbox = Outbox(control, senders, senders_pool, clock())
    dead = DeadLetters(places.dead_letters)
    ship = Ship(control, Inbox(places.journals), points, dead, lambda: settle.watermark)
    windows = Windows(control, points, lambda: ship.horizon, settings.base_url)
    shipping = [Step("ship", ship.step, 0.2)]
    if not isinstance(points, EmbeddedPoints):  # which needs no copy of what the control store has
        shipping.append(Step("states", ShipStates(control, points, dead).step, 1.0))
        shipping.append(Step("standing", Standing(control, points).step, 3_600.0))
        shipping.append(Step("vitals", Vitals(control, places.counters, places.journals, points).step, 15.0))
    # Each line has a thread: what one waits for never holds up another.
    lines = [
        [
            Step("settle", _marked(settle, mark), _SETTLE_EVERY),
            Step("overdue", overdue.step, settings.rules_interval),
            Step("storm", guard.step, settings.rules_interval),
        ],
        shipping,
        [Step("rules", reload.step, 1.0)],
        [Step("windows", windows.step, settings.rules_interval)],
        [Step("outbox", outbox.step, 0.1)],
        [Step("retention", Retention(control, points, settings.retention_days).step, 60.0)],
    ]
    if settings.dashboards_dir is not None:
        from lastbeat.grafana import Current  # loads grafanalib, for those who use it

        lines.append([Step("dashboards", Current(settings, control, settings.dashboards_dir).step, 5.0)])
    threads = [threading.Thread(target=drive, args=(line, clock, stop), daemon=True, name=line[0].name) for line in lines]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(_STOP_SECONDS)
    senders_pool.shutdown(wait=False, cancel_futures=True)
    for part in (points, control, mark, lock):
        part.close()


def _marked(settle: Settle, mark: Mark) -> Callable[[Ns], bool]:
    """Says to `/readyz` up to when everything is judged: it stands still when settle fails, and when no worker listens."""

    def step(now: Ns) -> bool:
        more = settle.step(now)
        if settle.reached is not None:
            mark.set(settle.reached)
        return more

    return step


def _stop_event(hurry: Callable[[], None]) -> threading.Event:
    """Set by SIGTERM, and when standard input ends: the parent holds its other end as long as it lives. SIGHUP calls `hurry`."""
    stop = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: hurry())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent says when to stop

    def watch() -> None:
        os.read(0, 1)  # not through sys.stdin: a thread that waits in it cannot be left at exit
        stop.set()

    threading.Thread(target=watch, daemon=True, name="parent").start()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the parent starts its children with signals held back
    return stop
