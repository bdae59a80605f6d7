"""What is wrong with rule files, and where: all of it at once, for one look at the files mends them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

LIMIT: Final = 1_000  # of one file


class Place(NamedTuple):
    """A position in a file as editors show it: both count from 1."""

    line: int
    column: int


class Complaint(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong. `line` and `column` are None where it is about the file as a whole. `count`: for how many it stands."""

    file: str
    line: int | None
    column: int | None
    sentence: str
    count: int = 1

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.sentence}"


class RuleErrors(Exception):
    """Why files are not accepted. `errors`: in the order of the files, and of the lines in each."""

    def __init__(self, errors: Iterable[Complaint]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


class Complaints:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[Complaint, None] = {}
        self._more = 0

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place | None, sentence: str) -> None:
        """`place` is None where the sentence is about the file as a whole."""
        line, column = place or (None, None)
        complaint = Complaint(self.file, line, column, sentence)
        if complaint in self._found:
            return  # YAML's own reader may stop at what was complained about before
        if len(self._found) >= LIMIT:
            self._more += 1
        else:
            self._found[complaint] = None

    def found(self) -> list[Complaint]:
        """What was complained about, in the order in which it was found."""
        more = f"there {f'are {self._more:,} more errors' if self._more > 1 else 'is one more error'} in this file; these come first"
        return [*self._found, *([Complaint(self.file, None, None, more, self._more)] if self._more else [])]
