"""What the texts of a rule file mean: numbers, names, operators. Each is read as its field needs it, whatever YAML would make of it."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar, cast

from rules.rule_files.nodes import Scalar
from store.model import OPERATORS, Operator

T = TypeVar("T")
Read = Callable[[Scalar], T]

_NUMBER: Final = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_OCTAL: Final = re.compile(r"[-+]?0[0-9]+")
_OTHER_NUMBER: Final = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7]+|[0-9][0-9_]*(\.[0-9_]*)?)")
_SEXAGESIMAL: Final = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.?(inf|nan|infinity)", re.IGNORECASE)
_WORDS: Final[dict[str, Operator]] = {"gt": ">", "lt": "<", "gte": ">=", "lte": "<=", "eq": "=", "ne": "!=", "==": "="}
_MEANT: Final = {"=>": ">=", "=<": "<=", "<>": "!=", "≥": ">=", "≤": "<=", "≠": "!=", "ge": "gte", "le": "lte"}


class Unfit(Exception):
    """A text is not what its field needs. Says why, to go behind the field and the text: `is no number; write …`."""


def name(limit: int = 200, pattern: str = "", wanted: str = "") -> Read[str]:
    """A line of text. `pattern`: that it must match as a whole; `wanted`: that in words."""

    def read(scalar: Scalar) -> str:
        found = _text(scalar, limit)
        if not found.isprintable():
            raise Unfit("has a character that cannot be shown; leave it out")
        if pattern and not re.fullmatch(pattern, found):
            raise Unfit(f"is not accepted; give {wanted}")
        return found

    return read


def prose(limit: int) -> Read[str]:
    """A text that may have several lines."""

    def read(scalar: Scalar) -> str:
        found = _text(scalar, limit)
        if not found.replace("\n", "").replace("\t", "").isprintable():
            raise Unfit("has a character that cannot be shown; leave it out")
        return found

    return read


def one_of(words: Sequence[T], others: Mapping[str, T] | None = None) -> Read[T]:
    """One of a few words. `others`: words that are used elsewhere, and those that are meant by them."""

    def read(scalar: Scalar) -> T:
        if scalar.text in words:
            return cast(T, scalar.text)
        other = (others or {}).get(scalar.text)
        hint = f", did you mean `{other}`?" if other else meant(scalar.text, map(str, words))
        raise Unfit(f"is not known{hint}; there {_is_or_are(words)}")

    return read


def true(scalar: Scalar) -> bool:
    """The word `true`, since nothing else is ever said."""
    if scalar.text != "true" or scalar.style != "plain":
        raise Unfit("is not accepted; write true, or leave it out")
    return True


def operator(scalar: Scalar) -> Operator:
    found = scalar.text if scalar.text in OPERATORS else _WORDS.get(scalar.text)
    if found is None:
        near = _MEANT.get(scalar.text.lower())
        hint = f', did you mean "{near}"?' if near else meant(scalar.text, [*OPERATORS, *_WORDS])
        raise Unfit(f'is no operator{hint}; there are ">", "<", ">=", "<=", "=", "!=" and gt, lt, gte, lte, eq, ne')
    return found


def number(scalar: Scalar) -> float:
    """A finite number, without quotes."""
    if scalar.style != "plain":
        raise Unfit("is a text; write the number without quotes")
    found = _number(scalar.text)
    if found is None:
        raise Unfit("is no number; write one such as 100, -2.5 or 1e3")
    return found


def number_or_text(scalar: Scalar) -> float | str:
    """What a sample is compared with. In quotes it is a text."""
    found = _number(scalar.text) if scalar.style == "plain" else None
    return _text(scalar, 1_024) if found is None else found


def whole(lowest: int, highest: int) -> Read[int]:
    """A whole number from `lowest` to `highest`."""

    def read(scalar: Scalar) -> int:
        found = number(scalar)
        if not found.is_integer() or not lowest <= found <= highest:
            raise Unfit(f"is not accepted; give a whole number from {lowest} to {highest:,}")
        return int(found)

    return read


def meant(text: str, known: Iterable[str]) -> str:
    """The question whether something known was meant, to go into a sentence; empty where nothing is near."""
    close = nearest(text, known)
    return f", did you mean `{close[0]}`?" if close else ""


def nearest(text: str, known: Iterable[str]) -> list[str]:
    """The one that is nearest, if any is near."""
    return difflib.get_close_matches(text[:60], known, n=1)


def alternatives(words: Sequence[object]) -> str:
    *others, last = map(str, words)
    return f"{', '.join(others)} or {last}" if others else last


def _is_or_are(words: Sequence[object]) -> str:
    return f"{'is' if len(words) == 1 else 'are'} {', '.join(map(str, words))}"


def _text(scalar: Scalar, limit: int) -> str:
    """What was written, where YAML takes it for a text too: other programs read these files, and people know YAML."""
    if not scalar.text.strip():
        raise Unfit("is empty; give a text")
    meaning = scalar.meaning()
    if meaning is not None:
        raise Unfit(f'is {meaning} to YAML; write "{scalar.text[:60]}" in quotes where a text is meant')
    if len(scalar.text) > limit:
        raise Unfit(f"has {len(scalar.text):,} characters; at most {limit:,} are accepted")
    return scalar.text


def _number(text: str) -> float | None:
    if _OCTAL.fullmatch(text):
        raise Unfit(f"is an octal number to some readers of YAML; write {text.lstrip('+-0') or '0'} without the leading 0")
    if _NUMBER.fullmatch(text):
        found = float(text)
        if math.isinf(found):
            raise Unfit("is more than a number can be; give a finite one")
        return found
    if _NOT_FINITE.fullmatch(text):
        raise Unfit("is not accepted; give a finite number")
    sixties = sexagesimal(text)
    if sixties is not None:
        raise Unfit(f"is {sixties} to YAML, which counts it in sixties; write the number that is meant")
    if _OTHER_NUMBER.fullmatch(text):
        raise Unfit("is not accepted; write the number in decimal digits alone")
    return None


def sexagesimal(text: str) -> int | None:
    """What YAML makes of `1:30`; None for what it does not count in sixties."""
    if not _SEXAGESIMAL.fullmatch(text):
        return None
    found = 0
    for part in text.replace("_", "").lstrip("+-").partition(".")[0].split(":")[:10]:
        found = found * 60 + int(part[:10])
    return found
