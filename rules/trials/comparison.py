"""What was expected of a trial against what came."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from rules.rule_files.complaints import Place
from rules.rule_files.timespan import written
from rules.samples import number
from rules.trials.performance import Alerted, Line, Performance, Seen, described
from rules.trials.trial import Notification, Trial
from store.model import SECOND
from store.rule import Rule

_COMPARABLE: Final = 1_000_000  # pairs; beyond that each is held against the one in its place
_ANY_ORDER: Final = ("channels", "monitors")
_PARTS: Final = ("labels", "annotations")  # of which only what is expected is looked at
_OF_ALERTS: Final = ("state", "health", "value", *_PARTS)
_TOLD: Final = ("kind", "at", "event", "alert", "monitor", *_ANY_ORDER, "reason", "value", *_PARTS)


class Failure(msgspec.Struct, frozen=True):
    """Something that came otherwise. `place`: of the expectation, or of the test where nothing was expected."""

    place: Place
    what: str
    expected: str
    got: str


class Outcome(msgspec.Struct, frozen=True):
    """How a trial ended; without failures all was as expected."""

    trial: Trial
    failures: tuple[Failure, ...]
    timeline: tuple[Line, ...]


def performed(trial: Trial, rules: Sequence[Rule]) -> Outcome:
    performance = Performance(trial, rules)
    failures = [failure for seen in performance.seen for failure in _of_state(seen)]
    if trial.told is not None:
        failures += _of_told(trial, trial.told, performance.told)
    return Outcome(trial, tuple(sorted(failures, key=lambda one: (one.place == trial.place, one.place))), tuple(performance.timeline()))


def _of_state(seen: Seen) -> Iterator[Failure]:
    wanted = seen.expectation
    when = f"at {written(wanted.at // SECOND)}"
    if wanted.status is not None:
        if wanted.status != seen.status:
            yield Failure(wanted.place, f"{when}, {wanted.monitor}", f"status {wanted.status}", f"status {seen.status}")
        return
    differences = [_differences(wanted, alerted, _OF_ALERTS) for alerted in seen.alerts]
    if any(not found for found in differences):
        return
    what = f"{when}, {wanted.alert} of {wanted.monitor}"
    if not differences:
        yield Failure(wanted.place, what, _expected(wanted), f"{wanted.alert} does not watch {wanted.monitor}")
        return
    for found in differences:
        for name, expected, got in found:
            yield Failure(wanted.place, what, f"{name} {expected}", f"{name} {got}")


def _of_told(trial: Trial, wanted: Sequence[Notification], told: Sequence[Notification]) -> Iterator[Failure]:
    for expected, got in _pairs(wanted, told):
        if expected is None and got is not None:
            yield Failure(trial.place, "nothing more was to be told", "nothing", _said(got))
        elif expected is not None and expected.place is not None:
            if got is None:
                yield Failure(expected.place, _said(expected), "that people are told", "they are not")
                continue
            for name, one, other in _differences(expected, got, _TOLD):
                yield Failure(expected.place, _said(got), f"{name} {one}", f"{name} {other}")


def _pairs(wanted: Sequence[Notification], told: Sequence[Notification]) -> Iterator[tuple[Notification | None, Notification | None]]:
    """What belongs together, in order: all that fits, as much as can be, and between that what is left, one by one."""
    i = j = 0
    for fit_i, fit_j in [*_longest(wanted, told), (len(wanted), len(told))]:
        expected, got = list(wanted[i:fit_i]), list(told[j:fit_j])
        for n in range(max(len(expected), len(got))):
            yield expected[n] if n < len(expected) else None, got[n] if n < len(got) else None
        i, j = fit_i + 1, fit_j + 1


def _longest(wanted: Sequence[Notification], told: Sequence[Notification]) -> list[tuple[int, int]]:
    """The longest row of pairs that fit, in the order of both."""
    if len(wanted) * len(told) > _COMPARABLE:
        return [(n, n) for n, (one, other) in enumerate(zip(wanted, told, strict=False)) if not _differences(one, other, _TOLD)]
    lengths = [[0] * (len(told) + 1) for _ in range(len(wanted) + 1)]
    fits = [[not any(_differences(one, other, _TOLD)) for other in told] for one in wanted]
    for i in reversed(range(len(wanted))):
        for j in reversed(range(len(told))):
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if fits[i][j] else max(lengths[i + 1][j], lengths[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < len(wanted) and j < len(told):
        if fits[i][j]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return pairs


def _differences(wanted: Any, got: Alerted | Notification, names: Sequence[str]) -> list[tuple[str, str, str]]:
    """The fields that are expected and are otherwise: each with what was expected and what came."""
    found: list[tuple[str, str, str]] = []
    for name in names:
        expected, came = getattr(wanted, name), getattr(got, name)
        if expected is None:
            continue
        if name in _PARTS:
            found += _different_parts(name, expected, came or {})
        elif not _same(name, expected, came):
            found.append((name, _shown(name, expected), _shown(name, came)))
    return found


def _different_parts(name: str, expected: Mapping[str, str], came: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for key, text in expected.items():
        if came.get(key) != text:
            yield f"{name}.{key}", repr(text), repr(came[key]) if key in came else "none"


def _same(name: str, expected: Any, came: Any) -> bool:
    if name in _ANY_ORDER:
        return sorted(expected) == sorted(came or ())
    if isinstance(expected, float) and isinstance(came, float):
        return math.isclose(expected, came, rel_tol=1e-9)
    return bool(expected == came)


def _shown(name: str, value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if name == "at":
        return written(value // SECOND)
    if name in _ANY_ORDER:
        return ", ".join(value)
    return number(value) if isinstance(value, float) else str(value)


def _said(told: Notification) -> str:
    return described(told) if told.at is None else f"at {written(told.at // SECOND)}, {described(told)}"


def _expected(wanted: Any) -> str:
    return ", ".join(f"{name} {_shown(name, getattr(wanted, name))}" for name in _OF_ALERTS[:3] if getattr(wanted, name) is not None)
