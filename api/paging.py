"""Lists come in pages: `?limit=` and `?offset=`, with the number of all in the header X-Total-Count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from marshmallow import Schema, ValidationError, fields, validate

TOTAL: Final = "X-Total-Count"
_MOST = 2**63 - 1  # what the stores take

Item = TypeVar("Item")
Page = tuple[Sequence[Item], dict[str, str]]


def _countable(offset: int) -> None:
    if not 0 <= offset <= _MOST:
        raise ValidationError(f"{offset} is not within 0 and {_MOST}")


class PageQuery(Schema):
    """Which part of a list is wanted."""

    limit = fields.Integer(
        load_default=100,
        validate=validate.Range(1, 1_000, error="{input} is not within 1 and 1000"),
        error_messages={"invalid": "give a whole number from 1 to 1000"},
        metadata={"description": "How many at most."},
    )
    offset = fields.Integer(
        load_default=0,
        validate=_countable,
        error_messages={"invalid": "give a whole number from 0"},
        metadata={"description": "How many to leave out at the beginning.", "minimum": 0},
    )


def page(items: Sequence[Item], total: int) -> Page[Item]:
    """The answer of a view: one page, and how many items there are in all."""
    return items, {TOTAL: str(total)}
