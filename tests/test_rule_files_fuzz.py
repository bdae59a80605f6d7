"""Whatever stands in a rule file, it is read or refused with sentences."""

from __future__ import annotations

import re
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rule_files import REFUSED, marked

from config.settings import SHIPPED_RULES
from rules.rule_files import Complaint, RuleErrors, RuleSet, parse

TEXTS = [marked(text)[0] for text, *_ in REFUSED] + [SHIPPED_RULES.read_text()]
PIECES = [
    *"-?:,[]{}#&*!|>'\"%@` \n\t\\=<",
    "\n  ",
    "\n      - ",
    ": ",
    "{{",
    "}}",
    "op: ",
    ">=",
    "!=",
    "---\n",
    "...\n",
    "<<: ",
    "&a ",
    "*a ",
]
PIECES += [
    "\r\n",
    "\x85",
    "\u2028",
    "\ufeff",
    "\0",
    "\ud800",
    "\uf7f0",
    "1e999",
    ".inf",
    "010",
    "1:30",
    "~",
    "yes",
    "\\U00110000",
    "%YAML 1.1\n",
]
PIECES += [
    "groups:",
    "rules:",
    "type: threshold",
    "match: {all: true}",
    "schedule: ",
    "* * * * *",
    "annotations:",
    "{% for a in $labels %}",
]


def check(text: str) -> None:
    errors = refusals(text)
    lines = len(re.split("\r\n|[\n\r\x85\u2028\u2029]", text))
    for error in errors:
        assert error.line is not None and 1 <= error.line <= lines, error
        assert error.column is not None and error.column >= 1, error
        assert 0 < len(error.sentence) < 3_000


def refusals(text: str) -> tuple[Complaint, ...]:
    try:
        found = parse(text, "f.yml")
    except RuleErrors as refused:
        return refused.errors
    assert msgspec.json.decode(msgspec.json.encode(found), type=RuleSet) == found
    return ()


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    check(text)


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from(TEXTS), st.randoms(), st.integers(1, 4))
def test_a_rule_file_with_accidents_is_read_or_refused(text: str, chance: Random, accidents: int) -> None:
    for _ in range(accidents):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 0, 1, 5, 30)))
        text = text[:start] + chance.choice(PIECES) * chance.choice((1, 1, 1, 20)) + text[end:]
    check(text)
