"""What an import would do, or has done, as text for people. Pure.

`width`: columns of the terminal. `room`: how many letters a line of a table may have; None: as many as it needs.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from dashboards.words import span
from lastbeat.commands.columns import table, visible
from lastbeat.imports.intake import Row, Source, Verdict

_INDENT = "  "


def preview(source: Source, rows: Sequence[Row], project: str, width: int, room: int | None) -> str:
    """What would be made, what is there already, and what cannot be made and why."""
    parts = [_paragraph(f"{source.title}: {len(rows)} to look at.", width)]
    if to_make := _of(rows, "make"):
        parts.append(_section(f"To be made in the project {project!r} ({len(to_make)})", _table(to_make, room)))
    if here := _of(rows, "here"):
        parts.append(_section(f"Here already, and left as they are ({len(here)})", _names(here, width)))
    parts += _troubles(source, rows, width)
    return "\n\n".join(parts)


def outcome(source: Source, rows: Sequence[Row], width: int) -> str:
    """What was made, and what is left for people to do."""
    parts = _troubles(source, rows, width)
    counts = f"{_monitors(len(_of(rows, 'make')))} made, {len(_of(rows, 'here'))} here already, {len(_of(rows, 'cannot'))} not imported."
    return "\n\n".join([*parts, _paragraph(source.advice, width), counts])


def _troubles(source: Source, rows: Sequence[Row], width: int) -> list[str]:
    parts = []
    if cannot := _of(rows, "cannot"):
        lines = (
            line for row in cannot for line in (_paragraph(row.found.name, width, _INDENT), _paragraph(f"{row.why}.", width, _INDENT * 2))
        )
        parts.append(_section(f"Cannot be imported ({len(cannot)})", lines))
    if source.remarks:
        parts.append(_section("Please note", (_item(remark, width) for remark in source.remarks)))
    return parts


def _of(rows: Sequence[Row], verdict: Verdict) -> list[Row]:
    return [row for row in rows if row.verdict == verdict]


def _table(rows: Sequence[Row], room: int | None) -> Iterator[str]:
    lines = table(("NAME", "EXPECTED", "GRACE", ""), list(map(_cells, rows)), (0,), room and room - len(_INDENT))
    return (_INDENT + line for line in lines)


def _cells(row: Row) -> tuple[str, str, str, str]:
    fields = row.fields
    zone = "" if fields["timezone"] == "UTC" else f" {fields['timezone']}"
    expected = f"every {span(fields['interval'])}" if fields["cron"] is None else f"{fields['cron']}{zone}"
    return row.found.name, expected, span(fields["grace"]), "paused" if row.found.paused else ""


def _names(rows: Sequence[Row], width: int) -> list[str]:
    return [_paragraph(", ".join(row.found.name for row in rows), width, _INDENT)]


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{title}:", *lines])


def _item(text: str, width: int) -> str:
    return _filled(text, width, _INDENT + "- ", _INDENT * 2)


def _paragraph(text: str, width: int, indent: str = "") -> str:
    return _filled(text, width, indent, indent)


def _filled(text: str, width: int, first: str, further: str) -> str:
    # An address or a name that is broken in two can be neither found nor copied.
    filled = textwrap.TextWrapper(width, initial_indent=first, subsequent_indent=further, break_on_hyphens=False, break_long_words=False)
    return filled.fill(visible(text))


def _monitors(count: int) -> str:
    return "1 monitor" if count == 1 else f"{count} monitors"
