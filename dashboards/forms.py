"""From what a form sends, which is all text, to what `rules.definitions` loads; and from its errors to sentences beside the fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Errors = dict[str, list[str]]


def whole(text: str) -> int | str:
    """A whole number where the text is one; else the text, for the definition to refuse."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else text


def threshold(text: str, *, is_text: bool) -> float | str:
    """A number where the text is one and the metric's values are numbers."""
    if is_text:
        return text
    try:
        return float(text)
    except ValueError:
        return text


def listed(text: str) -> list[str]:
    """The words between the commas."""
    return [word for part in text.split(",") if (word := part.strip())]


def sentences(errors: str | Sequence[Any] | Mapping[Any, Any]) -> Errors:
    """Errors nested as marshmallow nests them, as sentences by field; those about nothing in particular are under `""`."""
    if not isinstance(errors, Mapping):
        return {"": _flat(errors)}
    found: Errors = {}
    for field, value in errors.items():
        # A channel's settings lie one level deeper than the form shows them; the items of a list have numbers.
        inner = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        found |= sentences(value) if inner else {"" if field == "_schema" else str(field): _flat(value)}
    return found


def _flat(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [sentence for part in (value.values() if isinstance(value, Mapping) else value) for sentence in _flat(part)]
