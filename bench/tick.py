"""What a round of the rule loop costs, idle, with deadlines due and with pings to settle, at 1,000 and at 100,000 monitors.

Once without rules, once with the shipped ones and an alert on a metric of every tenth monitor. `cpu`: the time of the processor alone,
which says more where others work on the machine at the same time. Medians of some rounds, but for the gap.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import insert, select, update

from bench.points import DISK
from rules.accept import accept
from rules.overdue import Overdue
from rules.rule_files import read
from rules.settle import Settle
from rules.storm import Guard
from store.control import Control, projects
from store.control.migrate import migrate
from store.control.tables import beats, channels, metric_alerts, monitor_channels, monitors
from store.inbox import Inbox, journal_path, lock_path, mark_path
from store.journal import Journal, encode
from store.lock import FileLock
from store.mark import Mark
from store.model import SECOND, Gap, Ns, Ping, Record, new_id

NOW: Ns = 1_700_000_000 * SECOND
SIZES = (1_000, 100_000)
IDLE_ROUNDS, ROUNDS = 200, 3
DUE, PINGS = 1_000, 5_000
RULES = Path(__file__).parent.parent / "config" / "rules.yml"


class Engine:
    """What the engine does in each round, on a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.control = Control(folder / "control.db")
        self._lock = FileLock(lock_path(folder, 0))
        self._journal, self._mark = Journal(journal_path(folder, 0), 1 << 30), Mark(mark_path(folder, 0))
        self._settle = Settle(self.control, Inbox(folder), "http://bench")
        self._guard = Guard(self.control, self._settle.heard, 120 * SECOND, "http://bench")
        self._overdue = Overdue(self.control, lambda: self._settle.watermark, "http://bench", self._guard)
        self.now = NOW
        self._mark.set(NOW)

    def follow_rules(self) -> None:
        with self.control.begin() as connection:
            accept(connection, read(RULES).rules, "http://bench", NOW)

    def receive(self, records: Sequence[Record], until: Ns) -> None:
        self._journal.append([encode(record) for record in records])
        self.now = until
        self._mark.set(until)

    def tick(self) -> None:
        while self._settle.step(self.now):
            pass
        while self._overdue.step(self.now):
            pass
        self._guard.step(self.now)


def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    for size in SIZES:
        with TemporaryDirectory(dir=DISK) as directory:
            figures |= {f"{name}_at_{size}_monitors": value for name, value in _measure(Path(directory), size).items()}
    small, large = (figures[f"idle_tick_cpu_ms_at_{size}_monitors"] for size in SIZES)
    figures["idle_tick_growth"] = round(large / small, 2)
    small, large = (figures[f"engine_kib_at_{size}_monitors"] for size in SIZES)
    figures["engine_bytes_per_idle_monitor"] = round((large - small) * 1_024 / (SIZES[1] - SIZES[0]))
    return figures


def _measure(folder: Path, size: int) -> dict[str, float]:
    ids = _populate(folder, size)
    apart = subprocess.run([sys.executable, "-m", "bench.tick", str(folder)], capture_output=True, text=True, check=True)
    figures = {"engine_kib": float(apart.stdout)}
    engine = Engine(folder)
    figures |= _rounds(engine, ids, "")
    engine.follow_rules()
    _add_alerts(engine.control, ids[::10])
    figures |= _rounds(engine, ids, "_with_rules")
    engine.receive([Gap(engine.now + 2, engine.now, far := NOW + 3_600 * SECOND, "restart")], far)
    return figures | _cost("gap_over_everybody", [_timed(engine.tick)])


def _resident(folder: Path) -> int:
    """The KiB that a process occupies which has ticked for a while, and settled the pings of some monitors, the same whoever else waits."""
    engine = Engine(folder)
    engine.follow_rules()
    for _ in range(IDLE_ROUNDS):
        engine.tick()
    with engine.control.read() as connection:
        ids = list(connection.execute(select(monitors.c.id).order_by(monitors.c.version).limit(min(SIZES))).scalars())
    _receive_pings(engine, ids)
    for _ in range(IDLE_ROUNDS):
        engine.tick()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def _rounds(engine: Engine, ids: list[str], suffix: str) -> dict[str, float]:
    engine.tick()
    idle = [_timed(engine.tick) for _ in range(IDLE_ROUNDS)]
    # Spread over the whole table, as they are when monitors were not made in the order in which they ping.
    settled, declared = [], []
    for n in range(ROUNDS):
        _receive_pings(engine, ids[n % _step(ids, PINGS) :: _step(ids, PINGS)])
        settled.append(_timed(engine.tick))
    for n in range(ROUNDS):
        _let_be_due(engine, ids[n % _step(ids, DUE) :: _step(ids, DUE)][:DUE])
        declared.append(_timed(engine.tick))
    figures = _cost(f"idle_tick{suffix}", idle)
    return figures | _cost(f"settle_{PINGS}_pings{suffix}", settled) | _cost(f"declare_{DUE}_due{suffix}", declared)


def _step(ids: list[str], number: int) -> int:
    return max(1, len(ids) // number)


def _receive_pings(engine: Engine, ids: list[str]) -> None:
    at = engine.now
    engine.receive([Ping(at + n, ids[n % len(ids)], numbers={"v": 1.0, "w": 2.0}) for n in range(PINGS)], at + SECOND)


def _let_be_due(engine: Engine, ids: list[str]) -> None:
    with engine.control.begin() as connection:
        due = {"deadline": engine.now - 1, "status": "up", "incident_id": None}
        connection.execute(update(beats).where(beats.c.monitor_id.in_(ids)).values(due))


def _populate(folder: Path, size: int) -> list[str]:
    migrate(folder / "control.db")
    control = Control(folder / "control.db")
    ids = [new_id("mon") for _ in range(size)]
    far = NOW + 3_600 * SECOND
    fixed = {"tags": [], "interval": 3_600, "grace": 60, "timezone": "UTC", "created_at": 0, "updated_at": 0}
    with control.begin() as connection:
        project = projects.create(connection, "bench", "unlimited", 0).id
        rows = [fixed | {"id": i, "project_id": project, "name": i, "token": i, "version": n} for n, i in enumerate(ids)]
        connection.execute(insert(monitors), rows)
        connection.execute(
            insert(beats), [{"monitor_id": i, "status": "up", "expected_at": far, "deadline": far + n} for n, i in enumerate(ids)]
        )
        channel = {"id": "ch_1", "project_id": project, "name": "c", "type": "webhook", "config": {"url": "http://127.0.0.1:9/"}}
        connection.execute(insert(channels), [channel | {"is_default": False, "created_at": 0, "updated_at": 0}])
        connection.execute(insert(monitor_channels), [{"monitor_id": i, "channel_id": "ch_1"} for i in ids])
    control.close()
    return ids


def _add_alerts(control: Control, ids: list[str]) -> None:
    alert = {"metric_key": "v", "operator": ">", "threshold": 100.0, "consecutive": 1, "created_at": 0, "updated_at": 0}
    with control.begin() as connection:
        connection.execute(insert(metric_alerts), [alert | {"id": new_id("alr"), "monitor_id": one} for one in ids])


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    """How many milliseconds the work takes, by the clock and of the processor."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - clock) * 1_000, (time.process_time() - cpu) * 1_000


def _cost(name: str, rounds: Sequence[tuple[float, float]]) -> dict[str, float]:
    clock, cpu = (round(statistics.median(values), 2) for values in zip(*rounds, strict=True))
    return {f"{name}_ms": clock, f"{name}_cpu_ms": cpu}


if __name__ == "__main__":
    print(_resident(Path(sys.argv[1])) if sys.argv[1:] else run())
