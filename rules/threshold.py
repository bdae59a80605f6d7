"""Threshold alerts: when a sample is beyond the threshold, and what a run of such samples does to an alert. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable

import msgspec

from store.model import Alert, Ns, Operator

_COMPARE: dict[Operator, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}


def comparable(alert: Alert, value: float | str) -> bool:
    """A number is judged against a number and a text against a text; a sample of the other kind says nothing."""
    return isinstance(value, str) == isinstance(alert.threshold, str)


def beyond(alert: Alert, value: float | str) -> bool:
    """Whether the sample breaches the alert's threshold. `value` must be `comparable`."""
    return _COMPARE[alert.operator](value, alert.threshold)  # type: ignore[arg-type]  # comparable() has paired the types


def sampled(alert: Alert, value: float | str, at: Ns) -> Alert:
    """The alert after one more sample: `consecutive` breaches in a row fire it, one sample that is none makes it ok again.

    Counts samples, not evaluations: one bad ping stays one bad ping however often it is looked at.
    """
    if not beyond(alert, value):
        return msgspec.structs.replace(alert, state="ok", breaches=0, last_sample_at=at)
    breaches = min(alert.breaches + 1, alert.consecutive)
    state = "firing" if breaches == alert.consecutive or alert.state == "firing" else "pending"
    return msgspec.structs.replace(alert, state=state, breaches=breaches, last_sample_at=at)


def rearmed(alert: Alert) -> Alert:
    """The alert counting from zero again, after its condition was changed; an open incident is judged at the next sample."""
    return msgspec.structs.replace(alert, state=alert.state if alert.state == "firing" else "ok", breaches=0)
