"""One HTTP worker process: takes a slot, says since when nobody was listening, and serves pings, API and pages until told to stop."""

from __future__ import annotations

import logging
import resource
import signal
import socket
from collections.abc import Callable
from concurrent.futures import Future

import gevent
from gevent.event import Event
from gevent.socket import wait_read
from gevent.threadpool import ThreadPool
from prometheus_client import Gauge

from config.settings import Settings
from ingest.commit import Committer
from ingest.endpoint import PingEndpoint
from ingest.http import Application, Front, Server
from ingest.listening import EVERY, Listening, listened_until
from ingest.registry import Registry
from ingest.stamp import Stamps
from lastbeat import clock
from lastbeat.driver import Step, drive
from lastbeat.installation import open_control, open_points
from lastbeat.places import Places
from store.control import Control, offsets
from store.journal import Journal
from store.lock import FileLock
from store.mark import read_mark
from store.model import Ns
from store.points import Points

log = logging.getLogger(__name__)
_journal_bytes = Gauge("lastbeat_journal_bytes", "Size of a worker's journal.", ["slot"], multiprocess_mode="mostrecent")

_DRAIN_SECONDS = 10
_LOCK_SECONDS = 10  # a predecessor that lost its parent needs a moment to drain
_THREADS = 10  # requests to API and pages at once; each has a thread of its own
_SPARE_FILES = 200  # databases, logs and threads need some beside the connections


def run(settings: Settings, slot: int, listener: socket.socket) -> None:
    """Serve on `listener` until SIGTERM or until the parent is gone."""
    stop = _stop_event()
    places = Places(settings.data_dir)
    lock = FileLock(places.lock(f"worker-{slot}"), patience=_LOCK_SECONDS)
    control = open_control(settings)
    journal = Journal(places.journal(slot), settings.journal_max_bytes)
    points = open_points(settings)
    # Threads of their own: however many pages are slow, a ping never waits for one.
    journal_thread, lookups, threads = ThreadPool(1), ThreadPool(2), ThreadPool(_THREADS)
    committer = Committer(journal.append, journal_thread)
    stamps = Stamps(clock.now, slot, after=listened_until(places.journals) or 0)
    registry = Registry(control, lookups)
    pings = PingEndpoint(registry, stamps, committer)
    listening = Listening(places.mark(slot), stamps, committer, pings)
    pages: Future[Application] = Future()
    server = Server(listener, pings, Front(pings, pages.result, threads), _connection_limit())
    listening.begin(clock.now())
    server.start()
    threads.spawn(_load_pages, pages, settings, control, points, pings)
    steps = [
        Step("listening", listening.step, EVERY),
        Step("registry", _refresh(registry), 0.5),
        Step("prune", _prune(control, journal, journal_thread, lookups, slot), 1.0),
    ]
    background = [gevent.spawn(drive, [step], clock.now, stop) for step in steps]
    stop.wait()
    server.drain(_DRAIN_SECONDS)
    gevent.joinall(background, timeout=_DRAIN_SECONDS)
    listening.step(clock.now())  # so that the gap of a restart begins here
    journal_thread.join()
    for part in (journal, points, control, lock):
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


def _load_pages(ready: Future[Application], settings: Settings, control: Control, points: Points, pings: PingEndpoint) -> None:
    """API and pages take longer to load than all else, so pings are served already; requests for pages wait for this."""

    mark = Places(settings.data_dir).rules_mark
    try:
        from lastbeat.web import create_app

        app = create_app(
            settings,
            control,
            points,
            clock.now,
            trouble=lambda: pings.trouble.reason if pings.trouble else None,
            rules_moved_at=lambda: read_mark(mark),
        )
    except Exception as error:  # whoever asks for a page is told; pings go on
        log.exception("the pages cannot be loaded")
        ready.set_exception(error)
    else:
        ready.set_result(app)


def _refresh(registry: Registry) -> Callable[[Ns], bool]:
    def step(now: Ns) -> bool:
        registry.refresh()
        return False

    return step


def _prune(control: Control, journal: Journal, journal_thread: ThreadPool, lookups: ThreadPool, slot: int) -> Callable[[Ns], bool]:
    """Drop from the journal what all its readers are done with."""
    size = _journal_bytes.labels(str(slot))

    def passed() -> int:
        with control.read() as connection:
            return offsets.passed_by_all(connection, journal.id)

    done = 0

    def step(now: Ns) -> bool:
        nonlocal done
        seq = lookups.apply(passed)
        size.set(journal_thread.apply(journal.used_bytes))
        if seq == done:
            return False
        more = journal_thread.apply(journal.prune, (seq,))
        if not more:
            done = seq
        return bool(more)

    return step


def _connection_limit() -> int:
    """As many connections as the process may open files, less what it needs otherwise."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(64, most - _SPARE_FILES)
