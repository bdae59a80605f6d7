"""What tests of rules came to, as the XML that build servers read: JUnit's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rules.rule_files import Complaint
from rules.trials.comparison import Failure, Outcome

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML has no way to say


class Suite(NamedTuple):
    """The tests of a file, each with the seconds that it took."""

    file: str
    outcomes: Sequence[tuple[Outcome, float]]


class Refused(NamedTuple):
    """A file that could not be tested, and why."""

    file: str
    errors: Sequence[Complaint]


def document(suites: Sequence[Suite], refused: Sequence[Refused] = ()) -> bytes:
    root = Element("testsuites", _sums([one for suite in suites for one in suite.outcomes], len(refused)))
    for file in refused:
        _error(SubElement(root, "testsuite", {"name": _printable(file.file), **_sums([], 1)}), file)
    for suite in suites:
        element = SubElement(root, "testsuite", {"name": _printable(suite.file), **_sums(suite.outcomes)})
        for outcome, seconds in suite.outcomes:
            _case(element, suite.file, outcome, seconds)
    indent(root)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case(suite: Element, file: str, outcome: Outcome, seconds: float) -> None:
    trial = outcome.trial
    named = {"name": _printable(trial.name), "classname": _printable(file), "file": _printable(file)}
    case = SubElement(suite, "testcase", {**named, "line": str(trial.place.line), "time": f"{seconds:.3f}"})
    if outcome.failures:
        failure = SubElement(case, "failure", {"message": _printable(_sentence(outcome.failures[0]))})
        lines = [f"{file}:{one.place.line}:{one.place.column}: {_sentence(one)}" for one in outcome.failures]
        failure.text = _printable("\n".join(lines))


def _error(suite: Element, refused: Refused) -> None:
    named = _printable(refused.file)
    case = SubElement(suite, "testcase", {"name": named, "classname": named, "file": named, "time": "0.000"})
    error = SubElement(case, "error", {"message": _printable(str(refused.errors[0]))})
    error.text = _printable("\n".join(map(str, refused.errors)))


def _sentence(failure: Failure) -> str:
    return f"{failure.what}: expected {failure.expected}, got {failure.got}"


def _sums(outcomes: Sequence[tuple[Outcome, float]], refused: int = 0) -> dict[str, str]:
    failed = sum(1 for outcome, _ in outcomes if outcome.failures)
    time = f"{sum(seconds for _, seconds in outcomes):.3f}"
    return {"tests": str(len(outcomes) + refused), "failures": str(failed), "errors": str(refused), "time": time}


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("�", text)
