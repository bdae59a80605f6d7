"""The state machine of a rule: what each sample, and time alone, makes of its `Standing` with one monitor. Pure.

| from               | event                                                            | to                          |
|--------------------|------------------------------------------------------------------|-----------------------------|
| ok                 | breach                                                           | pending, or firing          |
| pending            | breach: `consecutive` in a row, lasting `hold`                   | firing                      |
| pending            | anything else                                                    | ok                          |
| firing             | clear                                                            | recovering, or ok           |
| recovering         | breach                                                           | firing, the same incident   |
| recovering         | between                                                          | firing, as if nothing was   |
| recovering         | `resolve.consecutive` clear in a row, lasting `keep_firing`      | ok                          |
| pending, recovering | the time it lasts is over, and no sample said otherwise          | firing; ok                  |
| pending, recovering | a gap of ours that may have swallowed a sample                   | the same, until the next one |
| pending, recovering | the same, of a monitor that is down, whose next sample may be missing | the same, until that is late |

`consecutive` counts samples, never evaluations: one bad ping stays one however often it is looked at. `hold` and `keep_firing` are
measured between the times of samples. A window rule has one sample for each evaluation, and no other moments.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from rules import book
from rules.threshold import Verdict
from store.model import SECOND, Gap, Ns
from store.rule import Rule, Standing, WindowFunction

_COUNTING: Final = frozenset[WindowFunction](["count", "sum", "rate"])
# What decides when a rule fires. Under another condition the counts of before say nothing.
_CONDITION: Final = (
    "type",
    "metric",
    "operator",
    "value",
    "window",
    "compare",
    "consecutive",
    "hold",
    "keep_firing",
    "resolve",
    "interval",
    "cron",
    "timezone",
    "grace",
)


def sampled(rule: Rule, standing: Standing, verdict: Verdict, at: Ns, value: float | str | None = None) -> Standing:
    """How the rule stands after one more sample."""
    if verdict == "breach":
        return _breached(rule, standing, at, value)
    if standing.state in ("ok", "pending"):
        return calm(standing)
    if verdict == "between":
        return replace(standing, state="firing", clears=0, clear_at=None, due_at=None)
    return _cleared(rule, standing, at, value)


def repeated(rule: Rule, standing: Standing, value: float | str, at: Ns) -> Standing:
    """How a rule on values that do not change stands after one more sample: a breach is a value that came before it too.

    `active_at` is when the value came first, `breaches` how often it came in a row, as far as that matters.
    """
    if standing.active_at is None or standing.value != value:
        rest = calm(standing) if standing.state in ("ok", "pending") else _cleared(rule, standing, at, value)
        return replace(rest, breaches=1, active_at=at, value=value)
    if standing.state in ("firing", "recovering"):
        return _breached(rule, standing, at, value)
    needed = max(2, rule.consecutive)
    breaches = min(standing.breaches + 1, needed)
    lasted = at - standing.active_at >= rule.hold * SECOND
    return replace(standing, breaches=breaches, state="firing" if breaches == needed and lasted else "pending")


def passed(rule: Rule, standing: Standing) -> Standing:
    """Its time is over: what was pending fires, what was recovering is well."""
    if standing.state == "pending":
        return replace(standing, state="firing", due_at=None)
    if rule.type == "unchanged":  # the value that ended it has come already
        return replace(calm(standing), breaches=standing.breaches, active_at=standing.active_at, value=standing.value)
    return calm(standing)


def well_at(rule: Rule, standing: Standing) -> Ns | None:
    """When a recovering rule is well, if no sample says otherwise; None where more samples must say so first."""
    needed = 1 if rule.resolve is None else rule.resolve.consecutive
    if standing.state != "recovering" or standing.clear_at is None or standing.clears < needed:
        return None
    return standing.clear_at + rule.keep_firing * SECOND


def without(rule: Rule, standing: Standing, choice: str, at: Ns) -> Standing:
    """There is nothing to judge by, or it cannot be asked for; `choice` says what the rule makes of that."""
    match choice:
        case "fire":
            return sampled(rule, standing, "breach", at)
        case "resolve":
            return calm(standing)
        case _:
            return standing


def set_forward(rule: Rule, standing: Standing, gap: Gap) -> Standing:
    """The clock was put forward: what lasts has lasted no longer. Whatever was to be decided before is decided as of then."""
    if standing.due_at is not None and standing.due_at < gap.start:
        return standing
    # A value that ended an alert may be one that sticks from now on.
    counts = standing.state in ("ok", "pending") or rule.type == "unchanged"
    lasting = ("active_at", "clear_at", "due_at") if counts else ("clear_at", "due_at")
    step = gap.end - gap.start
    return replace(standing, **{name: getattr(standing, name) + step for name in lasting if getattr(standing, name) is not None})


def unheard(standing: Standing, gap: Gap, until: Ns | None = None) -> Standing:
    """A sample may have come while we were not listening: what lasts, or is over, is so only if the next one says it too.

    `until`: where none need come any more, for so long it is waited for. Whatever was to be decided before the gap is decided as of then.
    """
    if standing.due_at is None or standing.due_at < gap.start:
        return standing
    return replace(standing, due_at=None if until is None else max(standing.due_at, until))


def misses_silence(rule: Rule) -> bool:
    """Whether a rule on a window judges by how much came, so that it takes a time in which nothing could for one in which nothing did."""
    assert rule.window is not None
    return rule.window.func in _COUNTING or rule.on_no_data != "keep"


def calm(standing: Standing) -> Standing:
    """All is well, and nothing is counted."""
    return Standing(standing.rule, standing.monitor_id)


def same_condition(old: Rule, new: Rule) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in _CONDITION) and book.is_plain(old) == book.is_plain(new)


def recounted(standing: Standing) -> Standing:
    """The condition is another one: counted from zero, and what is open is judged anew at the next sample."""
    if standing.state in ("ok", "pending"):
        return calm(standing)
    return replace(calm(standing), state="firing", active_at=standing.active_at, incident_id=standing.incident_id)


def _breached(rule: Rule, standing: Standing, at: Ns, value: float | str | None) -> Standing:
    breaches = min(standing.breaches + 1, rule.consecutive)
    if standing.state in ("firing", "recovering"):
        reopened = standing.reopened + (standing.state == "recovering")
        return replace(standing, state="firing", breaches=breaches, clears=0, clear_at=None, due_at=None, reopened=reopened)
    since = at if standing.active_at is None else standing.active_at
    counted = replace(standing, breaches=breaches, active_at=since, value=value)
    if breaches < rule.consecutive:
        return replace(counted, state="pending", due_at=None)
    if at - since >= rule.hold * SECOND:
        return replace(counted, state="firing", due_at=None)
    # A window is looked at on its interval, and only then is known whether it still breaches.
    return replace(counted, state="pending", due_at=since + rule.hold * SECOND if rule.window is None else None)


def _cleared(rule: Rule, standing: Standing, at: Ns, value: float | str | None) -> Standing:
    since = at if standing.clear_at is None else standing.clear_at
    counted = replace(standing, state="recovering", clears=standing.clears + 1, clear_at=since, value=value)
    well = well_at(rule, counted)
    if well is not None and well <= at:
        return calm(standing)
    return replace(counted, due_at=well if rule.window is None else None)
