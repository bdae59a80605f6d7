"""One HTTP worker process: takes a slot, says since when nobody was listening, and serves pings, API and pages until told to stop."""

from __future__ import annotations

import logging
import resource
import signal
import socket
from concurrent.futures import Future

import gevent
from gevent.event import Event
from gevent.socket import wait_read
from gevent.threadpool import ThreadPool

from config.settings import Settings
from ingest.commit import Committer
from ingest.endpoint import PingEndpoint
from ingest.gate import Gate
from ingest.http import Application, Front, Server
from ingest.listening import EVERY, Listening, missed
from ingest.making import Making
from ingest.registry import Registry
from ingest.stamp import Stamps
from ingest.trouble import explained
from lastbeat.clock import Clock
from lastbeat.driver import Step, drive
from lastbeat.installation import open_control, open_points
from lastbeat.places import Places
from lastbeat.provision import Provision
from store.control import Control
from store.inbox import last_reading, lock_path, marks
from store.journal import Journal
from store.lock import FileLock
from store.mark import read_mark
from store.model import SECOND
from store.points import Points
from store.prune import Prune

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 10
_LOCK_SECONDS = 10  # a predecessor that lost its parent needs a moment to drain
_THREADS = 10  # requests to API and pages at once; each has a thread of its own
_SPARE_FILES = 200  # databases, logs and threads need some beside the connections


def run(settings: Settings, slot: int, listener: socket.socket) -> None:
    """Serve on `listener` until SIGTERM or until the parent is gone."""
    stop = _stop_event()
    places = Places(settings.data_dir)
    lock = FileLock(lock_path(places.journals, slot), patience=_LOCK_SECONDS)
    judged = read_mark(places.rules_mark)
    newest = max(marks(places.journals).values(), default=judged or 0)
    clock = Clock(after=newest, since=last_reading(places.journals))
    control = open_control(settings)
    journal = Journal(places.journal(slot), settings.journal_max_bytes)
    points = open_points(settings)
    # Threads of their own: however many pages are slow, a ping never waits for one.
    journal_thread, lookups, threads = ThreadPool(1), ThreadPool(2), ThreadPool(_THREADS)
    making = Making(ThreadPool(1), Provision(control, settings.plans, clock))
    before = missed(places.journals, slot, clock(), judged)
    stamps = Stamps(clock, slot, after=newest)
    committer = Committer(journal.append, journal_thread, stamps, before, clock)
    registry = Registry(control, lookups, clock, settings.plans, making)
    gate = Gate(places.gate)
    pings = PingEndpoint(registry, committer, gate, lambda error: explained(error, places.journals))
    longest = round(max(plan.ping_seconds for plan in settings.plans.values()) * SECOND)
    prune = Prune(control, journal, slot)
    listening = Listening(places.journals, slot, committer, clock.reading)
    listening.step(clock())  # what was missed is on record before the first ping
    pages: Future[Application] = Future()
    server = Server(listener, pings, Front(pings, pages.result, threads), _connection_limit())
    server.start()
    threads.spawn(_load_pages, pages, settings, control, points, committer, clock)
    steps = [
        Step("listening", listening.step, EVERY),
        Step("registry", registry.step, 0.5),
        Step("gate", lambda now: gate.step(now, longest), 60.0),
        Step("prune", lambda now: bool(journal_thread.apply(prune.step, (now,))), 1.0),
    ]
    background = [gevent.spawn(drive, [step], clock, stop) for step in steps]
    stop.wait()
    server.drain(_DRAIN_SECONDS)
    gevent.joinall(background, timeout=_DRAIN_SECONDS)
    listening.step(clock())  # so that the gap of a restart begins here
    journal_thread.join()
    for part in (listening, gate, journal, points, control, lock):
        part.close()


def _stop_event() -> Event:
    """Set by SIGTERM, and when standard input ends: the parent holds its other end as long as it lives."""
    stop = Event()
    gevent.signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent says when to stop

    def watch() -> None:
        wait_read(0)
        stop.set()

    gevent.spawn(watch)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the parent starts its children with signals held back
    return stop


def _load_pages(
    ready: Future[Application], settings: Settings, control: Control, points: Points, committer: Committer, clock: Clock
) -> None:
    """API and pages take longer to load than all else, so pings are served already; requests for pages wait for this."""
    places = Places(settings.data_dir)

    def trouble() -> str | None:
        known = committer.trouble
        return explained(known.error, places.journals) if known is not None and known.error is not None else None

    try:
        from lastbeat.web import create_app

        app = create_app(
            settings,
            control,
            points,
            clock,
            trouble=trouble,
            rules_moved_at=lambda: read_mark(places.rules_mark),
            refusals=Gate(places.gate).refusals,  # of its own, as pages are made in other threads
        )
    except Exception as error:  # whoever asks for a page is told; pings go on
        log.exception("the pages cannot be loaded")
        ready.set_exception(error)
    else:
        ready.set_result(app)


def _connection_limit() -> int:
    """As many connections as the process may open files, less what it needs otherwise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(64, most - _SPARE_FILES)
