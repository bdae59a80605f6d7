from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select, update
from world import World

from store.control.rows import Rows, as_json, given, is_given
from store.control.tables import rules, settings

_PUT = Rows(insert(settings), ("name", "value"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


def _kept(world: World) -> list[tuple[str, str]]:
    with world.control.read() as connection:
        query = select(settings.c.name, settings.c.value).where(settings.c.name.startswith("a_")).order_by(settings.c.name)
        return [(name, value) for name, value in connection.execute(query)]


def test_all_rows_are_written_and_none_at_all_is_no_statement(world: World) -> None:
    change = Rows(update(settings).where(settings.c.name == bindparam("of")).values(value=bindparam("new")), ("new", "of"))
    with world.control.begin() as connection:
        _PUT.write(connection, [("a_1", "one"), ("a_2", "two"), ("a_3", "three")])
        change.write(connection, [("2", "a_2"), ("3", "a_3")])
        _PUT.write(connection, [])
    assert _kept(world) == [("a_1", "one"), ("a_2", "2"), ("a_3", "3")]


def test_rows_are_never_written_into_each_others_columns(world: World) -> None:
    with world.control.begin() as connection, pytest.raises(AssertionError, match=r"are \['name', 'value'\], not \['value', 'name'\]"):
        Rows(insert(settings), ("value", "name")).write(connection, [("one", "a_1")])
    assert _kept(world) == []


def test_a_json_column_holds_what_sqlalchemy_reads_from_it(world: World) -> None:
    with world.control.begin() as connection:
        Rows(insert(rules), ("uid", "position", "rule")).write(connection, [("r", 1, as_json({"value": 1.5, "tags": ("ä",)}))])
        assert connection.execute(select(rules.c.rule)).scalar_one() == {"value": 1.5, "tags": ["ä"]}
    assert as_json(None) is None


def test_rows_are_found_by_any_of_the_texts_that_are_given(world: World) -> None:
    names = ["a_plain", "a_'quote\"", "a_ü\\", "a_12"]
    found = select(settings.c.name).where(is_given(settings.c.name))
    with world.control.begin() as connection:
        _PUT.write(connection, [(name, "x") for name in [*names, "a_other"]])
        assert set(connection.execute(found, given([*names, "a_unknown"])).scalars()) == set(names)
        assert connection.execute(found, given([])).all() == []
