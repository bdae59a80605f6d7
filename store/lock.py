"""One process at a time: a lock file that the kernel lets go of when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class Locked(Exception):
    """Somebody else holds the lock; `holder` is what they wrote into it (their process id)."""

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is held by process {holder or 'unknown'}")
        self.holder = holder


def held(path: Path) -> bool:
    """Whether some process holds the lock file at `path`."""
    try:
        probe = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(probe)
    return False


class FileLock:
    """Held from construction until `close` or the death of this process."""

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        """Raises `Locked` when somebody else holds it for longer than `patience` seconds."""
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + patience
        while not self._taken():
            if time.monotonic() >= end:
                holder = os.read(self._fd, 32).decode(errors="replace").strip()
                os.close(self._fd)
                raise Locked(path, holder)
            time.sleep(0.05)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._fd)
