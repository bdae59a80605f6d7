from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_client import Api, Caller
from flask import Flask
from world import BASE_URL, START

from api.app import register
from api.health import rest
from store.control import rule_set
from store.lag import Lag, Trouble
from store.model import SECOND, Ping


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    one = Api(tmp_path)
    yield one
    one.close()


def test_a_process_that_answers_is_alive(api: Api) -> None:
    assert api.stranger.get("/healthz") == {"status": "ok"}
    assert api.stranger.ask("HEAD", "/healthz").status_code == 200
    api.trouble, api.rules_moved_at = "the disk is full", None
    assert api.stranger.get("/healthz") == {"status": "ok"}


def test_it_is_ready_while_pings_are_stored_and_rules_move(api: Api) -> None:
    assert api.stranger.get("/readyz") == {"status": "ok"}
    api.now = START + 30 * SECOND
    assert api.stranger.get("/readyz") == {"status": "ok"}


def test_it_is_not_ready_when_pings_cannot_be_stored(api: Api) -> None:
    api.trouble = "the disk is full"
    assert api.stranger.get("/readyz", 503) == {"status": "unavailable", "reasons": ["the disk is full"]}


def test_it_is_not_ready_when_the_rule_loop_rests(api: Api) -> None:
    api.now = START + 31 * SECOND
    assert api.stranger.get("/readyz", 503)["reasons"] == ["the rule loop has not moved for 31 s"]
    api.rules_moved_at = None
    assert api.stranger.get("/readyz", 503)["reasons"] == ["the rule loop has not begun"]


def test_rule_files_with_errors_are_noted_without_what_stands_in_them(api: Api) -> None:
    with api.control.begin() as connection:
        rule_set.note_refused(connection, ["a.yml:1:1: secret", "a.yml:2:1: secret"])
    said = "The rule files have 2 errors, which the log names; the rules that were in force before stay in force."
    assert api.stranger.get("/readyz") == {"status": "ok", "notes": [said]}
    with api.control.begin() as connection:
        rule_set.note_refused(connection, [])
    assert api.stranger.get("/readyz") == {"status": "ok"}


def test_all_reasons_are_told_at_once(api: Api) -> None:
    api.trouble, api.rules_moved_at = "the disk is full", None
    assert api.stranger.get("/readyz", 503)["reasons"] == ["the disk is full", "the rule loop has not begun"]


def test_a_time_series_store_that_is_behind_is_no_reason_to_be_unready(api: Api) -> None:
    api.lag = Lag(3, START, Trouble(START, "InfluxDB does not answer", "Connection refused"))
    api.dead_letters = 2
    behind = "InfluxDB does not answer since 2023-11-14T22:13:20.000Z, 3 pings are waiting (Connection refused)."
    refused = "The time-series store refused 2 points for good; they are in dead-letters.jsonl, in the data directory."
    assert api.stranger.get("/readyz") == {"status": "ok", "notes": [behind, refused]}
    api.trouble = "the disk is full"
    assert api.stranger.get("/readyz", 503)["notes"] == [behind, refused]


def test_the_lag_is_counted_in_records_and_seconds(api: Api) -> None:
    assert {"lastbeat_ship_lag_rows 0.0", "lastbeat_ship_lag_seconds 0.0"} <= lines(api)
    api.lag = Lag(3, START - 7 * SECOND)
    assert {"lastbeat_ship_lag_rows 3.0", "lastbeat_ship_lag_seconds 7.0"} <= lines(api)


def test_a_clock_that_was_set_back_is_no_rest() -> None:
    assert rest(START + SECOND, START) is None
    assert rest(START, START + 30 * SECOND) is None
    assert rest(START, START + 30 * SECOND + 1) is not None


def lines(api: Api) -> set[str]:
    reply = api.stranger.ask("GET", "/metrics")
    assert (reply.status_code, reply.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return set(reply.text.splitlines())


def test_monitors_of_all_projects_are_counted_by_status(api: Api) -> None:
    pinged, other = api.me.monitor(), api.project("theirs")
    other.monitor()
    other.monitor()
    api.pings(pinged, Ping(START, pinged["id"]))
    assert {'lastbeat_monitors{status="new"} 2.0', 'lastbeat_monitors{status="up"} 1.0', 'lastbeat_monitors{status="down"} 0.0'} <= lines(
        api
    )
    api.now += 61 * SECOND
    assert {'lastbeat_monitors{status="late"} 1.0', 'lastbeat_monitors{status="up"} 0.0'} <= lines(api)
    api.me.delete(f"/api/monitors/{pinged['id']}")
    assert 'lastbeat_monitors{status="late"} 0.0' in lines(api)


def test_waiting_notifications_are_counted(api: Api) -> None:
    monitor = api.me.monitor(channelIds=[api.me.channel()["id"]])
    assert 'lastbeat_outbox{state="pending"} 0.0' in lines(api)
    api.me.alert(monitor)
    api.pings(monitor, Ping(START, monitor["id"], numbers={"v": 101.0}))
    assert {'lastbeat_outbox{state="pending"} 1.0', 'lastbeat_outbox{state="dead"} 0.0'} <= lines(api)


def test_the_counters_of_this_process_are_there(api: Api) -> None:
    assert [line for line in lines(api) if line.startswith("process_resident_memory_bytes ")]


def test_the_counters_of_all_processes_are_added_up(api: Api, tmp_path: Path) -> None:
    count = "from prometheus_client import Counter; Counter('worked', 'Test.').inc()"
    metrics_dir = tmp_path / "metrics"
    metrics_dir.mkdir()
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir)}, check=True)
    app = Flask("of_several_processes", static_folder=None)
    register(
        app,
        api.control,
        api.points,
        base_url=BASE_URL,
        clock=lambda: START,
        trouble=lambda: None,
        rules_moved_at=lambda: START,
        metrics_dir=str(metrics_dir),
    )
    text = Caller(app, None).ask("GET", "/metrics").text.splitlines()
    assert "worked_total 2.0" in text
    assert not [line for line in text if line.startswith("process_")], "nothing of the one process that happens to answer"
    assert 'lastbeat_monitors{status="new"} 0.0' in text


def test_nothing_there_names_a_monitor(api: Api) -> None:
    api.me.monitor(name="very-secret")
    assert "very-secret" not in "".join(lines(api))
