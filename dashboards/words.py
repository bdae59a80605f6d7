"""Numbers, durations and instants in the words people read."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo

from rules.doctor.symptoms import crons as crons
from rules.doctor.symptoms import times as times
from store.instant import span as span
from store.model import SECOND, Ns
from store.rule import Rule

_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def number(value: float) -> str:
    """Four significant digits, or three and a suffix from ten thousand on: `1281`, `59.7`, `12.3k`."""
    rounded = float(f"{value:.4g}")
    size = abs(rounded)
    if size < 1e4 or size >= 1e15:
        return f"{rounded:.4g}"
    return _suffixed(value, 3)


def plain(value: float) -> str:
    """A number as its owner wrote it: no digit lost, no needless `.0`."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def tick(value: float, step: float) -> str:
    """An axis label with as many digits as tell it from its neighbours one `step` away."""
    if value == 0:
        return "0"
    digits = max(1, _power(value) - _power(step) + 2)
    size = abs(value)
    if size < 1e-4 or size >= 1e15:
        return f"{value:.{digits}g}"
    return _suffixed(value, digits) if size >= 1e4 else _fixed(value, digits)


def short_span(seconds: float) -> str:
    """A duration in its largest unit alone, for instants that drift past: `42 s`, `27 h`, `3 d`."""
    left = max(0, int(seconds))
    for unit, size, until in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 48 * 3600)):
        if left < until:
            return f"{left // size} {unit}"
    return f"{left // 86400} d"


def relative(at: Ns, now: Ns) -> str:
    """`42 s ago`, `in 3 min`, or `now` within a second."""
    seconds = (now - at) / SECOND
    if abs(seconds) < 1:
        return "now"
    return f"{short_span(seconds)} ago" if seconds > 0 else f"in {short_span(-seconds)}"


def condition(rule: Rule) -> str:
    """What a rule on a metric watches for: `queue > 100`, `p95 of ms over 15 min >= 30000 for 10 min`."""
    watched = rule.metric or ""
    if rule.window is not None:
        watched = f"{rule.window.func} of {watched} over {span(rule.window.over)}"
    if rule.compare is not None:
        joined = "against" if rule.compare.how == "ratio" else "less"
        watched = f"{watched} {joined} that of {span(rule.compare.to)} before"
    limit = plain(rule.value) if isinstance(rule.value, int | float) else f'"{rule.value}"'
    said = {"absent": "is absent", "unchanged": "does not change"}.get(rule.type, f"{rule.operator} {limit}")
    return f"{watched} {said} for {span(rule.hold)}" if rule.hold else f"{watched} {said}"


def share(value: float | None) -> str:
    """A share of time in per cent, rounded down: 100 % means no outage at all."""
    if value is None:
        return "–"
    return f"{math.floor(value * 10_000) / 100:g} %"


def clock(at: Ns, zone: tzinfo) -> str:
    """The wall clock there: `22 Nov 2026, 15:29:07 CET`."""
    return f"{datetime.fromtimestamp(at // SECOND, zone):%-d %b %Y, %H:%M:%S %Z}"


def _suffixed(value: float, digits: int) -> str:
    # Rounded before it is compared, so that 999,999 becomes 1M and not 1000k.
    rounded = abs(float(f"{value:.{digits}g}"))
    size, suffix = next(((size, suffix) for size, suffix in _SUFFIXES if rounded >= size), (1e3, "k"))
    return f"{_fixed(value / size, digits)}{suffix}"


def _fixed(value: float, digits: int) -> str:
    text = f"{value:.{max(0, digits - 1 - _power(value))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value)))
