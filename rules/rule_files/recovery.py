"""When a firing rule is well again: `resolve: {op: "<=", value: 80, consecutive: 2}`, or `success_threshold: 2`."""

from __future__ import annotations

from typing import Final

from rules.rule_files.conditions import check_comparable
from rules.rule_files.fields import Fields
from rules.rule_files.scalars import number_or_text, operator, whole
from rules.samples import sample
from rules.threshold import judged
from store.model import Operator
from store.rule import Resolve, Rule, RuleType

SAMPLES: Final = whole(1, 1_000)  # as many as the API lets an alert wait for

Limit = tuple[Operator | None, float | str | None]


def read(rule: Fields, kind: RuleType, limit: Limit) -> Resolve | None:
    """`limit`: the operator and the value of a threshold rule."""
    successes = rule.take("success_threshold", SAMPLES)
    rule.once("resolve", "success_threshold")
    resolve = rule.nested("resolve", "resolve: {consecutive: 2}")
    if resolve is None:
        return None if successes is None else Resolve(consecutive=successes)
    if not resolve.names():
        resolve.complaints.add(resolve.place, "`resolve` says nothing; leave it out")
    if kind == "threshold":
        resolve.only(("op", "value", "consecutive"), "`resolve`")
        op, value = _well(resolve, limit)
    else:
        others = dict.fromkeys(("op", "value"), f"is for threshold rules alone, and this is a rule of type {kind}")
        resolve.only(("consecutive",), "`resolve`", others)
        op, value = None, None
    return Resolve(op, value, resolve.take("consecutive", SAMPLES) or 1)


def _well(resolve: Fields, limit: Limit) -> Limit:
    if "op" in resolve:
        resolve.require("value", "`resolve` with `op`", "value: 80")
    if "value" in resolve:
        resolve.require("op", "`resolve` with `value`", 'op: "<="')
    op, value = resolve.take("op", operator), resolve.take("value", number_or_text)
    if op is None or value is None or limit[0] is None or limit[1] is None:
        return op, value
    if isinstance(value, str) != isinstance(limit[1], str):
        resolve.complain("value", "and the rule's own `value` are a text and a number; give two of a kind")
    elif check_comparable(resolve, op, value):
        both = _both(limit[0], limit[1], op, value)
        if both is not None:
            resolve.complain("value", f"overlaps with the breach: {both} would be {limit[0]} {sample(limit[1])} and well again at once")
    return op, value


def _both(op: Operator, value: float | str, well_op: Operator, well: float | str) -> str | None:
    """A sample that is a breach and well again at once."""
    breach, over = Rule("", "threshold", operator=op, value=value), Rule("", "threshold", operator=well_op, value=well)
    # Between and beside the two values every sample is judged alike.
    if isinstance(value, str) or isinstance(well, str):
        samples: list[float | str] = [value, well, f"neither {value} nor {well}"]
    else:
        low, high = sorted((value, well))
        samples = [low - max(1, abs(low)), low, low / 2 + high / 2, high, high + max(1, abs(high))]
    return next((sample(one) for one in samples if judged(breach, one) == judged(over, one) == "breach"), None)
