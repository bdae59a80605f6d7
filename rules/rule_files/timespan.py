"""Durations as Prometheus writes them: `30s`, `5m`, `1h30m`, `1d`. Rules count in whole seconds."""

from __future__ import annotations

import re
from typing import Final

from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Read, Unfit, sexagesimal

YEAR: Final = 366 * 86_400

_MILLISECONDS: Final = {"y": 365 * 86_400_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION: Final = re.compile("".join(f"(?:([0-9]{{1,12}}){unit})?" for unit in _MILLISECONDS))
_ANY_ORDER: Final = re.compile(r"([0-9]+(y|w|d|h|ms|m|s))+")
_NEAR: Final = {
    **dict.fromkeys(("year", "years"), "y"),
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **{unit: unit for unit in _MILLISECONDS},
}


def duration(lowest: int = 0, highest: int = YEAR) -> Read[int]:
    """Seconds from `lowest` to `highest`."""

    def read(scalar: Scalar) -> int:
        milliseconds = _milliseconds(scalar.text)
        if milliseconds % 1_000:
            raise Unfit("is no whole number of seconds")
        if not lowest * 1_000 <= milliseconds <= highest * 1_000:
            raise Unfit(f"is not accepted; give {written(lowest)} to {written(highest)}")
        return milliseconds // 1_000

    return read


def written(seconds: int) -> str:
    """So many seconds as a duration, `1h30m`."""
    found, left = "", seconds
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        found += f"{count}{unit}" if count else ""
    return found or "0s"


def _milliseconds(text: str) -> int:
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        raise Unfit(_objection(text))
    return sum(int(count or 0) * size for count, size in zip(found.groups(), _MILLISECONDS.values(), strict=True))


def _objection(text: str) -> str:
    if re.fullmatch("[0-9]{1,12}", text):
        return f"has no unit; write {_either(f'{int(text)}s', written(int(text)))}"
    sixties = sexagesimal(text)
    if sixties is not None:
        return f"is {sixties} to YAML, which counts it in sixties; write {written(sixties)} or {written(sixties * 60)}"
    compact = "".join(text.split())
    if compact and _DURATION.fullmatch(compact):
        return f"has a space in it; write {compact}"
    if _ANY_ORDER.fullmatch(text):
        return "has its units out of order, or one of them twice; the largest comes first, as in 1h30m"
    if re.fullmatch(r"[0-9]*[.,][0-9]+ *[a-z]+", text):
        return "has a fraction; write whole numbers, as in 1h30m"
    if re.fullmatch("([0-9]+ *[A-Za-z]+ *)+", text):
        unknown = next(unit for unit in re.findall("[A-Za-z]+", text) if unit not in _MILLISECONDS)
        near = _NEAR.get(unknown.lower())
        return f"has an unknown unit{f', did you mean `{near}`?' if near else ''}; there are {', '.join(_MILLISECONDS)}"
    return "is no duration; write one such as 30s, 5m or 1h30m"


def _either(one: str, other: str) -> str:
    return one if one == other else f"{one} or {other}"
