"""One run of a command: its output passed on and its end kept, signals passed on to it, its exit status and what it used."""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, NamedTuple

LARGEST_TAIL: Final = 1 << 20  # bytes
LARGEST_PIPE: Final = 1 << 20  # bytes: more than this was not in a pipe when the command ended
DRAIN_SECONDS: Final = 1.0
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126

_CHUNK: Final = 1 << 16
_KEYBOARD: Final = (signal.SIGINT, signal.SIGQUIT)
_PASSED_ON: Final = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, *_KEYBOARD)


class Tail:
    """The last bytes of what was added, up to `LARGEST_TAIL`."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        self._kept += data
        if len(self._kept) > 2 * LARGEST_TAIL:  # not at every byte beyond, or each addition would move a MiB
            del self._kept[:-LARGEST_TAIL]

    def last(self, limit: int) -> bytes:
        """The last bytes, `limit` at most, without the rest of a UTF-8 character that the cut went through."""
        begin = max(0, len(self._kept) - min(limit, LARGEST_TAIL))
        if begin:
            for _ in range(3):
                begin += begin < len(self._kept) and self._kept[begin] & 0xC0 == 0x80
        return bytes(self._kept[begin:])


class Ended(NamedTuple):
    """How a command ended. `status` is as a shell shows it: 128 + n where signal n ended it.

    `max_memory_bytes` is the most that one of its processes had in memory. Linux counts what a process was before it became the command,
    so it is never less than what this program has, some 28 MB.
    """

    status: int
    duration_s: float
    max_memory_bytes: int


class NotStarted(Exception):
    """A command that cannot be run: why, in a sentence, and the exit status that a shell would give."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def in_foreground() -> bool:
    """Whether the terminal counts us to its foreground group, every process of which gets the signals of its keyboard."""
    with suppress(OSError), Path("/dev/tty").open("rb", buffering=0) as terminal:
        return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    return False


class Relay:
    """Passes signals on to a command instead of dying of them, and wakes whoever waits in `run` or `pause`. For the main thread."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._early: list[int] = []
        self._ended = False
        self._hurried = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Relay:
        self.awake, self._waker = os.pipe()
        os.set_blocking(self.awake, False)
        os.set_blocking(self._waker, False)
        self._waker_before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in _PASSED_ON:
            # What is ignored stays so, for the command as well: that is how nohup works.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._pass_on)
        # A parent that ignored or blocked this one would have us wait for ever.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._waker_before)
        os.close(self.awake)
        os.close(self._waker)

    def begin(self, pid: int) -> None:
        """From now on to this process, which is our child and not yet reaped; it also gets what came before there was one."""
        self._pid = pid
        for number in self._early:
            with suppress(OSError):
                os.kill(pid, number)

    def end(self) -> None:
        """There is no process any more; a signal from now on means that we should be gone, too."""
        self._ended = True

    def pause(self, seconds: float) -> bool:
        """Wait, until a signal asks us to end; whether there was none."""
        end = time.monotonic() + seconds
        while not self._hurried and (left := end - time.monotonic()) > 0:
            if select.select([self.awake], [], [], left)[0]:
                self.calm()
        return not self._hurried

    def calm(self) -> None:
        """Forget what woke us: the signals themselves have been seen to."""
        with suppress(BlockingIOError):
            os.read(self.awake, _CHUNK)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._ended:
            self._hurried = True
        elif self._pid is None:
            self._early.append(number)
        else:
            with suppress(OSError):  # it may have another owner by now, as sudo has, or have gone this moment
                # Many programs take a second Ctrl-C for "now, and uncleanly". What `kill -INT` sends to us alone looks the same.
                if not (number in _KEYBOARD and in_foreground() and os.getpgid(self._pid) == os.getpgrp()):
                    os.kill(self._pid, number)


def run(command: Sequence[str], relay: Relay, tail: Tail | None) -> Ended:
    """Run the command to its end. With a `tail` its output goes through us; without, it keeps our own stdout and stderr.

    NotStarted where there is nothing to run.
    """
    pipe = None if tail is None else subprocess.PIPE
    began = time.monotonic()
    try:
        # Descriptors that we were given are meant for the command: a lock of flock's, a socket of systemd's. Ours are not inherited.
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, bufsize=0, close_fds=False)
    except OSError as error:
        relay.end()
        raise _not_started(command[0], error) from None
    relay.begin(process.pid)
    output = _Output(process, relay, tail or Tail())
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        output.step(None)
    relay.end()
    duration = time.monotonic() - began
    code = process.returncode = os.waitstatus_to_exitcode(status)
    output.drain()
    return Ended(code if code >= 0 else 128 - code, duration, _bytes(usage.ru_maxrss))


def _not_started(name: str, error: OSError) -> NotStarted:
    status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return NotStarted(f"`{name}` cannot be started: {(error.strerror or str(error)).lower()}.", status)


def _bytes(max_rss: int) -> int:
    return max_rss if sys.platform == "darwin" else max_rss * 1024


class _Output:
    """What the command writes: passed on at once, and kept in the tail."""

    def __init__(self, process: subprocess.Popen[bytes], relay: Relay, tail: Tail) -> None:
        self._relay = relay
        self._tail = tail
        self._sources: dict[IO[bytes], int] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(relay.awake, selectors.EVENT_READ)
        for source, target in ((process.stdout, 1), (process.stderr, 2)):
            if source is not None:
                self._sources[source] = target
                self._selector.register(source, selectors.EVENT_READ, source)

    def step(self, seconds: float | None) -> int:
        """Pass on what is there; where nothing is, wait for some, for a signal, or so long. How many bytes there were."""
        passed = 0
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._relay.calm()
            else:
                passed += self._pass_on(key.data)
        return passed

    def drain(self) -> None:
        """Pass on what the command left in the pipes. A daemon that it left behind keeps them open: that is waited for, but not long."""
        end, passed, late = time.monotonic() + DRAIN_SECONDS, 0, False
        while self._sources and not (late and passed > LARGEST_PIPE):
            left = end - time.monotonic()
            late = left <= 0
            came = self.step(max(left, 0))
            if late and not came:
                break
            passed += came
        for source in list(self._sources):
            self._close(source)
        self._selector.close()

    def _pass_on(self, source: IO[bytes]) -> int:
        data = os.read(source.fileno(), _CHUNK)
        self._tail.add(data)
        # Nobody reads on: the command learns it as it would without us, by the signal or error of its next write.
        if not data or not _written(self._sources[source], data):
            self._close(source)
        return len(data)

    def _close(self, source: IO[bytes]) -> None:
        self._selector.unregister(source)
        del self._sources[source]
        source.close()


def _written(target: int, data: bytes) -> bool:
    """Write all of it, however long the reader takes; False where that is impossible."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:  # somebody else made the shared terminal or pipe non-blocking
            select.select([], [target], [])
        except OSError:
            return False
    return True
