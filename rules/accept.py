"""Another set of rules comes into force: all of it in one transaction, with what that makes of all that is open.

Heartbeat rules that wait in their own way must begin to wait for everybody they watch, and that may be everybody: it is done afterwards, a
piece at a time, so that nobody else who writes waits long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from rules import expectation, judge, ledger, storm
from rules.book import Book, current, is_plain
from store.control import Control, monitors, projects, rule_set, settings, standings, verdicts
from store.model import Ns
from store.rule import Rule

_CHUNK: Final = 500  # monitors that are judged anew at a time
_ARMING: Final = "rules_arming"


class Arming(msgspec.Struct, frozen=True):
    """The rules that begin to wait, and the last monitor that they wait for already."""

    rules: list[str]
    behind: str = ""


def accept(connection: Connection, rules: Sequence[Rule], base_url: str, now: Ns) -> bool:
    """Let these be the rules. State is kept by their uids; what a rule has open that watches a monitor no more is resolved.

    Returns whether they are others than before. `arm` is to be called afterwards, until it has nothing more to do.
    """
    rules = by_project(connection, rules)
    if rule_set.edition(connection) == rule_set.edition_of(rules):
        return False
    old, new = current(connection), Book(rules)
    before, after = ({rule.uid: rule for rule in book.rules} for book in (old, new))
    anew = [rule for uid, rule in after.items() if uid not in before or not _same(before[uid], rule)]
    changed = [rule.uid for rule in anew if rule.uid in before] + [uid for uid in before if uid not in after]
    concerned = standings.with_incident(connection, changed)
    readdressed = [rule for uid, rule in after.items() if uid in before and before[uid].channels != rule.channels]
    if any(rule.type in ("heartbeat", "status") for rule in [*anew, *readdressed, *(before[uid] for uid in changed)]):
        concerned = sorted({*concerned, *verdicts.down(connection)})  # others may tell of an outage, or nobody any more
    for start in range(0, len(concerned), _CHUNK):
        cases = ledger.load(connection, concerned[start : start + _CHUNK])
        for case in cases.values():
            case.follow([*new.of(case.monitor), *(rule for rule in case.rules if rule.uid not in before)], now)
        ledger.save(connection, cases.values(), base_url, now, held=storm.holding(connection, now))
    # Who waits for the same pings as before waits on: what a gap of ours has granted is not taken back by an edit.
    waiting = {rule.uid for rule in anew if rule.uid in before and expectation.same_rhythm(before[rule.uid], rule)}
    standings.drop_calm(connection, [uid for uid in changed if uid not in waiting])
    rule_set.replace(connection, rules)
    _begin_arming(connection, [rule.uid for rule in anew if rule.type == "heartbeat" and not is_plain(rule)])
    return True


def by_project(connection: Connection, rules: Sequence[Rule]) -> list[Rule]:
    """The rules, with those that are for one project knowing it by its id."""
    ids = {project.name: project.id for project in projects.find(connection)}
    return [rule if rule.project is None else replace(rule, project=ids.get(rule.project, rule.project)) for rule in rules]


def arm(control: Control, base_url: str, now: Ns) -> bool:
    """Let heartbeat rules that are new begin to wait for some more monitors; whether there are others left."""
    with control.read() as connection:
        arming = _arming(connection)
        if not arming.rules:
            return False
        chunk = monitors.ids_behind(connection, arming.behind, _CHUNK)
    with control.begin() as connection:
        cases = ledger.load(connection, chunk)
        for case in cases.values():
            case.arm(arming.rules, now)
        ledger.save(connection, cases.values(), base_url, now)
        if len(chunk) < _CHUNK:
            settings.drop(connection, _ARMING)
        else:
            settings.put(connection, _ARMING, msgspec.json.encode(replace(arming, behind=chunk[-1])).decode())
    return len(chunk) == _CHUNK


def _begin_arming(connection: Connection, rules: Sequence[str]) -> None:
    unfinished = _arming(connection)
    if rules:
        merged = Arming(sorted({*rules, *unfinished.rules}))
        settings.put(connection, _ARMING, msgspec.json.encode(merged).decode())


def _arming(connection: Connection) -> Arming:
    kept = settings.get(connection, _ARMING)
    return Arming([]) if kept is None else msgspec.json.decode(kept, type=Arming)


def _same(old: Rule, new: Rule) -> bool:
    return judge.same_condition(old, new) and (old.match, old.project) == (new.match, new.project)
