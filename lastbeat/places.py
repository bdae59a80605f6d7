"""Where everything lies within the data directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from store.inbox import journal_path, mark_path


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one installation. `make` creates the directories, closed to other users."""

    root: Path

    def make(self) -> None:
        for directory in (self.root, self.journals, self.counters):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def journals(self) -> Path:
        return self.root / "journal"

    @property
    def counters(self) -> Path:
        """Files in which the processes share what `/metrics` counts; emptied at each start."""
        return self.root / "counters"

    @property
    def points(self) -> Path:
        return self.root / "points.db"

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

    def mark(self, slot: int) -> Path:
        return mark_path(self.journals, slot)

    def lock(self, of: str) -> Path:
        return self.root / f"{of}.lock"
