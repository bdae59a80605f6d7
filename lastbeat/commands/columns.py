"""What commands print for people: columns one below the other, as wide as the terminal at the most."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

import click

_GAP = 2
_LEAST = 8  # a text that must give way to others keeps so many letters


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]], elastic: Sequence[int] = (1,), *, err: bool = False) -> None:
    """Print the rows below their headings; where they are too wide for the terminal, the columns numbered `elastic` give way."""
    for line in table(headings, rows, elastic, _room()):
        click.echo(line, err=err)


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print pairs of a name and what there is to say; those with nothing to say are left out."""
    said = [fact for fact in facts if fact[1]]
    width = max(len(name) for name, _ in said)
    for name, text in said:
        click.echo(f"{name:{width + _GAP}}{visible(text)}")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], elastic: Sequence[int], room: int | None) -> list[str]:
    """The lines of a table. `room`: how many letters a line may have; None: as many as it needs."""
    cells = [list(headings), *([visible(text) for text in row] for row in rows)]
    widths = [max(len(text) for text in column) for column in zip(*cells, strict=True)]
    while room is not None and sum(widths) + _GAP * (len(widths) - 1) > room:
        widest = max(elastic, key=lambda number: widths[number])
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return [(" " * _GAP).join(_cut(text, width).ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def visible(text: str) -> str:
    """The text without what would move a terminal's cursor: names may come from anybody with an API key."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _room() -> int | None:
    # What goes into a file or another program is never cut.
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
