"""What a round of the rule loop costs, idle, with deadlines due and with pings to settle, at 1,000 and at 100,000 monitors."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import insert, update

from bench.points import DISK
from rules.overdue import Overdue
from rules.settle import Settle
from store.control import Control, projects
from store.control.migrate import migrate
from store.control.tables import beats, channels, monitor_channels, monitors
from store.inbox import Inbox, journal_path, lock_path, mark_path
from store.journal import Journal, encode
from store.lock import FileLock
from store.mark import Mark
from store.model import SECOND, Gap, Ns, Ping, new_id

NOW: Ns = 1_700_000_000 * SECOND
SIZES = (1_000, 100_000)
IDLE_ROUNDS = 200
DUE, PINGS = 1_000, 5_000


def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    for size in SIZES:
        with TemporaryDirectory(dir=DISK) as directory:
            figures |= {f"{name}_at_{size}_monitors": ms for name, ms in _measure(Path(directory), size).items()}
    small, large = (figures[f"idle_tick_ms_at_{size}_monitors"] for size in SIZES)
    figures["idle_tick_growth"] = round(large / small, 2)
    return figures


def _measure(folder: Path, size: int) -> dict[str, float]:
    ids = _populate(folder, size)
    control = Control(folder / "control.db")
    FileLock(lock_path(folder, 0))
    journal, mark = Journal(journal_path(folder, 0), 1 << 30), Mark(mark_path(folder, 0))
    settle = Settle(control, Inbox(folder), "http://bench")
    overdue = Overdue(control, lambda: settle.watermark, "http://bench")
    now = NOW

    def tick() -> None:
        while settle.step(now):
            pass
        while overdue.step(now):
            pass

    def settle_all() -> None:
        while settle.step(now):
            pass

    mark.set(now)
    tick()
    figures = {"idle_tick_ms": round(statistics.median(_ms(tick) for _ in range(IDLE_ROUNDS)), 3)}
    # Spread over the whole table, as they are when monitors were not made in the order in which they ping.
    chosen = ids[:: max(1, size // PINGS)][:PINGS]
    stamps = [NOW + n for n in range(PINGS)]
    journal.append([encode(Ping(at, chosen[n % len(chosen)], numbers={"v": 1.0, "w": 2.0})) for n, at in enumerate(stamps)])
    now = NOW + SECOND
    mark.set(now)
    figures[f"settle_{PINGS}_pings_ms"] = round(_ms(tick), 1)
    with control.begin() as connection:
        due = ids[:: max(1, size // DUE)][:DUE]
        connection.execute(update(beats).where(beats.c.monitor_id.in_(due)).values(deadline=now - 1, status="up"))
    figures[f"declare_{DUE}_due_ms"] = round(_ms(tick), 1)
    journal.append([encode(Gap(now + 2, now, far := NOW + 3_600 * SECOND, "restart"))])
    now = far
    mark.set(now)
    figures["gap_over_everybody_ms"] = round(_ms(settle_all), 1)
    return figures


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


def _ms(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1_000


if __name__ == "__main__":
    print(run())
