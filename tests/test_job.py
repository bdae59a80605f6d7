from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lastbeat.job import LARGEST_TAIL, Ended, NotStarted, Relay, Tail, run


@pytest.fixture
def relay() -> Iterator[Relay]:
    with Relay() as one:
        yield one


def ran(relay: Relay, code: str, tail: Tail | None = None) -> Ended:
    return run([sys.executable, "-c", code], relay, tail)


def test_a_tail_keeps_the_last_bytes() -> None:
    tail = Tail()
    for data in (b"one ", b"two ", b"three"):
        tail.add(data)
    assert (tail.last(100), tail.last(8), tail.last(0)) == (b"one two three", b"wo three", b"")


def test_a_tail_is_never_longer_than_its_limit() -> None:
    tail = Tail()
    for number in range(40):
        tail.add(bytes([number]) * 100_000)
    assert len(tail._kept) <= 2 * LARGEST_TAIL + 100_000
    assert (len(tail.last(LARGEST_TAIL * 9)), tail.last(LARGEST_TAIL * 9)[-100_001:-99_999]) == (LARGEST_TAIL, b"\x26\x27")


@pytest.mark.parametrize(("limit", "text"), [(1, ""), (2, ""), (3, "€"), (4, "€"), (6, "€€"), (7, "a€€")])
def test_a_tail_does_not_begin_within_a_character(limit: int, text: str) -> None:
    tail = Tail()
    tail.add("ba€€".encode())
    assert tail.last(limit).decode() == text


def test_bytes_that_are_no_text_are_kept_as_they_are() -> None:
    tail = Tail()
    tail.add(b"\x80" * 20)
    assert tail.last(10) == b"\x80" * 7  # no character has more than three bytes to skip
    assert tail.last(20) == b"\x80" * 20


def test_output_is_passed_on_and_kept(relay: Relay, capfd: pytest.CaptureFixture[str]) -> None:
    tail = Tail()
    ended = ran(relay, "import os; os.write(1, b'out 1\\n'); os.write(2, b'err\\n'); os.write(1, b'out 2\\n')", tail)
    assert ended.status == 0
    assert capfd.readouterr() == ("out 1\nout 2\n", "err\n")
    assert sorted(tail.last(100).splitlines()) == [b"err", b"out 1", b"out 2"]


def test_without_a_tail_the_command_has_our_own_output(relay: Relay, capfd: pytest.CaptureFixture[str]) -> None:
    us = os.fstat(1).st_ino
    assert ran(relay, "import os; print(os.fstat(1).st_ino)").status == 0
    assert capfd.readouterr().out == f"{us}\n"


def test_a_command_that_closes_its_output_is_waited_for(relay: Relay) -> None:
    assert ran(relay, "import os, time; os.close(1); os.close(2); time.sleep(0.2); os._exit(3)", Tail()).status == 3


def test_time_and_memory_are_the_commands(relay: Relay) -> None:
    ended = ran(relay, "import time; kept = b'x' * 200_000_000; time.sleep(0.2)")
    assert 0.2 <= ended.duration_s < 20
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # which the command began with; after thousands of tests that is much
    assert 200_000_000 <= ended.max_memory_bytes < max(ours, 200_000_000) + 100_000_000


def test_a_signals_status_is_what_a_shell_shows(relay: Relay) -> None:
    assert ran(relay, "import os; os.kill(os.getpid(), 9)").status == 137


def test_what_cannot_be_started_has_the_status_of_a_shell(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for command, status, sentence in [
        ("no-such-command", 127, "`no-such-command` cannot be started: no such file or directory."),
        (str(tmp_path / "text"), 126, f"`{tmp_path}/text` cannot be started: permission denied."),
        (str(tmp_path), 126, f"`{tmp_path}` cannot be started: permission denied."),
    ]:
        with pytest.raises(NotStarted) as raised:
            run([command], relay, Tail())
        assert (str(raised.value), raised.value.status) == (sentence, status)


def test_a_descriptor_that_we_were_given_is_the_commands(relay: Relay) -> None:
    mine, its = os.pipe()
    os.set_inheritable(its, True)
    assert ran(relay, f"import os; os.write({its}, b'lock')", Tail()).status == 0
    assert os.read(mine, 10) == b"lock"
    os.close(mine)
    os.close(its)


def test_a_signal_from_before_the_command_reaches_it(relay: Relay) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert ran(relay, "import time; time.sleep(20)").status == 128 + signal.SIGTERM


def test_a_signal_after_the_command_ends_the_pauses(relay: Relay) -> None:
    ran(relay, "")
    assert relay.pause(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    assert not relay.pause(5)


def test_signals_are_afterwards_what_they_were(tmp_path: Path) -> None:
    known = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    numbers = [number for number in known if signal.getsignal(number) != signal.SIG_IGN]  # as under nohup; what is ignored stays so
    before = [signal.getsignal(number) for number in numbers]
    with Relay():
        assert all(signal.getsignal(number) != handler for number, handler in zip(numbers, before, strict=True))
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1
