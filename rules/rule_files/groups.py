"""A rule file: its groups, and the rules in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rules.rule_files import entry, labels
from rules.rule_files.complaints import Complaints, Place
from rules.rule_files.entry import Found, Group
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Node, Scalar, compose
from rules.rule_files.scalars import Unfit, name
from rules.rule_files.timespan import duration

SIZE_LIMIT: Final = 1 << 20
TOO_LARGE: Final = "the file is larger than 1 MiB; write several"

_DAY: Final = 86_400
_FILE: Final = "groups: [{name: backups, rules: […]}]"
_GROUP: Final = "{name: backups, rules: […]}"
_IN_A_GROUP: Final = dict.fromkeys(("name", "interval", "labels", "project", "rules"), f"belongs to a group: `{_FILE}`")
_IN_A_RULE: Final = dict.fromkeys(("alert", "type", "match", "monitor", "for", "annotations", "channels"), "belongs to a rule, in `rules`")
_OF_PROMETHEUS: Final = dict.fromkeys(("limit", "query_offset"), "is a key of Prometheus that has no meaning here")


def read(text: str, complaints: Complaints) -> list[Found]:
    """The rules of a file, but for those that there is something to complain about."""
    if len(text) > SIZE_LIMIT:
        complaints.add(None, TOO_LARGE)
        return []
    root = compose(text, complaints)
    fields = Fields.of(root, complaints, _FILE)
    if fields is None:
        return []
    fields.only(("version", "groups"), "a rule file", _IN_A_GROUP | _IN_A_RULE)
    fields.take("version", _version)
    names: dict[str, Place] = {}
    return [found for node in fields.nodes("groups", _FILE) for found in _group(node, names, complaints)]


def _group(node: Node | None, names: dict[str, Place], complaints: Complaints) -> Iterator[Found]:
    """`names`: where the groups stand that came before."""
    fields = Fields.of(node, complaints, _GROUP)
    if fields is None:
        return
    fields.only(("name", "interval", "labels", "project", "rules"), "a group", _IN_A_RULE | _OF_PROMETHEUS)
    fields.require("name", "a group", "name: backups")
    called = fields.take("name", name())
    if called is not None and names.setdefault(called, fields.place) != fields.place:
        fields.complain("name", f"is the group in line {names[called].line}, too; give each its own name")
    group = Group(
        called or "",
        fields.take("project", name()),
        fields.take("interval", duration(10, _DAY)) or 60,
        labels.read_labels(fields),
    )
    for rule in fields.nodes("rules", "rules: [{alert: MonitorDown, type: heartbeat, match: {all: true}}]"):
        found = entry.read(rule, group, complaints)
        if found is not None:
            yield found


def _version(scalar: Scalar) -> int:
    if scalar.text != "1":
        raise Unfit("is not known; this Lastbeat reads version 1")
    return 1
