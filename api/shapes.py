"""How values look in JSON: instants as ISO 8601 in UTC, and whole numbers without a fraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from store.instant import exact_iso, from_iso, iso
from store.model import Ns

_EXACT = 2.0**53  # beyond, neighbouring whole numbers share a float: digits would pretend to know which one it was
_LATEST: Ns = 2**63 - 1


class Shape(Schema):
    """What an answer looks like. It may get more fields one day: the document must not promise that there are none."""

    class Meta:
        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Our names in JSON: `created_at` is `createdAt` there."""
        first, *rest = (field_obj.data_key or field_name).split("_")
        field_obj.data_key = first + "".join(word.capitalize() for word in rest)


class Instant(fields.Field[Ns]):
    """Nanoseconds since the epoch here, `2026-11-23T03:04:05.678Z` in JSON and in queries."""

    def _serialize(self, value: Ns | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else iso(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Ns:
        if not isinstance(value, str):
            raise ValidationError(f"{value!r:.60} is no time; write it as text, such as 2026-11-23T03:04:05Z")
        try:
            at = from_iso(value)
        except ValueError as sentence:
            raise ValidationError(str(sentence)) from None
        if not 0 <= at <= _LATEST:
            raise ValidationError(f"{value!r} is outside the years 1970 to 2262")
        return at


class ExactInstant(Instant):
    """An instant with nine digits behind the second where it is not a whole millisecond."""

    def _serialize(self, value: Ns | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else exact_iso(value)


class Value(fields.Field[float | str]):
    """A number or a text."""

    def _serialize(self, value: float | str | None, attr: str | None, obj: Any, **kwargs: Any) -> float | str | None:
        return shown(value)


class Number(Value):
    """A number."""


def shown(value: float | str | None) -> float | str | None:
    """900.0 as 900: what was sent as a whole number is read back as one."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value
