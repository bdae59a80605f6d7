"""The plans that a project can be on: those that are shipped, with what an operator's file adds or changes.

A plan of the file replaces the shipped one of its name as a whole. Every refusal is a sentence with the line it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from store.model import Plan

SHIPPED = Path(__file__).with_name("plans.yml")
_NUMBERS = ("ping_seconds", "monitors")
_MOST = 366 * 86_400
_EXAMPLE = "`hobby: {ping_seconds: 300, monitors: 20}`"


def shipped() -> dict[str, Plan]:
    """The plans that there always are, by name."""
    return read(SHIPPED)


def read(path: Path) -> dict[str, Plan]:
    """The plans in a YAML file, by name. Raises ValueError with a sentence."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ValueError(f"{path}, line {line} is not YAML: {error.problem}") from None
    if root is None:
        return {}
    plans: dict[str, Plan] = {}
    for line, name, value in _members(root, path, f"plans such as {_EXAMPLE}"):
        if not re.fullmatch(r"[a-z0-9_-]{1,50}", name):
            raise ValueError(f"{line}: the plan {name!r:.60} needs a name of up to 50 small letters, digits, `_` and `-`")
        if name in plans:
            raise ValueError(f"{line}: the plan `{name}` is there twice; leave one of them out")
        plans[name] = _plan(name, value, path)
    return plans


def _plan(name: str, node: yaml.Node, path: Path) -> Plan:
    numbers: dict[str, Any] = {}
    for line, key, value in _members(node, path, f"the numbers of the plan `{name}`, as in {_EXAMPLE}"):
        if key not in _NUMBERS or key in numbers:
            raise ValueError(f"{line}: the plan `{name}` has `ping_seconds` and `monitors`, each once, and no `{key}` here")
        numbers[key] = _number(line, name, key, value)
    return Plan(name, **numbers)


def _number(line: str, name: str, key: str, node: yaml.Node) -> float | int:
    text = node.value if isinstance(node, yaml.ScalarNode) else ""
    if key == "monitors" and re.fullmatch(r"[0-9]{1,9}", text) and int(text) > 0:
        return int(text)
    if key == "ping_seconds" and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text) and float(text) <= _MOST:
        return float(text)
    accepted = "a whole number from 1" if key == "monitors" else f"seconds from 0 to {_MOST}"
    raise ValueError(f"{line}: `{key}: {text:.40}` of the plan `{name}` is not accepted; give {accepted}")


def _members(node: yaml.Node, path: Path, wanted: str) -> Iterator[tuple[str, str, yaml.Node]]:
    """Where each member of a mapping stands, its key and its value, as they were written: YAML would read some as other things."""
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{path}, line {node.start_mark.line + 1}: there must be {wanted}")
    for key, value in node.value:
        yield f"{path}, line {key.start_mark.line + 1}", str(key.value), value
