"""What each type of rule watches for: its own keys, read as fields of a `Rule`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, get_args

from rules import schedule
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Unfit, name, number, number_or_text, one_of, operator, whole
from rules.rule_files.timespan import duration
from store.model import Operator
from store.rule import WINDOW_FUNCTIONS, Compare, OnOwnOutage, RuleType, Window, WindowFunction, Without

_WINDOW: Final = "window: {func: mean, over: 10m}"
_COMPARE: Final = "compare: {to: 1w}"
_AVERAGE: Final[dict[str, WindowFunction]] = {"avg": "mean", "average": "mean"}
_DAY: Final = 86_400


class Condition(NamedTuple):
    """`keys`: those that not all types have. `read`: what they say, by the names of a `Rule`'s fields; None where it says nothing."""

    keys: tuple[str, ...]
    read: Callable[[Fields], dict[str, Any]]


def _heartbeat(rule: Fields) -> dict[str, Any]:
    rule.once("interval", "schedule")
    if "timezone" in rule and "schedule" not in rule:
        rule.complain_of_key("timezone", "`timezone` is that of a `schedule`, and there is none")
    return {
        "interval": rule.take("interval", duration(1)),
        "cron": rule.take("schedule", _cron),
        "timezone": rule.take("timezone", _zone),
        "grace": rule.take("grace", duration()),
        "on_own_outage": rule.take("on_own_outage", one_of(get_args(OnOwnOutage))),
    }


def _status(rule: Fields) -> dict[str, Any]:
    rule.take("when", one_of(["fail"]))
    return {}


def _threshold(rule: Fields) -> dict[str, Any]:
    rule.require("metric", "a threshold rule", "metric: queue_size")
    rule.require("op", "a threshold rule", 'op: ">"')
    rule.require("value", "a threshold rule", "value: 100")
    for key in ("compare", "on_no_data", "on_error"):
        if key in rule and "window" not in rule:
            rule.complain_of_key(key, f"`{key}` needs a `window`, as in `{_WINDOW}`")
    op, value = rule.take("op", operator), rule.take("value", number_or_text)
    if isinstance(value, str) and "window" in rule:
        rule.complain("value", "is a text, and a window gives a number; write a number, without quotes")
    elif op is not None and value is not None:
        check_comparable(rule, op, value)
    return {
        "metric": rule.take("metric", name(64)),
        "operator": op,
        "value": value,
        "window": _window(rule),
        "compare": _compare(rule),
        "on_no_data": rule.take("on_no_data", one_of(get_args(Without))),
        "on_error": rule.take("on_error", one_of(get_args(Without))),
    }


def _absent(rule: Fields) -> dict[str, Any]:
    rule.require("metric", "an absent rule", "metric: records_processed")
    return {"metric": rule.take("metric", name(64))}


def _unchanged(rule: Fields) -> dict[str, Any]:
    rule.require("metric", "an unchanged rule", "metric: records_processed")
    if "for" not in rule and "consecutive" not in rule:
        rule.complaints.add(rule.place, "an unchanged rule needs `for` or `consecutive`, as in `for: 2h`: how long the same value may stay")
    elif "for" not in rule and rule.take("consecutive", whole(1, 1_000)) == 1:
        rule.complain("consecutive", "is met by every sample; give at least 2, or `for`")
    return {"metric": rule.take("metric", name(64))}


_COUNTS: Final = ("failure_threshold", "success_threshold")
CONDITIONS: Final[dict[RuleType, Condition]] = {
    "heartbeat": Condition(("interval", "schedule", "timezone", "grace", "on_own_outage", *_COUNTS), _heartbeat),
    "status": Condition(("when", *_COUNTS), _status),
    "threshold": Condition(("metric", "op", "value", "window", "compare", "on_no_data", "on_error"), _threshold),
    "absent": Condition(("metric",), _absent),
    "unchanged": Condition(("metric",), _unchanged),
}


def check_comparable(fields: Fields, op: Operator, value: float | str) -> bool:
    """Whether samples can be compared so; complains where they cannot."""
    comparable = not isinstance(value, str) or op in ("=", "!=")
    if not comparable:
        fields.complain("value", f"is a text, which {op} cannot compare; write a number without quotes, or the operator = or !=")
    return comparable


def _window(rule: Fields) -> Window | None:
    window = rule.nested("window", _WINDOW)
    if window is None:
        return None
    window.only(("func", "over", "min_points"), "`window`")
    window.require("func", "`window`", "func: mean")
    window.require("over", "`window`", "over: 10m")
    func = window.take("func", one_of(WINDOW_FUNCTIONS, _AVERAGE))
    over, points = window.take("over", duration(1)), window.take("min_points", whole(1, 100_000))
    return None if func is None or over is None else Window(func, over, points or 1)


def _compare(rule: Fields) -> Compare | None:
    compare = rule.nested("compare", _COMPARE)
    if compare is None:
        return None
    compare.only(("to", "as", "min_baseline"), "`compare`")
    compare.require("to", "`compare`", "to: 1w")
    to, least = compare.take("to", _day_or_week), compare.take("min_baseline", number)
    how: Literal["ratio", "difference"] | None = compare.take("as", one_of(("ratio", "difference")))
    if least is not None and least < 0:
        compare.complain("min_baseline", "is not accepted; it is a distance from zero, and not less than 0")
    return None if to is None else Compare(to, how or "ratio", least)


def _day_or_week(scalar: Scalar) -> int:
    seconds = duration()(scalar)
    if seconds not in (_DAY, 7 * _DAY):
        raise Unfit("is not accepted; give 1d or 1w")
    return seconds


def _cron(scalar: Scalar) -> str:
    return _computable(name(1_000)(scalar), lambda text: schedule.check(text, "UTC"))


def _zone(scalar: Scalar) -> str:
    return _computable(name(1_000)(scalar), lambda text: schedule.check(None, text))


def _computable(text: str, check: Callable[[str], str | None]) -> str:
    sentence = check(text)
    if sentence is not None:
        raise Unfit(f"is not accepted: {sentence}")
    return text
