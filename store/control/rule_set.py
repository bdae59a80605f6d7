"""The rules of the YAML files as they were last accepted, whatever became of the files since."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, insert, select

from store.control import settings
from store.control.tables import rules
from store.rule import Rule

_EDITION: Final = "rules_edition"
_REFUSED: Final = "rules_refused"


def edition(connection: Connection) -> str:
    """Names the content of the set: the same rules have the same edition, wherever they are kept. Empty where there never was a set."""
    return settings.get(connection, _EDITION) or ""


def edition_of(accepted: Sequence[Rule]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(accepted))).hexdigest()


def load(connection: Connection) -> list[Rule]:
    """All rules, in the order of their files."""
    rows = connection.execute(select(rules.c.rule).order_by(rules.c.position)).scalars()
    return [msgspec.convert(row, Rule) for row in rows]


def replace(connection: Connection, accepted: Sequence[Rule]) -> None:
    """Let these be the rules."""
    connection.execute(delete(rules))
    rows = [{"uid": rule.uid, "position": n, "rule": msgspec.to_builtins(rule)} for n, rule in enumerate(accepted)]
    if rows:
        connection.execute(insert(rules), rows)
    settings.put(connection, _EDITION, edition_of(accepted))


def refused(connection: Connection) -> list[str]:
    """Why the rule files as they are now are not in force, a sentence for each error; empty where they are."""
    return msgspec.json.decode(settings.get(connection, _REFUSED) or "[]", type=list[str])


def note_refused(connection: Connection, sentences: Sequence[str]) -> None:
    """Remember why the files are refused; without sentences, that they are not."""
    if sentences:
        settings.put(connection, _REFUSED, msgspec.json.encode(list(sentences)).decode())
    else:
        settings.drop(connection, _REFUSED)
