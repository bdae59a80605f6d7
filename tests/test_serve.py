from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from serving import API_KEY, Server

from config.settings import load
from lastbeat.places import Places
from lastbeat.serve import Child, Family
from store.inbox import mark_path
from store.mark import Mark, read_mark, read_reading
from store.model import SECOND

pytestmark = pytest.mark.server

Make = Callable[..., Server]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Server] = []

    def server(*args: str, **environ: str) -> Server:
        made.append(Server(tmp_path / "data", *args, **environ))
        return made[-1]

    yield server
    for one in made:
        one.end()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_and_leaves_no_process(make: Make, sig: int) -> None:
    server = make("--workers", "2").start()
    children = server.children()
    assert len(children) == 3
    assert server.stop(sig) == 0
    assert not [child for child in children if child.is_running()]


def test_killing_the_parent_leaves_no_orphan(make: Make) -> None:
    server = make().start()
    children = server.children()
    server.process.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == 2
    assert not alive


def test_only_workers_hold_the_port(make: Make) -> None:
    # An engine that outlives its parent, busy with a receiver that hangs, must not keep the next start from it.
    server = make("--workers", "2").start()
    holders = [child for child in server.children() for found in child.net_connections("inet") if found.status == psutil.CONN_LISTEN]
    assert sorted(child.pid for child in holders) == sorted(child.pid for child in server.children("worker"))


@pytest.mark.parametrize("role", ["engine", "worker"])
def test_a_dead_child_is_started_again_and_nothing_is_lost(make: Make, role: str) -> None:
    server = make().start()
    job = server.monitor()
    assert server.ping(job, {"n": 1}).status == 200
    victim = server.child(role)
    victim.kill()
    server.until(lambda: [child for child in server.children(role) if child.pid != victim.pid])
    server.until(lambda: server.ping(job, {"n": 2}).status == 200)
    server.until(lambda: server.status(job) == "up")
    server.until(lambda: len(server.api("GET", f"/api/monitors/{job['id']}/pings")) >= 2)


def test_a_child_that_dies_before_it_has_its_settings_does_not_take_the_parent_along(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        family = Family(load({}, {"LASTBEAT_DATA_DIR": str(tmp_path)}), dict(os.environ), listener)
        child = Child("a child", ["of an unknown role"])
        family.children = [child]
        family.start([child])
        assert child.process is not None
        child.process.wait(30)
        family.brief([child])
        family.keep()
        assert child.falls == 1
        family.stop([child])


def test_two_workers_share_the_port_and_know_the_same_monitors(make: Make) -> None:
    server = make("--workers", "2").start()
    job = server.monitor(interval=3_600)
    assert {server.ping(job, {"n": n}).status for n in range(40)} == {200}
    pings = server.until(lambda: (p := server.api("GET", f"/api/monitors/{job['id']}/pings")) and len(p) == 40 and p)
    assert [p["metrics"]["n"] for p in reversed(pings)] == list(range(40))


def test_a_second_server_on_the_same_data_is_refused_with_a_sentence(make: Make) -> None:
    server = make().start()
    refused = server.run_again()
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: another Lastbeat (process {server.process.pid}) serves {server.data}; stop it, or give --data-dir.\n"
    )


def test_a_port_that_is_taken_is_named(make: Make, tmp_path: Path) -> None:
    server = make().start()
    command = [sys.executable, "-m", "lastbeat", "serve", "--port", str(server.port), "--data-dir", str(tmp_path / "other")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 1
    assert not Places(tmp_path / "other").counters.exists()
    assert f"cannot listen on 127.0.0.1 port {server.port}: Address already in use" in refused.stderr


def test_a_control_store_that_is_damaged_is_named_and_not_touched(make: Make) -> None:
    server = make()
    server.data.mkdir()
    damaged = b"this is no database at all" * 400
    (server.data / "control.db").write_bytes(damaged)
    refused = server.run_again()
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: {server.data}/control.db cannot be used: file is not a database; restore a backup of it, or move it away to start over.\n"
    )
    assert (server.data / "control.db").read_bytes() == damaged


def test_wrong_usage_is_a_sentence_and_status_2(make: Make) -> None:
    refused = make("--rules-interval", "soon").run_again()
    assert refused.returncode == 2
    assert "--rules-interval: 'soon' is not accepted" in refused.stderr


def test_the_first_start_shows_secrets_once_and_keeps_only_hashes(make: Make) -> None:
    server = make(LASTBEAT_API_KEY="", LASTBEAT_ADMIN_PASSWORD="").start()
    shown = server.log.read_text()
    key, password = re.search(r"API key +(lb_\S+)", shown), re.search(r"password +(\S+)", shown)
    assert key
    assert password
    assert server.base in shown
    assert server.get("/api/monitors", **{"x-api-key": key[1]}).status == 200
    assert server.data.stat().st_mode & 0o777 == 0o700
    assert server.stop() == 0
    stored = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert key[1].encode() not in stored
    assert password[1].encode() not in stored
    server.log.write_text("")
    server.start()
    assert "lb_" not in server.log.read_text()
    assert server.get("/api/monitors", **{"x-api-key": key[1]}).status == 200


def test_a_changed_admin_password_is_taken_at_the_next_start(make: Make, tmp_path: Path) -> None:
    from werkzeug.security import check_password_hash

    from store.control import Control, settings

    for password in ("first password", "second password"):
        server = make(LASTBEAT_ADMIN_PASSWORD=password).start()
        server.stop()
        control = Control(server.data / "control.db")
        with control.read() as connection:
            stored = settings.get(connection, settings.ADMIN_PASSWORD_HASH)
        control.close()
        assert stored
        assert check_password_hash(stored, password)


def test_a_full_journal_is_503_and_makes_nobody_look_down(make: Make) -> None:
    server = make(LASTBEAT_JOURNAL_MAX_BYTES="128KiB").start()
    job, log = server.monitor(interval=2, gracePeriod=1), server.monitor(interval=3_600)
    assert server.ping(job).status == 200
    server.until(lambda: server.status(job) == "up")
    engine = server.child("engine")
    engine.suspend()
    refused = server.until(lambda: (r := server.ping(log, b"x" * 9_000)).status == 503 and r)
    assert "131072 bytes" in refused.json["error"]
    assert refused.headers["Retry-After"]
    ready = server.get("/readyz")
    assert ready.status == 503
    assert "131072" in ready.body.decode()
    time.sleep(4)  # its job cannot ping now, and is not to blame
    engine.resume()
    server.until(lambda: server.get("/readyz").status == 200)
    server.until(lambda: server.ping(job).status == 200)
    server.until(lambda: server.status(job) == "up")
    history = server.api("GET", f"/api/monitors/{job['id']}/pings")
    assert len(history) <= 2
    from store.control import Control
    from store.control.history import of_monitor

    control = Control(server.data / "control.db")
    with control.read() as connection:
        moves = [t.to_status for t in of_monitor(connection, job["id"], 0, 2**62)]
    control.close()
    assert moves == ["up"]


def test_a_damaged_history_stops_neither_pings_nor_alarms(make: Make) -> None:
    server = make()
    server.data.mkdir()
    history = server.data / "points.db"
    history.write_bytes(b"surely no database " * 100)
    server.start()
    job, other = server.monitor(interval=1, gracePeriod=1), server.monitor(interval=3_600)
    children = server.children()
    assert server.ping(job).status == server.ping(other, {"n": 1}).status == 200
    server.until(lambda: server.status(job) == "down")
    reply = server.until(lambda: (r := server.get(f"/api/monitors/{other['id']}/pings", **{"x-api-key": API_KEY})).status == 503 and r)
    sentence = f"The points store {history} cannot be used since "
    assert reply.json["error"].startswith(sentence)
    assert "file is not a database; mend the file, or move it away" in reply.json["error"]
    assert sentence in server.get("/readyz").json["notes"][0]
    assert server.children() == children
    history.unlink()
    pings = server.until(lambda: (r := server.get(f"/api/monitors/{other['id']}/pings", **{"x-api-key": API_KEY})).status == 200 and r.json)
    assert [ping["metrics"] for ping in pings] == [{"n": 1.0}]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    data = tmp_path / "data"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(data)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a disk that can be filled is mounted by root only: {mounted.stderr.strip()}")
    yield data
    subprocess.run(["umount", "--lazy", str(data)], check=True)


def test_on_a_full_disk_pings_are_503_and_no_process_dies(small_disk: Path, make: Make) -> None:
    server = make().start()
    job = server.monitor()
    assert server.ping(job).status == 200
    filler = (small_disk / "filler").open("wb", buffering=0)
    with pytest.raises(OSError, match="No space left"):
        while True:
            filler.write(b"x" * 4_096)
    server.until(lambda: server.ping(job).status == 503)
    for role in ("engine", "worker"):  # a process that begins counts many things for the first time
        server.child(role).kill()
    server.until(lambda: server.ping(job).status == 503)
    children = server.until(lambda: (found := server.children()) and len(found) == 2 and found)
    time.sleep(2)
    assert [child for child in children if child.is_running()] == children
    assert "SIGBUS" not in server.log.read_text()
    filler.truncate(0)
    filler.close()
    server.until(lambda: server.ping(job).status == 200)
    server.until(lambda: server.get("/readyz").status == 200)
    assert server.get("/metrics").status == 200


def test_acknowledged_pings_survive_kill_9_of_everything(make: Make) -> None:
    server = make().start()
    job = server.monitor(interval=3_600)
    acknowledged = [n for n in range(200) if server.ping(job, {"n": n}).status == 200]
    server.kill()
    server.start()
    path = f"/api/monitors/{job['id']}/pings?limit=1000"
    pings = server.until(lambda: (p := server.api("GET", path)) and len(p) >= 200 and p)
    assert sorted(p["metrics"]["n"] for p in pings) == acknowledged == list(range(200))


def test_runs_keep_their_durations_through_kill_9(make: Make) -> None:
    server = make("--workers", "2").start()
    jobs = [server.monitor(interval=3_600, gracePeriod=600) for _ in range(4)]
    acknowledged: dict[str, list[bool]] = {}
    stop = threading.Event()

    def work(path: str) -> None:
        while not stop.is_set():
            rid = str(uuid4())
            acknowledged[rid] = [server.get(f"{path}{word}?rid={rid}").status == 200 for word in ("/start", "")]

    threads = [threading.Thread(target=work, args=("/ping/" + job["pingUrl"].rsplit("/", 1)[1],)) for job in jobs]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(1)
        server.kill()
        server.start()
    stop.set()
    for thread in threads:
        thread.join()
    expected = {
        (rid, kind) for rid, answers in acknowledged.items() for kind, known in zip(("start", "success"), answers, strict=True) if known
    }
    pings = server.until(lambda: (found := _pings(server, jobs)) and {(p["rid"], p["kind"]) for p in found} >= expected and found)
    assert len(expected) > 20
    assert len({(ping["rid"], ping["kind"]) for ping in pings}) == len(pings), "none is there twice"
    timed = {ping["rid"] for ping in pings if ping["duration"] is not None}
    assert timed >= {rid for rid, answers in acknowledged.items() if all(answers)}
    assert all(ping["metrics"]["duration_s"] == ping["duration"] for ping in pings if ping["duration"] is not None)


def _pings(server: Server, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All pings of the monitors, however many."""
    found: list[dict[str, Any]] = []
    for job in jobs:
        path = f"/api/monitors/{job['id']}/pings?limit=1000"
        while page := server.api("GET", path):
            found += page
            path = f"/api/monitors/{job['id']}/pings?limit=1000&before={page[-1]['at']}"
    return found


def _shifted(path: Path, seconds: float, *, lead: float) -> None:
    """As if the mark had been set on another time, by that many seconds; and by the clock on the wall at the same time if it was ahead."""
    mark, reading = read_mark(path), read_reading(path)
    assert mark is not None
    assert reading is not None
    reading = reading._replace(at=reading.at + round(seconds * SECOND), lead=reading.lead + round(lead * SECOND))
    changed = Mark(path)
    changed.set(mark + round(seconds * SECOND), reading)
    changed.close()


def test_a_restart_while_our_clock_is_ahead_leaves_a_gap_of_the_time_in_between(make: Make) -> None:
    server = make().start()
    monitor = server.monitor(interval=3_600)
    server.ping(monitor)
    server.until(lambda: server.status(monitor) == "up")
    server.stop()
    stopped = time.time_ns()
    _shifted(mark_path(Places(server.data).journals, 0), 600, lead=600)  # as if the clock had been put back by ten minutes before
    time.sleep(2)
    server.start()
    with sqlite3.connect(server.data / "control.db") as connection:
        gaps = server.until(lambda: connection.execute('SELECT start, "end" FROM gaps').fetchall())
    ((start, end),) = gaps
    assert end - start > 1.9 * SECOND, "it was away for so long, whatever its clock shows"
    assert end > stopped + 601 * SECOND


def test_a_clock_that_is_put_forward_while_nobody_runs_takes_nothing_from_an_interval(make: Make) -> None:
    server = make("--workers", "2").start()
    monitor = server.monitor(interval=86_400)
    server.ping(monitor)
    expected = server.until(lambda: server.api("GET", f"/api/monitors/{monitor['id']}")["nextExpectedAt"])
    server.kill()
    for slot in (0, 1):  # as if the clock had been put forward by half an hour since
        _shifted(mark_path(Places(server.data).journals, slot), -1_800, lead=0)
    server.start()
    with sqlite3.connect(server.data / "control.db") as connection:
        by = "SELECT reason, \"end\" - start FROM gaps WHERE reason = 'clock'"
        gaps = server.until(lambda: connection.execute(by).fetchall())
    assert all(1_799 * SECOND < length < 1_801 * SECOND for _, length in gaps)
    later = server.until(lambda: (now := server.api("GET", f"/api/monitors/{monitor['id']}"))["nextExpectedAt"] != expected and now)
    assert later["status"] == "up"
    put_off = datetime.fromisoformat(later["nextExpectedAt"]) - datetime.fromisoformat(expected)
    assert put_off.total_seconds() == pytest.approx(1_800, abs=1)
