"""Every example in docs/rules.md is read, and every sentence that it quotes is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from rules.lint import lint
from rules.rule_files import RuleErrors, RuleSet, parse
from rules.rule_files.conditions import CONDITIONS
from rules.rule_files.entry import COMMON
from store.rule import RULE_TYPES, WINDOW_FUNCTIONS, OnOwnOutage

DOCUMENT = (Path(__file__).parent.parent / "docs/rules.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
REFUSALS = re.findall(r"^\| `(.+?)` \| (.+) \|$", DOCUMENT[DOCUMENT.index("| written | said |") :], re.MULTILINE)
BASE = {"type": "threshold", "monitor": "m", "metric": "queue", "op": '">"', "value": "100"}


def file(example: str) -> str:
    """An example that shows rules alone as a file."""
    if example.startswith("groups:"):
        return example
    return "groups:\n  - name: g\n    rules:\n" + re.sub("^", "      ", example, flags=re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_read_without_a_doubt(example: str) -> None:
    found = parse(file(example))
    assert found.rules
    assert lint(found.rules) == []


def test_the_examples_show_every_type_and_every_key() -> None:
    found: list[RuleSet] = [parse(file(example)) for example in EXAMPLES]
    assert {rule.type for one in found for rule in one.rules} == set(RULE_TYPES)
    written = "\n".join(EXAMPLES)
    for key in {*COMMON, *(key for condition in CONDITIONS.values() for key in condition.keys)} - {"interval", "project", "on_own_outage"}:
        assert re.search(rf"\b{key}:", written), key
    for word in (*WINDOW_FUNCTIONS, *get_args(OnOwnOutage), *COMMON, "project", "on_own_outage", "interval"):
        assert f"`{word}" in DOCUMENT, word


@pytest.mark.parametrize(("written", "said"), REFUSALS)
def test_every_sentence_that_is_quoted_is_said(written: str, said: str) -> None:
    lines = {key: f"{key}: {value}" for key, value in BASE.items()} | {written.split(":")[0]: written}
    text = "groups:\n  - name: g\n    rules:\n      - alert: A\n" + "".join(f"        {line}\n" for line in lines.values())
    with pytest.raises(RuleErrors) as caught:
        parse(text)
    assert said in [error.sentence.partition(" is no template: ")[2] or error.sentence for error in caught.value.errors]


def test_the_sentences_were_found() -> None:
    assert len(REFUSALS) > 10
    assert len(EXAMPLES) > 8
