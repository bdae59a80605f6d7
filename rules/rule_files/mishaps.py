"""What people stumble over in YAML itself, in sentences that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from typing import Final

import yaml

from rules.rule_files.complaints import Place

QUOTE_OPERATOR: Final = 'quote the operator: op: "{}"'
QUOTE_TEMPLATE: Final = "a text that begins with `{{` must be quoted, else YAML reads a mapping"
NO_ALIAS: Final = "`*` begins an alias of YAML, which rule files do not have; quote the text, or write out what is meant"
NO_ANCHOR: Final = "`&` begins an anchor of YAML, which rule files do not have; quote the text, or leave the anchor out"
NO_TAG: Final = "`!` begins a tag of YAML, which rule files do not have; quote the text, or leave the tag out"

# YAML takes an unquoted `>` for the beginning of a text and `!=` for a tag, and goes no further at `>=`. So before it reads them they are
# put into letters that mean nothing to it, and that nothing else in the file may have.
_OPERATOR: Final = re.compile(r"(?<![\w-])((?:op|'op'|\"op\")[ ]*:[ ]+)(>=?|!=|=(?![=<>]))")
_LETTERS: Final = str.maketrans(">!=", "\uf7f0\uf7f1\uf7f2")
_BACK: Final = str.maketrans("\uf7f0\uf7f1\uf7f2", ">!=")
_UNREADABLE: Final = re.compile(f"[\uf7f0-\uf7f2]|{yaml.reader.Reader.NON_PRINTABLE.pattern}")


def unreadable(text: str) -> int | None:
    """Where the text has a character that no rule file may have."""
    found = _UNREADABLE.search(text)
    return found and found.start()


def guarded(text: str) -> str:
    """The text with its unquoted operators in letters that YAML leaves alone; every position in it is the same."""
    return _OPERATOR.sub(lambda found: found[1] + found[2].translate(_LETTERS), text)


def unguarded(text: str) -> str:
    return text.translate(_BACK)


def unquoted_operator(text: str) -> str | None:
    """The operator that a scalar of a `guarded` text begins with."""
    found = re.match("[\uf7f0-\uf7f2]+", text)
    return found and unguarded(found[0])


def place(mark: yaml.Mark) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def explained(text: str, error: yaml.MarkedYAMLError) -> tuple[Place, str]:
    """Where the text stops being YAML, and what to do about it. `text`: as it was read."""
    mark = error.problem_mark or error.context_mark
    assert mark is not None  # the parser of a text always knows where it is
    at, sentence = _understood(text, error, mark)
    quoted = _quoted_up_to(text, mark)
    return at, sentence if quoted is None else f"{sentence}; the quote of line {quoted} is closed in this line: is one missing there?"


def _quoted_up_to(text: str, mark: yaml.Mark) -> int | None:
    """The line of a quote that is closed lines later, in that of the mark."""
    found = None
    with suppress(yaml.YAMLError, ValueError, OverflowError, IndexError):  # the text is known to be none of YAML
        for token in takewhile(lambda token: token.start_mark.line < mark.line, yaml.scan(text)):
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"') and token.end_mark.line == mark.line:
                found = token.start_mark.line + 1
    return found


def _understood(text: str, error: yaml.MarkedYAMLError, mark: yaml.Mark) -> tuple[Place, str]:
    start = mark.index - mark.column
    before = text[start : mark.index]
    template = re.search(r"[:-][ ]+(\{\{)", before)
    if template is not None:
        return Place(mark.line + 1, template.start(1) + 1), QUOTE_TEMPLATE
    context, problem = error.context or "", error.problem or ""
    for pattern, at_context, sentence in _KNOWN:
        found = re.search(pattern, f"{context}: {problem}")
        if found is not None:
            at = error.context_mark if at_context and error.context_mark is not None else mark
            return place(at), sentence(found)
    return place(mark), unguarded(f"this is not YAML: {problem[:200]}")


def _said(sentence: str) -> Callable[[re.Match[str]], str]:
    return lambda _: sentence


# What the parser says, whether its context is the place to look at, and what it means.
_KNOWN: Final[tuple[tuple[str, bool, Callable[[re.Match[str]], str]], ...]] = (
    (r"scanning an alias", True, _said(NO_ALIAS)),
    (r"scanning an anchor", True, _said(NO_ANCHOR)),
    (r"found undefined tag handle", False, _said(NO_TAG)),
    (r"found character '\\t'", False, _said("a tab is here where only spaces can be")),
    (r"found character '(.)' that cannot start", False, lambda found: f"a text that begins with `{found[1]}` must be quoted"),
    (r"quoted scalar: found unexpected", True, _said("this quote is never closed")),
    (
        r"double-quoted scalar: (found unknown escape|expected escape sequence)",
        False,
        _said(r"`\` begins an escape in double quotes, and this is none; use single quotes, or write `\\`"),
    ),
    (
        r"mapping values are not allowed",
        False,
        _said("this colon cannot be here: the line is indented too far, or a text with `: ` in it must be quoted"),
    ),
    (
        r"sequence entries are not allowed",
        False,
        _said("a list begins on a line of its own, or is written `[a, b]`; a text that begins with `-` must be quoted"),
    ),
    (r"could not find expected ':'", True, _said("this line is no `key: value`")),
    (r"flow (mapping|sequence): expected ',' or '(.)'", False, lambda found: f"a comma or a `{found[2]}` is missing before this"),
    (r"expected <block end>, but found '<scalar>'", False, _said("the text before this has ended; quote the whole of it")),
    (r"but found '([\]}])'", False, lambda found: f"this `{found[1]}` closes nothing"),
    (r"expected <block end>", False, _said("this is indented like nothing that it could belong to")),
    (r"found '<stream end>'", False, _said("the file ends within a `[` or a `{`")),
)
