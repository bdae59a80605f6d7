"""Another set of rules comes into force: all of it in one transaction, with what that makes of everything that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from rules import judge, ledger
from rules.book import Book, current, is_plain
from store.control import monitors, projects, rule_set, standings
from store.model import Ns
from store.rule import Rule

_CHUNK: Final = 500  # monitors that are judged anew at a time


def accept(connection: Connection, rules: Sequence[Rule], base_url: str, now: Ns) -> bool:
    """Let these be the rules. State is kept by their uids; what a rule has open that watches a monitor no more is resolved.

    Returns whether they are others than before.
    """
    ids = {project.name: project.id for project in projects.find(connection)}
    rules = [rule if rule.project is None else replace(rule, project=ids.get(rule.project, rule.project)) for rule in rules]
    if rule_set.edition(connection) == rule_set.edition_of(rules):
        return False
    old, new = current(connection), Book(rules)
    written = {rule.uid for rule in old.rules}
    concerned = _concerned(connection, old, new)
    for start in range(0, len(concerned), _CHUNK):
        cases = ledger.load(connection, concerned[start : start + _CHUNK])
        for case in cases.values():
            case.follow([*new.of(case.monitor), *(rule for rule in case.rules if rule.uid not in written)], now)
        ledger.save(connection, cases.values(), base_url, now)
    rule_set.replace(connection, rules)
    return True


def _concerned(connection: Connection, old: Book, new: Book) -> list[str]:
    """The monitors for which another set of rules may change how one stands."""
    before, after = ({rule.uid: rule for rule in book.rules} for book in (old, new))
    anew = [rule for uid, rule in after.items() if uid not in before or not _same(before[uid], rule)]
    if any(rule.type == "heartbeat" and not is_plain(rule) for rule in anew):
        return sorted(monitors.names(connection))  # such a rule waits for everybody's next ping from now on
    changed = [rule.uid for rule in anew] + [uid for uid in before if uid not in after]
    return list(dict.fromkeys(standing.monitor_id for standing in standings.of_rules(connection, changed)))


def _same(old: Rule, new: Rule) -> bool:
    return judge.same_condition(old, new) and (old.match, old.project) == (new.match, new.project)
