"""`lastbeat serve`: the parent of the HTTP workers and the engine. It binds the port, starts and restarts them, stops them in order."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from config.settings import SETTINGS, Settings
from lastbeat import clock
from lastbeat.places import Places
from store.lock import FileLock, Locked
from store.model import Plan

if TYPE_CHECKING:
    from lastbeat.installation import Welcome

log = logging.getLogger(__name__)

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP}
_STOP_SECONDS = 20
_STEADY_SECONDS = 30  # a child that lived this long starts again at once, however often it fell before
_BACKLOG = 1_024


class CannotServe(Exception):
    """A sentence for the person who started the server."""


@dataclass(slots=True)
class Child:
    """One child process and how often it fell lately."""

    name: str
    arguments: list[str]
    inherits: list[int] = field(default_factory=list)  # file descriptors
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    falls: int = 0
    start_at: float = 0.0


@dataclass(slots=True)
class Family:
    """The parent's view of its children."""

    settings: Settings
    environment: dict[str, str]
    listener: socket.socket
    children: list[Child] = field(init=False)

    def __post_init__(self) -> None:
        # The engine does not get the port: it may outlive its parent while a receiver hangs, and would keep the next start from it.
        port = self.listener.fileno()
        workers = [Child(f"worker {slot}", ["worker", str(slot), str(port)], [port]) for slot in range(self.settings.workers)]
        self.children = [Child("the engine", ["engine"]), *workers]

    def start(self, children: list[Child]) -> None:
        """Let the processes begin to load; each waits for its settings (`brief`)."""
        if children:
            Places(self.settings.data_dir).make_counters()
        for child in children:
            command = [sys.executable, "-m", "lastbeat", "child", *child.arguments]
            child.process = subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, pass_fds=child.inherits, env=self.environment)
            child.started = time.monotonic()

    def brief(self, children: list[Child]) -> None:
        """Give the children their settings. The pipe stays open, and its end tells them that the parent is gone: no orphan is left."""
        told = msgspec.json.encode(asdict(self.settings), enc_hook=str) + b"\n"
        for child in children:
            assert child.process is not None
            assert child.process.stdin is not None
            with suppress(BrokenPipeError):  # it died already, which `keep` will see
                child.process.stdin.write(told)

    def keep(self) -> None:
        """Note what has died since the last call, and start it again."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._note_fall(child, now)
        missing = [child for child in self.children if child.process is None and now >= child.start_at]
        self.start(missing)
        self.brief(missing)

    def read_rules(self) -> None:
        """Let the engine read the rule files again, whether or not they look changed."""
        engine = self.children[0].process
        if engine is not None:
            engine.send_signal(signal.SIGHUP)

    def stop(self, children: list[Child]) -> None:
        """Ask the children to stop, wait for them, and kill those that do not."""
        running = [child.process for child in children if child.process is not None]
        for process in running:
            process.terminate()
            assert process.stdin is not None
            process.stdin.close()  # for one that still waits for its settings, with signals held back
        end = time.monotonic() + _STOP_SECONDS
        while any(process.poll() is None for process in running):
            impatient = signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, 0.02)
            if impatient is not None or time.monotonic() > end:
                for process in running:
                    process.kill()
        for process in running:
            process.wait()

    def _note_fall(self, child: Child, now: float) -> None:
        assert child.process is not None
        assert child.process.stdin is not None
        child.process.stdin.close()
        child.falls = 0 if now - child.started > _STEADY_SECONDS else child.falls + 1
        pause = 0.0 if child.falls <= 1 else min(2.0 ** (child.falls - 2), 30.0)
        log.error("%s died (%s); starting it again in %.0f s", child.name, _how(child.process.returncode), pause)
        child.process, child.start_at = None, now + pause


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotServe where it cannot begin."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    places = Places(settings.data_dir)
    try:
        places.make()
        lock = FileLock(places.lock("server"))
    except Locked as locked:
        raise CannotServe(f"another Lastbeat (process {locked.holder}) serves {settings.data_dir}; stop it, or give --data-dir") from None
    except OSError as error:
        raise CannotServe(f"the data directory {settings.data_dir} cannot be used: {error.strerror}") from None
    listener = _listen(settings)
    family = Family(settings, _environment(places), listener)
    family.start(family.children)  # they load their code while the tables are looked after here
    try:
        welcome = _prepare(settings)
        family.brief(family.children)
        click.echo(_greeting(settings, welcome))
        while (told := _told(within=1.0)) not in (signal.SIGTERM, signal.SIGINT):
            if told == signal.SIGHUP:
                family.read_rules()
            family.keep()
    finally:
        engine, *workers = family.children
        family.stop(workers)
        family.stop([engine])
        shutil.rmtree(places.counters, ignore_errors=True)
        lock.close()


def _prepare(settings: Settings) -> Welcome:
    # Imported here, after the children were started: it takes about as long as all else before them.
    from sqlalchemy.exc import DBAPIError

    from lastbeat.installation import control_path, prepare
    from store.control.migrate import TooNew

    try:
        return prepare(settings, clock.now())
    except TooNew as error:
        raise CannotServe(str(error)) from None
    except (sqlite3.DatabaseError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        # An operational error (disk full, no permission) says by itself what to do; all others are damage.
        advice = "" if isinstance(reason, sqlite3.OperationalError) else "; restore a backup of it, or move it away to start over"
        raise CannotServe(f"{control_path(settings)} cannot be used: {reason}{advice}") from None


def _told(within: float) -> int | None:
    """Wait for a signal, for `within` seconds at the most; which it was."""
    received = signal.sigtimedwait(_SIGNALS, within)
    return None if received is None else received.si_signo


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotServe(f"cannot listen on {settings.host} port {settings.port}: {reason}; give another --host or --port") from None


def _environment(places: Places) -> dict[str, str]:
    places.make_counters()
    for left in places.counters.glob("*.db"):
        left.unlink()
    secrets = {setting.variable for setting in SETTINGS if setting.secret}
    return {k: v for k, v in os.environ.items() if k not in secrets} | {"PROMETHEUS_MULTIPROC_DIR": str(places.counters)}


def _greeting(settings: Settings, welcome: Welcome) -> str:
    lines = [f"Lastbeat is at {settings.base_url}", f"  data       {settings.data_dir}"]
    if welcome.password:
        lines.append(f"  password   {welcome.password}   (for the pages; shown this once)")
    if welcome.api_key:
        lines.append(f"  API key    {welcome.api_key}   (default project; shown this once)")
    return "\n".join(lines)


def _how(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def read_settings(line: bytes) -> Settings:
    """The settings as the parent wrote them into a child's standard input."""
    values = json.loads(line)
    paths = {name: Path(values[name]) for name in ("data_dir", "dashboards_dir", "rules_dir") if values[name] is not None}
    plans = {name: Plan(**plan) for name, plan in values["plans"].items()}
    return Settings(**values | paths | {"plans": plans})
