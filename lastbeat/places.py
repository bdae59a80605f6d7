"""Where everything lies within the data directory."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from store.inbox import journal_path

_MEMORY = Path("/dev/shm")  # noqa: S108  # what is made there is checked to be ours


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one installation. `make` creates the directories, closed to other users."""

    root: Path

    def make(self) -> None:
        for directory in (self.root, self.journals):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def make_counters(self) -> None:
        """The directory `counters`, made by who serves, before its children. A login session that ends may take it away meanwhile."""
        with suppress(OSError):  # not there, or not ours to write
            self._shared.mkdir(mode=0o700, exist_ok=True)
        self.counters.mkdir(mode=0o700, exist_ok=True)

    @property
    def journals(self) -> Path:
        return self.root / "journal"

    @property
    def counters(self) -> Path:
        """Files in which the processes share what `/metrics` counts; emptied at each start.

        In memory, since prometheus_client maps them: a full disk would kill every process that counts something for the first time.
        """
        return self._shared if _is_ours(self._shared) else self.root / "counters"

    @property
    def _shared(self) -> Path:
        return _MEMORY / f"lastbeat-{os.getuid()}-{sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]}"

    @property
    def points(self) -> Path:
        return self.root / "points.db"

    @property
    def gate(self) -> Path:
        """When each monitor of a limited plan was last pinged, and how many pings were refused."""
        return self.root / "gate.db"

    @property
    def dead_letters(self) -> Path:
        """What the time-series store refused for good."""
        return self.root / "dead-letters.jsonl"

    @property
    def secret_key(self) -> Path:
        return self.root / "secret.key"

    @property
    def rules_mark(self) -> Path:
        return self.root / "rules.alive"

    def journal(self, slot: int) -> Path:
        return journal_path(self.journals, slot)

    def lock(self, of: str) -> Path:
        return self.root / f"{of}.lock"


def _is_ours(directory: Path) -> bool:
    """A directory that nobody else can write to: others may make what they like beside it."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
