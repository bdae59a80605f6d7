"""YAML as its author wrote it: scalars are texts with a place, and nothing is made of them here.

What YAML itself makes of an unquoted text surprises people (`on` is true, `1:30` is 90, of two equal keys the last one counts), so it is
never asked for values. What rule files have no use for is complained about: anchors, aliases, tags, merge keys, second documents.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
import yaml

from rules.rule_files import mishaps
from rules.rule_files.complaints import Complaints, Place

DEPTH_LIMIT: Final = 10  # rule files need seven, and each costs calls within calls

_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_MEANINGS: Final = {"bool": "true or false", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}
_STYLES: Final[dict[str | None, Literal["plain", "quoted", "block"]]] = {
    None: "plain",
    "'": "quoted",
    '"': "quoted",
    "|": "block",
    ">": "block",
}
_resolver: Final[Any] = yaml.resolver.Resolver()


class Scalar(msgspec.Struct, frozen=True):
    """One text as it was written."""

    place: Place
    text: str
    style: Literal["plain", "quoted", "block"]

    def meaning(self) -> str | None:
        """What YAML takes it for, if not for a text: `a number`."""
        if self.style != "plain":
            return None
        tag: str = _resolver.resolve(yaml.ScalarNode, self.text, (True, False))
        return _MEANINGS.get(tag.removeprefix("tag:yaml.org,2002:"))

    def shown(self) -> str:
        """As it was written, for a sentence."""
        cut = self.text if len(self.text) <= 60 else f"{self.text[:60]}…"
        return cut if self.style == "plain" and cut.isprintable() else repr(cut)


class List(msgspec.Struct, frozen=True):
    place: Place
    items: list[Node | None]


class Member(msgspec.Struct, frozen=True):
    key: Scalar
    value: Node | None


class Table(msgspec.Struct, frozen=True):
    """A mapping. No key is there twice."""

    place: Place
    members: list[Member]


# None stands in place of what was complained about already.
Node = Scalar | List | Table


class _TooDeep(Exception):
    """With the place of what is nested too deep."""


# Ten times as fast as the one in Python, which reads again what this one stumbles over: sentences and places are the same everywhere.
_QUICK: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# PyYAML's own ways to stumble over "\UFFFFFFFF" and its like.
_STUMBLES: Final = (_TooDeep, ValueError, OverflowError, IndexError)


def compose(text: str, complaints: Complaints) -> Node | None:
    """What stands in the text; None where that is nothing, or cannot be read."""
    text = text.removeprefix("\ufeff")
    unreadable = mishaps.unreadable(text)
    if unreadable is not None:
        complaints.add(place_of(text, unreadable), f"the character U+{ord(text[unreadable]):04X} is not accepted; leave it out")
        return None
    guarded, quick = mishaps.guarded(text), Complaints(complaints.file)
    with suppress(yaml.YAMLError, *_STUMBLES):
        root = _Reader(_QUICK(guarded), quick).document()
        if not len(quick):
            return root
    return _explained(guarded, complaints)


def _explained(guarded: str, complaints: Complaints) -> Node | None:
    loader = yaml.SafeLoader(guarded)
    try:
        return _Reader(loader, complaints).document()
    except yaml.MarkedYAMLError as error:
        complaints.add(*mishaps.explained(guarded, error))
    except _TooDeep as deep:
        complaints.add(deep.args[0], "this is nested too deep for a rule file")
    except _STUMBLES:
        complaints.add(mishaps.place(loader.get_mark()), "this is not YAML: an escape or a number in it is out of range")
    return None


class _Reader:
    """Makes nodes of the parser's events."""

    def __init__(self, loader: yaml.SafeLoader, complaints: Complaints) -> None:
        self._loader: Any = loader  # its stubs are without types
        self._complaints = complaints

    def document(self) -> Node | None:
        self._next()
        if self._comes(yaml.StreamEndEvent):
            return None
        self._next()
        root = self._node(0)
        self._next()
        if self._comes(yaml.DocumentStartEvent):
            self._complain(self._next(), "a second document begins here; put it into a file of its own")
        return None if isinstance(root, Scalar) and root.meaning() == "nothing" else root

    def _node(self, depth: int) -> Node | None:
        event = self._next()
        if depth > DEPTH_LIMIT:
            raise _TooDeep(mishaps.place(event.start_mark))
        if isinstance(event, yaml.AliasEvent):
            self._complain(event, mishaps.NO_ALIAS)
            return None
        if event.anchor is not None:
            self._complain(event, mishaps.NO_ANCHOR)
        if event.tag is not None:
            self._complain(event, mishaps.NO_TAG)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(event, depth)
        return self._table(event, depth) if isinstance(event, yaml.MappingStartEvent) else self._scalar(event)

    def _scalar(self, event: Any) -> Scalar | None:
        operator = mishaps.unquoted_operator(event.value) if not event.style else None
        if operator is not None:
            self._complain(event, mishaps.QUOTE_OPERATOR.format(operator))
        if operator is not None or event.tag is not None:
            return None
        return Scalar(mishaps.place(event.start_mark), mishaps.unguarded(event.value), _STYLES[event.style or None])

    def _list(self, event: Any, depth: int) -> List:
        items = []
        while not self._comes(yaml.SequenceEndEvent):
            items.append(self._node(depth + 1))
        self._next()
        return List(mishaps.place(event.start_mark), items)

    def _table(self, event: Any, depth: int) -> Table | None:
        table: Table | None = Table(mishaps.place(event.start_mark), [])
        places: dict[str, Place] = {}
        while not self._comes(yaml.MappingEndEvent):
            start = self._loader.peek_event()
            key, value = self._node(depth + 1), self._node(depth + 1)
            if isinstance(key, Table) and start.start_mark.index == event.start_mark.index + 1:
                self._complain(event, mishaps.QUOTE_TEMPLATE)
                table = None
            elif isinstance(key, Table | List):
                self._complain(start, "a key must be a text")
            elif key is not None and self._is_new(key, places) and table is not None:
                table.members.append(Member(key, value))
        self._next()
        return table

    def _is_new(self, key: Scalar, places: dict[str, Place]) -> bool:
        if key.text == "<<" and key.style == "plain":
            self._complaints.add(key.place, "`<<` merges mappings in YAML, which rule files do not do; write out what is meant")
            return False
        first = places.setdefault(key.text, key.place)
        if first == key.place:
            return True
        self._complaints.add(key.place, f"`{key.text[:60]}` is there twice, first in line {first.line}; leave one of them out")
        return False

    def _next(self) -> Any:
        return self._loader.get_event()

    def _comes(self, kind: type[yaml.Event]) -> bool:
        return bool(self._loader.check_event(kind))

    def _complain(self, event: Any, sentence: str) -> None:
        self._complaints.add(mishaps.place(event.start_mark), sentence)


def place_of(text: str, index: int) -> Place:
    """Where the character of that index is, counted as editors and YAML do."""
    lines = _LINE_BREAK.split(text[:index])
    return Place(len(lines), len(lines[-1]) + 1)
