"""When a sample is beyond a threshold, when it is well again, and when it is neither. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal

from store.model import Operator
from store.rule import Rule

# A breach; well again; or in between, where a firing rule goes on firing and another does not begin.
Verdict = Literal["breach", "clear", "between"]

_COMPARE: dict[Operator, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


def comparable(rule: Rule, value: float | str) -> bool:
    """A number is judged against a number and a text against a text; a sample of the other kind says nothing."""
    return isinstance(value, str) == isinstance(rule.value, str)


def judged(rule: Rule, value: float | str) -> Verdict:
    """What the sample says of a threshold rule. `value` must be `comparable`."""
    assert rule.operator is not None
    if _COMPARE[rule.operator](value, rule.value):
        return "breach"
    well = rule.resolve
    if well is None or well.operator is None:
        return "clear"
    return "clear" if _COMPARE[well.operator](value, well.value) else "between"
