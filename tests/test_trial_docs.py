"""What docs/rules.md says of tests of rules is so, and the tests of examples/rules pass."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import get_args

import pytest

from rules import trials
from rules.rule_files.complaints import Place
from rules.rule_files.nodes import Scalar
from rules.trials import cast, events, notation, script, wanted
from rules.trials.comparison import performed
from rules.trials.trial import Said, Verb
from store.model import KINDS
from store.rule import RuleState

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs/rules.md").read_text()
SECTION = DOCUMENT[DOCUMENT.index("## Testing rules") : DOCUMENT.index("## Replaying the past")]
EXAMPLES = re.findall(r"^```yml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
NOTATION = SECTION[SECTION.index("| written | is |") :].partition("\n\n")[0].splitlines()[2:]


def failures(file: Path) -> list[str]:
    found = trials.read(file)
    assert found.trials
    return [
        f"{one.what}: expected {one.expected}, got {one.got}" for trial in found.trials for one in performed(trial, found.rules).failures
    ]


@pytest.mark.parametrize("file", sorted((ROOT / "examples/rules/tests").glob("*.yml")), ids=lambda path: path.name)
def test_the_rules_of_the_examples_do_what_their_tests_expect(file: Path) -> None:
    assert failures(file) == []


def test_the_example_of_the_document_is_about_the_rules_of_the_examples(tmp_path: Path) -> None:
    (example,) = EXAMPLES
    shutil.copytree(ROOT / "examples/rules", tmp_path / "rules.d")
    (tmp_path / "rules.d/tests/example.yml").write_text(example)
    assert failures(tmp_path / "rules.d/tests/example.yml") == []


@pytest.mark.parametrize("row", NOTATION)
def test_samples_are_what_the_document_says(row: str) -> None:
    written, said = (re.findall("`([^`]+)`", cell) for cell in row.strip("|").split(" | "))
    rows = [(notation.texts if '"' in one else notation.numbers)(Scalar(Place(1, 1), one, "quoted")) for one in written]
    if said:
        expanded = [" ".join(f"{sample:g}" for sample in one) for one in rows]
        assert [one.partition(":")[0] for one in said] == expanded
    else:
        lengths = {"three samples": [3], "one and three that are missing": [1, 3]}.get(row.strip("| ").partition(" | ")[2])
        assert [len(one) for one in rows] == lengths or '"' in row


def test_everything_that_can_be_written_is_in_the_document() -> None:
    words = {*get_args(Verb), *get_args(RuleState), *get_args(Said), *(kind for kind in KINDS if kind not in ("success", "fail"))}
    for word in {*words, *script.KEYS, *cast.KEYS, *events.VERBS, *wanted.OF_ALERTS, *wanted.OF_NOTICES}:
        assert re.search(rf"`{word}[`:]", SECTION), word
