"""A small Lastbeat without processes: real stores in a temporary directory, and a clock that the test moves."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from rules.accept import accept, arm
from rules.overdue import Overdue
from rules.settle import Settle
from rules.storm import Guard
from store.control import Control, alerts, channels, monitors, projects, standings
from store.control.migrate import migrate
from store.control.tables import outbox
from store.inbox import Inbox, journal_path, lock_path, mark_path
from store.journal import Journal, encode
from store.lock import FileLock
from store.mark import Mark
from store.model import SECOND, Alert, Beat, Channel, Gap, GapReason, Monitor, Ns, Ping, Record, Schedule, new_id
from store.rule import Rule, Standing

START: Ns = 1_700_000_000 * SECOND
BASE_URL = "https://lastbeat.test"


def empty_control(root: Path) -> Control:
    """A control store in `root` with all its tables; made once by the migrations and then copied."""
    shutil.copy(_migrated(), root / "control.db")
    return Control(root / "control.db")


@cache
def _migrated() -> Path:
    template = Path(tempfile.mkdtemp(prefix="lastbeat-test-")) / "control.db"
    migrate(template)
    atexit.register(shutil.rmtree, template.parent)
    return template


class World:
    """Times are seconds after the beginning of the world."""

    def __init__(self, root: Path, workers: int = 1) -> None:
        self.inboxes = root / "journal"
        self.inboxes.mkdir()
        self.control = empty_control(root)
        with self.control.begin() as connection:
            self.project = projects.create(connection, "default", "unlimited", START)
        self.journals = [Journal(journal_path(self.inboxes, slot), 1 << 30) for slot in range(workers)]
        self.locks = [FileLock(lock_path(self.inboxes, slot)) for slot in range(workers)]
        self.marks = [Mark(mark_path(self.inboxes, slot)) for slot in range(workers)]
        self.restart()

    def restart(self) -> None:
        """The engine forgets all it had in memory."""
        self.inbox = Inbox(self.inboxes)
        self.settle = Settle(self.control, self.inbox, BASE_URL)
        self.guard = Guard(self.control, self.settle.heard, 120 * SECOND, BASE_URL)
        self.overdue = Overdue(self.control, lambda: self.settle.watermark, BASE_URL, self.guard)

    def at(self, seconds: float) -> Ns:
        return START + round(seconds * SECOND)

    def monitor(self, interval: int = 60, grace: int = 30, max_run: int | None = None, **fields: Any) -> Monitor:
        values: dict[str, Any] = {"name": "job", "slug": None, "tags": (), "token": new_id("tok"), "created_at": START, "updated_at": START}
        values["schedule"] = Schedule(interval, grace, max_run=max_run)
        monitor = Monitor(id=new_id("mon"), project_id=self.project.id, **values | fields)
        with self.control.begin() as connection:
            monitors.add(connection, monitor)
        return monitor

    def channel(self, *, is_default: bool = True) -> Channel:
        channel = Channel(new_id("ch"), self.project.id, "sink", "webhook", {"url": "http://127.0.0.1:9/"}, is_default, START, START)
        with self.control.begin() as connection:
            channels.add(connection, channel)
        return channel

    def alert(self, monitor: Monitor, **fields: Any) -> Alert:
        values: dict[str, Any] = {"metric_key": "v", "operator": ">", "threshold": 100.0, "channel_id": None, "consecutive": 1}
        alert = Alert(id=new_id("alr"), monitor_id=monitor.id, created_at=START, updated_at=START, **values | fields)
        with self.control.begin() as connection:
            alerts.add(connection, alert)
        return alert

    def follow(self, *rules: Rule, at: float = 0.0) -> None:
        """Let these be the rules of the files."""
        with self.control.begin() as connection:
            accept(connection, rules, BASE_URL, self.at(at))
        while arm(self.control, BASE_URL, self.at(at)):
            pass

    def stands(self, rule: Rule, monitor: Monitor) -> Standing:
        """How the rule stands with the monitor."""
        with self.control.read() as connection:
            found = standings.of_monitors(connection, [monitor.id])
        return found.get(monitor.id, {}).get(rule.uid, Standing(rule.uid, monitor.id))

    def ping(self, monitor: Monitor, seconds: float, slot: int = 0, **fields: Any) -> None:
        self.put(Ping(self.at(seconds), monitor.id, **fields), slot)

    def gap(self, start: float, end: float, reason: GapReason = "restart") -> None:
        self.put(Gap(self.at(end), self.at(start), self.at(end), reason))

    def put(self, record: Record, slot: int = 0) -> None:
        self.journals[slot].append([encode(record)])

    def run(self, until: float) -> None:
        """All workers have listened until then, and the engine does all there is to do."""
        for mark in self.marks:
            mark.set(self.at(until))
        self.tick(until)

    def tick(self, now: float) -> None:
        while self.settle.step(self.at(now)):
            pass
        while self.overdue.step(self.at(now)):
            pass
        self.guard.step(self.at(now))

    def beat(self, monitor: Monitor) -> Beat:
        with self.control.read() as connection:
            watched = monitors.get(connection, self.project.id, monitor.id)
        assert watched is not None
        return watched.beat

    def standing(self, alert: Alert) -> Alert:
        with self.control.read() as connection:
            found = alerts.get(connection, alert.monitor_id, alert.id)
        assert found is not None
        return found

    def said(self) -> list[tuple[str, dict[str, Any]]]:
        """Every message so far: its event and details, in the order of the outbox."""
        with self.control.read() as connection:
            rows = connection.execute(select(outbox.c.event, outbox.c.payload).order_by(outbox.c.number)).all()
        return [(row.event, row.payload["details"]) for row in rows]

    def events(self) -> list[str]:
        return [event for event, _ in self.said()]

    def close(self) -> None:
        self.inbox.close()
        for journal in self.journals:
            journal.close()
        for mark in self.marks:
            mark.close()
        for lock in self.locks:
            lock.close()
        self.control.close()
