from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from receiver import TOKEN, Receiver, Told

from lastbeat.cli import main

# What a shell, a cron or a supervisor does before it starts us: {} is a line of Python.
LAUNCHER = """\
import os, signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
{}
os.execv(sys.executable, [sys.executable, "-m", "lastbeat", *sys.argv[1:]])
"""
# Leaves with status 9 when the signal comes that it sends to its parent, which is us.
ECHO = 'trap "echo caught; exit 9" {0}; kill -{0} $PPID; for _ in $(seq 300); do sleep 0.05; done'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@contextmanager
def launched(*arguments: str, before: str = "", **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", LAUNCHER.format(before), *arguments]
    with subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}) as process:
        try:
            yield process
        finally:
            process.kill()  # or a test that fails would wait for it


def executed(url: str, *arguments: str, before: str = "", given: bytes = b"") -> tuple[int, str, str]:
    """`lastbeat exec` to its end: exit status, stdout and stderr."""
    with launched("exec", "--ping-url", url, *arguments, before=before, stdin=subprocess.PIPE) as process:
        out, err = process.communicate(given, timeout=30)
    return process.returncode, out.decode(), err.decode()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 15
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.server
def test_a_run_is_reported_from_its_start_to_its_end(receiver: Receiver) -> None:
    code = "import sys; print(sys.stdin.read().upper()); print('beware', file=sys.stderr); sys.exit(3)"
    assert executed(receiver.url, "--", sys.executable, "-c", code, given=b"rows") == (3, "ROWS\n", "beware\n")
    begun, ended = receiver.pings
    assert (begun.path, begun.body, begun.metrics) == ("/start", b"", {})
    assert (ended.path, sorted(ended.body.split())) == ("/3", [b"ROWS", b"beware"])
    assert begun.query == ended.query and len(begun.query["rid"]) == 36
    assert 0 < ended.metrics["duration_s"] < 20
    assert 1_000_000 < ended.metrics["max_memory_bytes"] < 1_000_000_000


@pytest.mark.server
def test_two_dashes_are_not_needed_and_the_url_keeps_its_query(receiver: Receiver) -> None:
    assert executed(f"{receiver.url}/?create=1", "sh", "-c", "kill -9 $$")[0] == 137
    assert [(ping.path, ping.query["create"]) for ping in receiver.pings] == [("/start", "1"), ("/137", "1")]


@pytest.mark.server
def test_a_long_output_passes_whole_and_its_end_is_sent(receiver: Receiver) -> None:
    receiver.told = [Told(headers={"Ping-Body-Limit": "50"})]
    numbers = "".join(f"{number}\n" for number in range(200_000))
    assert executed(receiver.url, "--", sys.executable, "-c", "for n in range(200_000): print(n)") == (0, numbers, "")
    assert receiver.pings[1].body == numbers[-50:].encode()


@pytest.mark.server
def test_without_start_and_output_the_end_alone_is_reported(receiver: Receiver) -> None:
    assert executed(receiver.url, "--no-start", "--no-output", "--", "echo", "secret") == (0, "secret\n", "")
    assert [(ping.path, ping.body) for ping in receiver.pings] == [("/0", b"")]


@pytest.mark.server
def test_a_command_that_cannot_be_started_is_a_failure_with_a_sentence(receiver: Receiver) -> None:
    sentence = "`no-such-command` cannot be started: no such file or directory."
    assert executed(receiver.url, "--", "no-such-command") == (127, "", f"lastbeat exec: {sentence}\n")
    assert (receiver.paths, receiver.pings[1].body.decode()) == (["/start", "/fail"], sentence)
    assert executed(receiver.url, "--no-output", "--", "/")[0] == 126


@pytest.mark.server
def test_without_a_server_the_command_runs_all_the_same(receiver: Receiver) -> None:
    receiver.close()
    said = f"lastbeat exec: the ping was not delivered: {receiver.base} cannot be reached: connection refused.\n"
    assert executed(receiver.url, "--retries", "0", "--", "sh", "-c", "echo out; exit 4") == (4, "out\n", said)
    assert executed(receiver.url, "--retries", "0", "--quiet", "--", "sh", "-c", "echo out; exit 4") == (4, "out\n", "")


@pytest.mark.server
def test_a_server_that_was_in_trouble_gets_the_end_again(receiver: Receiver) -> None:
    receiver.told = [Told(), Told(503, {}, b"")]
    assert executed(receiver.url, "--", "echo", "out") == (0, "out\n", "")
    assert [(ping.path, ping.body) for ping in receiver.pings] == [("/start", b""), ("/0", b"out\n"), ("/0", b"out\n")]


@pytest.mark.server
def test_what_the_server_refused_of_a_ping_is_said(receiver: Receiver) -> None:
    receiver.told = [Told(400, {}, b'{"error": "the monitor has 100 keys", "ping": "recorded", "metrics": "refused"}')]
    said = "lastbeat exec: the ping was recorded, but not all of it: the monitor has 100 keys.\n"
    assert executed(receiver.url, "--no-start", "--", "true") == (0, "", said)


@pytest.mark.server
def test_a_slow_server_delays_no_command_and_gets_the_end_after_the_start(receiver: Receiver) -> None:
    hold = threading.Event()
    receiver.told = [Told(after=hold)]
    with launched("exec", "--ping-url", receiver.url, "--timeout", "15", "--", "echo", "out") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"out\n"
        until(lambda: receiver.paths == ["/start"])
        time.sleep(0.3)
        assert (receiver.paths, process.poll()) == (["/start"], None)
        hold.set()
        assert process.wait(15) == 0
    assert receiver.paths == ["/start", "/0"]


@pytest.mark.server
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1"])
def test_a_signal_is_passed_on_and_the_end_is_reported(receiver: Receiver, name: str) -> None:
    assert executed(receiver.url, "--", "sh", "-c", ECHO.format(name), before="os.setsid()") == (9, "caught\n", "")
    assert (receiver.paths, receiver.pings[1].body) == (["/start", "/9"], b"caught\n")


@pytest.mark.server
def test_ctrl_c_comes_to_the_command_once(receiver: Receiver) -> None:
    ours, its = os.openpty()
    count = """\
import signal, sys, time
came = []
signal.signal(signal.SIGINT, lambda *_: came.append(1))
print("ready", flush=True)
while not came: time.sleep(0.01)
time.sleep(0.5)
sys.exit(len(came))
"""
    before = "import fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    arguments = ["exec", "--ping-url", receiver.url, "--", sys.executable, "-c", count]
    with launched(*arguments, before=before, stdin=its) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.write(ours, b"\x03")
        assert process.wait(15) == 1
    assert receiver.paths == ["/start", "/1"]
    os.close(ours)
    os.close(its)


@pytest.mark.server
def test_what_nohup_ignores_stays_ignored(receiver: Receiver) -> None:
    before = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert executed(receiver.url, "--", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; exit 5", before=before)[0] == 5


@pytest.mark.server
def test_a_parent_that_ignores_its_children_hides_no_exit_status(receiver: Receiver) -> None:
    before = "signal.signal(signal.SIGCHLD, signal.SIG_IGN); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})"
    assert executed(receiver.url, "--no-output", "--", "sh", "-c", "sleep 0.2; exit 6", before=before)[0] == 6


@pytest.mark.server
def test_a_signal_while_the_end_is_reported_makes_this_try_the_last(receiver: Receiver) -> None:
    receiver.told = [Told(503, {"Retry-After": "25"}, b"")] * 2
    with launched("exec", "--ping-url", receiver.url, "--no-start", "--", "sh", "-c", "exit 7") as process:
        until(lambda: receiver.paths == ["/7"])
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, receiver.paths) == (7, ["/7"])
    assert err.decode() == f"lastbeat exec: the ping was not delivered: {receiver.base} answered 503: service unavailable.\n"


@pytest.mark.server
def test_a_daemon_that_holds_the_output_is_not_waited_for(receiver: Receiver) -> None:
    began = time.monotonic()
    status, out, _ = executed(receiver.url, "--", "sh", "-c", "sleep 60 & echo $!; exit 3")
    os.kill(int(out), signal.SIGKILL)
    assert (status, receiver.pings[1].body.decode()) == (3, out)
    assert time.monotonic() - began < 15


@pytest.mark.server
def test_a_daemon_that_never_stops_talking_is_not_waited_for(receiver: Receiver) -> None:
    end = time.monotonic() + 10
    with launched("exec", "--ping-url", receiver.url, "--", "sh", "-c", "yes & exit 3") as process:
        assert process.stdout is not None
        while process.stdout.read(1 << 16):
            assert time.monotonic() < end
            time.sleep(0.01)  # so slow a reader that the daemon always has more
        assert process.wait(15) == 3
    assert receiver.pings[1].body == b"y\n" * 5_000


@pytest.mark.server
def test_a_pipe_that_does_not_block_loses_no_output(receiver: Receiver) -> None:
    mine, its = os.pipe()
    os.set_blocking(its, False)
    with launched("exec", "--ping-url", receiver.url, "--", sys.executable, "-c", "print('x' * 1_000_000)", stdout=its) as process:
        os.close(its)
        until(lambda: receiver.paths)  # the pipe is full by then, or soon
        with open(mine, "rb") as out:  # noqa: PTH123  # a descriptor has no path
            assert len(out.read()) == 1_000_001
        assert process.wait(15) == 0


@pytest.mark.server
def test_output_that_nobody_reads_ends_the_command_as_it_would_without_us(receiver: Receiver) -> None:
    with launched("exec", "--ping-url", receiver.url, "--", "yes") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.wait(15) == 128 + signal.SIGPIPE
    assert receiver.paths == ["/start", "/141"]


def pinged(*arguments: str, given: bytes | None = None, **environ: str) -> Result:
    return CliRunner().invoke(main, ["ping", *arguments], input=given, env=environ)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ([], ""),
        (["--start"], "/start"),
        (["--fail"], "/fail"),
        (["--log"], "/log"),
        (["--exit-status", "0"], "/0"),
        (["--exit-status", "255"], "/255"),
    ],
)
def test_a_ping_says_what_it_is_asked_to(receiver: Receiver, arguments: list[str], path: str) -> None:
    result = pinged(receiver.url, *arguments)
    assert (result.exit_code, result.output, receiver.paths) == (0, "", [path])


def test_a_ping_carries_run_metrics_and_text(receiver: Receiver) -> None:
    rid = "6c8d3a4e-6f0b-4c2f-9d3e-0a1b2c3d4e5f"
    metrics = ["--metric", "rows=1204", "--metric", "a=b=-.5e-1"]
    result = pinged("--rid", rid.upper(), *metrics, "--message", "töxt", "--verbose", LASTBEAT_PING_URL=receiver.url)
    assert (result.exit_code, result.output) == (0, f"{receiver.base} has recorded the ping.\n")
    (ping,) = receiver.pings
    assert (ping.query, ping.metrics, ping.body.decode()) == ({"rid": rid}, {"rows": 1204, "a=b": -0.05}, "töxt")


def test_of_a_file_or_of_standard_input_the_end_is_sent(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 100_000 + b"the end")
    assert pinged(receiver.url, "--log", "--file", str(tmp_path / "log")).exit_code == 0
    assert pinged(receiver.url, "--log", "--file", "-", given=b"from a pipe").exit_code == 0
    assert pinged(receiver.url, "--log", "--message", "m" * 10_001).exit_code == 0
    first, second, third = (ping.body for ping in receiver.pings)
    assert (len(first), first[-8:], second, len(third)) == (10_000, b"xthe end", b"from a pipe", 10_000)


def test_the_ping_url_can_be_in_a_file(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{receiver.url}\n")
    assert pinged(LASTBEAT_PING_URL_FILE=str(tmp_path / "url")).exit_code == 0
    assert receiver.paths == [""]
    missing = pinged(LASTBEAT_PING_URL_FILE="/not/there")
    assert (missing.exit_code, "names /not/there, which cannot be read: No such file" in missing.output) == (2, True)


def test_a_ping_that_was_not_recorded_is_a_sentence(receiver: Receiver) -> None:
    receiver.told = [Told(404, {}, b"not found")]
    result = pinged(receiver.url)
    said = f"Error: The ping was not recorded: {receiver.base} answered 404: it knows no such monitor; check the ping URL.\n"
    assert (result.exit_code, result.output) == (1, said)


def test_a_ping_that_was_recorded_in_part_says_so(receiver: Receiver) -> None:
    receiver.told = [Told(400, {}, b'{"error": "the key is too long", "ping": "recorded", "metrics": "refused"}')]
    result = pinged(receiver.url)
    assert (result.exit_code, result.stderr) == (0, "The ping was recorded, but not all of it: the key is too long.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--start", "--fail"], "A ping is one of --start, --fail, --log and --exit-status"),
        (["--log", "--exit-status", "0"], "A ping is one of --start, --fail, --log and --exit-status"),
        (["--message", "m", "--file", "-"], "leave one of them out"),
        (["--exit-status", "256"], "256 is not in the range"),
        (["--rid", "17"], "'17' is not a valid UUID"),
        *(
            (["--metric", metric], "is no metric; give a name and a number")
            for metric in ("rows", "=1", "a=", "a=nan", "a=1e999", "a=1_0", "a=0x1", "a= 1")
        ),
    ],
)
def test_wrong_usage_of_ping_is_a_sentence_and_sends_nothing(receiver: Receiver, arguments: list[str], sentence: str) -> None:
    result = pinged(receiver.url, *arguments)
    assert (result.exit_code, sentence in result.output, receiver.pings) == (2, True, [])


@pytest.mark.parametrize("command", [["ping"], ["exec", "true"]])
def test_a_ping_url_that_is_missing_or_none_is_a_sentence_without_it(command: list[str]) -> None:
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, "Which monitor? Give its ping URL, or set LASTBEAT_PING_URL" in result.output) == (2, True)
    result = CliRunner().invoke(main, command, env={"LASTBEAT_PING_URL": f"lastbeat.example.org/{TOKEN}"})
    assert (result.exit_code, "The ping URL cannot be used" in result.output, TOKEN in result.output) == (2, True, False)
