"""Samples as people are shown them."""

from __future__ import annotations

from typing import Final

_EXACT: Final = 1e15  # beyond, digits would pretend to be known


def sample(value: float | str) -> str:
    """A number with all of its digits and no needless `.0`; a text in quotes, cut where it is long."""
    return f"{value!r:.60}" if isinstance(value, str) else number(value)


def number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
