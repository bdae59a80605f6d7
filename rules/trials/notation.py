"""Rows of samples in promtool's notation: `1 2+1x3 _x2 5` is 1 2 3 4 5, two that are missing, and 5.

What is repeated comes n + 1 times, as there: `7x3` is the first 7 and three more. Missing samples are counted as they are: `_x3` is three.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Read, Unfit
from store.model import KINDS, Kind

LIMIT: Final = 100_000  # samples in a row

_UNSIGNED: Final = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NUMBERS: Final = re.compile(rf"([-+]?{_UNSIGNED})([-+]{_UNSIGNED})?(?:x([0-9]{{1,9}}))?")
_MISSING: Final = re.compile(r"_(?:x([0-9]{1,9}))?")
_KIND: Final = re.compile(r"([a-z0-9]+?)(?:x([0-9]{1,9}))?")
_TEXTS: Final = re.compile(r'(?:"([^"]*)"|([^\s"]+?))(?:x([0-9]{1,9}))?(?=\s|$)')
_KINDS: Final[dict[str, Kind]] = {"1": "success", "0": "fail", **{kind: kind for kind in KINDS}}

T = TypeVar("T")
Row = tuple[T | None, ...]  # None: no sample at that turn
Reading = Callable[[Scalar], Row[T]]


def numbers(scalar: Scalar) -> Row[float]:
    """`10 150x2 _ 70+5x3`."""
    return _row(_words(scalar.text), _numbers)


def pings(scalar: Scalar) -> Row[Kind]:
    """`1x4 _ 0 start 1`: 1 is a success, 0 a failure."""
    return _row(_words(scalar.text), _pings)


def texts(scalar: Scalar) -> Row[str]:
    """`idlex3 "in progress"x2 _`: what has spaces, or ends like a repetition, stands in double quotes."""
    items, at = [], 0
    text = scalar.text.strip()
    while at < len(text):
        found = _TEXTS.match(text, at)
        if found is None:
            raise Unfit('has a quote that is never closed, or that more follows; write texts as in `idle "in progress"x2`')
        items.append(found[0])
        at = found.end() + len(text[found.end() :]) - len(text[found.end() :].lstrip())
    return _row(items, _texts)


def row_of(read: Reading[T]) -> Read[Row[T]]:
    """The row of a field, which is never without any sample."""

    def checked(scalar: Scalar) -> Row[T]:
        found = read(scalar)
        if not found:
            raise Unfit("is empty; write samples, as in `10 150x2 _x3 70`")
        return found

    return checked


def _words(text: str) -> list[str]:
    return text.split()


def _row(items: Iterable[str], read: Callable[[str], Iterator[T]]) -> Row[T]:
    row: list[T | None] = []
    for item in items:
        missing = _MISSING.fullmatch(item)
        count = 1 if missing is None else int(missing[1] or 1)
        row += [None] * _bounded(len(row), count) if missing else _taken(row, read(item))
    return tuple(row)


def _taken(row: list[T | None], found: Iterator[T]) -> list[T | None]:
    taken: list[T | None] = []
    for sample in found:
        taken.append(sample)
        _bounded(len(row), len(taken))
    return taken


def _bounded(before: int, count: int) -> int:
    if before + count > LIMIT:
        raise Unfit(f"has more than {LIMIT:,} samples")
    return count


def _numbers(item: str) -> Iterator[float]:
    found = _NUMBERS.fullmatch(item)
    if found is None:
        raise Unfit(_objection(item))
    if found[2] and found[3] is None:
        raise Unfit(f"has `{item[:40]}`, which says by how much it grows, and not how often; write it as in `{item[:40]}x3`")
    value, step = float(found[1]), float(found[2] or 0)
    for _ in range(int(found[3] or 0) + 1):
        if not math.isfinite(value):
            raise Unfit(f"has `{item[:40]}`, which becomes more than a number can be")
        yield value
        value += step


def _objection(item: str) -> str:
    shown = item[:40]
    if item.startswith("stale"):
        return f"has `{shown}`, which Lastbeat knows nothing of; where no sample comes, write _"
    if "," in item:
        return f"has `{shown}`; samples have spaces between them, and no commas"
    if item[:1] == "_":
        return f"has `{shown}`; missing samples are written _ or _x3"
    return f"has `{shown}`, which is no sample; write numbers as in `10 150x2 _x3 70+5x4`"


def _pings(item: str) -> Iterator[Kind]:
    found = _KIND.fullmatch(item)
    kind = found and _KINDS.get(found[1])
    if found is None or kind is None:
        raise Unfit(f"has `{item[:40]}`, which is no ping; there are 1 (success), 0 (fail), start, log, and _ for none")
    for _ in range(int(found[2] or 0) + 1):
        yield kind


def _texts(item: str) -> Iterator[str]:
    found = _TEXTS.fullmatch(item)
    assert found is not None  # it was found so
    for _ in range(int(found[3] or 0) + 1):
        yield found[2] if found[1] is None else found[1]
