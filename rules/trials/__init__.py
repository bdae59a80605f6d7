"""Tests of rules in YAML files: monitors and what they send, faults, and what is expected of the rules then.

`script` reads a test, `performance` lets the engine's own judgement go through it on a clock of its own, `comparison` says what came
otherwise. What is wrong in a file is said with its line and column, as in rule files.
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Final

import msgspec

from rules import rule_files
from rules.rule_files import Complaint, RuleErrors
from rules.rule_files.complaints import Complaints
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Scalar, compose
from rules.rule_files.scalars import Read, Unfit, name
from rules.trials import script
from rules.trials.trial import Trial as Trial
from store.rule import Rule

_FILE: Final = "{rule_files: [rules.d/*.yml], tests: […]}"
_ELSEWHERE: Final = {
    "evaluation_interval": "is the `interval` of each group of rules",
    "group_eval_order": "has no meaning here: no rule sees what another one says",
    "fuzzy_compare": "has no meaning here",
    "groups": "belongs to rule files, which `rule_files` names",
}


class TrialFile(msgspec.Struct, frozen=True):
    """The tests of one file, and the rules that they are about."""

    file: str
    rules: tuple[Rule, ...]
    trials: tuple[Trial, ...]


def read(path: Path) -> TrialFile:
    """Raises RuleErrors with all that is wrong in the file, and in the rule files that it names."""
    complaints = Complaints(str(path).encode(errors="replace").decode())
    text = rule_files.text_of(path, complaints)
    root = None if text is None else compose(text, complaints)
    if root is None and not len(complaints):
        complaints.add(None, f"is empty; a test file is a mapping, such as `{_FILE}`")
    fields = Fields.of(root, complaints, _FILE)
    rules: tuple[Rule, ...] = ()
    trials: list[Trial] = []
    errors: tuple[Complaint, ...] = ()
    if fields is not None:
        fields.only(("rule_files", "tests"), "a test file", _ELSEWHERE)
        for key in ("rule_files", "tests"):
            fields.require(key, "a test file", _FILE)
        places = fields.take_all("rule_files", _selected(path.parent)) or ()
        if places == () and "rule_files" in fields and not len(complaints):
            fields.complain("rule_files", "names none; give the rules that are tested, as in `rule_files: [rules.d/*.yml]`")
        try:
            rules = rule_files.read(*(path for found in places for path in found)).rules
        except RuleErrors as refused:
            errors = refused.errors
        else:
            trials = _trials(fields, rules)
    if errors or len(complaints):
        raise RuleErrors([*complaints.found(), *errors])
    return TrialFile(complaints.file, rules, tuple(trials))


def _trials(fields: Fields, rules: tuple[Rule, ...]) -> list[Trial]:
    nodes = fields.nodes("tests", f"tests: [{script.EXAMPLE}]")
    if not nodes and "tests" in fields:
        fields.complain_of_key("tests", "`tests` has none; a file that tests nothing must not look as if all was well")
    found: list[Trial] = []
    for node in nodes:
        trial = script.read(node, rules, fields)
        if trial is None:
            continue
        twin = next((one for one in found if one.name == trial.name), None)
        if twin is not None:
            fields.complaints.add(trial.place, f"the test in line {twin.place.line} has the same name; give each its own")
        found.append(trial)
    return found


def _selected(folder: Path) -> Read[list[Path]]:
    """The files that a pattern selects, beside the test file or anywhere."""

    def read(scalar: Scalar) -> list[Path]:
        pattern = Path(glob.escape(str(folder))) / name(1_000)(scalar)
        found = sorted(Path(match) for match in glob.glob(str(pattern), recursive=True))  # noqa: PTH207  # the pattern may be absolute
        if not found:
            raise Unfit(f"selects no file; it is looked for from {folder.resolve()} on")
        return found

    return read
