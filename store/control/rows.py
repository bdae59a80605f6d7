"""Many rows in one statement. What settle and overdue do to thousands of monitors would cost more in SQLAlchemy than in the database.

SQLAlchemy words a statement once, in the language of the database at hand; the values go to its driver as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Delete, Dialect, Insert, Update, bindparam, func, select


class Rows:
    """A statement that takes rows: tuples with a value for each of its parameters, which are called `names`, in this order."""

    def __init__(self, statement: Insert | Update | Delete, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = list(names)
        self._worded: dict[str, str] = {}

    def write(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            dialect = connection.dialect
            sql = self._worded.get(dialect.name) or self._word(dialect)
            connection.exec_driver_sql(sql, list(rows))

    def _word(self, dialect: Dialect) -> str:
        compiled = self._statement.compile(dialect=dialect, column_keys=self._names)
        assert compiled.positiontup == self._names, f"the parameters of {compiled} are {compiled.positiontup}, not {self._names}"
        self._worded[dialect.name] = str(compiled)
        return self._worded[dialect.name]


def as_json(value: object) -> str | None:
    """What a JSON column holds for the value; None for none."""
    return None if value is None else msgspec.json.encode(value).decode()


def is_given(column: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the column holds one of the texts in `given(texts)`: a single parameter, however many they are."""
    each = func.json_each(bindparam("given")).table_valued("value")
    return column.in_(select(each.c.value))


def given(texts: Collection[str]) -> dict[str, str | None]:
    """The parameter of a statement that asks what `is_given`."""
    return {"given": as_json(list(texts))}
