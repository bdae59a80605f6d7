"""Rules in YAML files: read strictly, with all that is wrong in all files said at once, each thing with its line and column.

`nodes` reads YAML as it is written, `groups` and `entry` make rules of it, `fields` is how they take a mapping apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from rules.rule_files import groups, identity
from rules.rule_files.complaints import Complaint as Complaint
from rules.rule_files.complaints import Complaints
from rules.rule_files.complaints import RuleErrors as RuleErrors
from rules.rule_files.entry import Found
from rules.rule_files.nodes import place_of
from store.rule import Rule

_NONE: Final = "holds no *.yml and no *.yaml file; where no rules are wanted, one with `groups: []` says so"


class RuleSet(msgspec.Struct, frozen=True):
    """All rules, in the order of their files; and the files, those without rules too."""

    rules: tuple[Rule, ...]
    files: tuple[str, ...]


def paths(place: Path) -> list[Path]:
    """The rule files at a place: the `*.yml` and `*.yaml` of a directory by name, or the one file that it is. Raises OSError.

    A link to nowhere is one of them: it is an error, and no reason to take the rules behind it for removed.
    """
    if not place.is_dir():
        return [place]
    named = (path for path in place.iterdir() if path.suffix in (".yml", ".yaml") and not path.name.startswith("."))
    return sorted(path for path in named if path.is_file() or not path.exists())


def read(*places: Path) -> RuleSet:
    """The rules of files and directories, as one set. Raises RuleErrors with all that is wrong with it."""
    complaints: list[Complaint] = []
    found: list[Found] = []
    files = _files(places, complaints)
    for path, file in files:
        mine = Complaints(file)
        text = text_of(path, mine)
        found += [] if text is None else groups.read(text, mine)
        complaints += mine.found()
    return _set(found, [file for _, file in files], complaints)


def parse(text: str, file: str = "rules.yml") -> RuleSet:
    """The rules in a text. Raises RuleErrors with all that is wrong with it, as of a file of that name."""
    mine = Complaints(file)
    found = groups.read(text, mine)
    return _set(found, [file], mine.found())


def _files(places: Iterable[Path], complaints: list[Complaint]) -> list[tuple[Path, str]]:
    """The files at the places, each once, and what they are called in sentences."""
    files: dict[str, tuple[Path, str]] = {}
    for place in places:
        try:
            there = paths(place)
        except OSError as error:
            complaints.append(Complaint(_shown(place), None, None, f"cannot be read: {error.strerror}"))
            continue
        if not there:
            complaints.append(Complaint(_shown(place), None, None, _NONE))
        for path in there:
            files.setdefault(os.path.realpath(path), (path, _shown(path)))
    return list(files.values())


def text_of(path: Path, complaints: Complaints) -> str | None:
    """What the file holds; None where it cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(groups.SIZE_LIMIT + 1)
    except OSError as error:
        complaints.add(None, f"cannot be read: {error.strerror}")
        return None
    if len(data) > groups.SIZE_LIMIT:
        complaints.add(None, groups.TOO_LARGE)
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = place_of(data[: error.start].decode(), error.start)
        complaints.add(at, f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8")
        return None


def _set(found: Sequence[Found], files: list[str], complaints: Iterable[Complaint]) -> RuleSet:
    errors = [*complaints, *_twice(found)]
    if errors:
        order = {file: number for number, file in enumerate(files)}
        raise RuleErrors(sorted(errors, key=lambda one: (order.get(one.file, -1), one.line or 0, one.column or 0)))
    return RuleSet(tuple(one.rule for one in found), tuple(files))


def _twice(found: Iterable[Found]) -> Iterator[Complaint]:
    first: dict[str, Found] = {}
    for one in found:
        rule, other = one.rule, first.setdefault(one.rule.uid, one)
        if other is one:
            continue
        assert rule.file is not None
        where = f"{other.rule.file}:{other.place.line}:{other.place.column}"
        if rule.uid == identity.uid(rule.project, rule.group, rule.name, rule.type, rule.match):
            sentence = f"this is the rule at {where} over again: group, alert, type and monitors are the same; give one of them a `uid`"
        else:
            sentence = f"the uid `{rule.uid}` is also that of the rule at {where}; give each rule its own"
        yield Complaint(rule.file, *one.place, sentence)


def _shown(path: Path) -> str:
    return str(path).encode(errors="replace").decode()
