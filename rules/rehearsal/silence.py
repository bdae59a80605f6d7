"""How long evaluations of rules on windows say what the one before said, while no number is in any window. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from rules import judge
from rules.case import Case
from store.model import SECOND, Ns
from store.rule import Rule, Standing

_FOREVER: Final[Ns] = 2**63 - 1


def lasts(cases: Iterable[Case], rules: Iterable[Rule]) -> Ns:
    """From when on an evaluation may change something again. The newest one was without any number."""
    # What keeps or resolves has done so by now.
    firing = {rule.uid for rule in rules if rule.on_no_data == "fire"}
    watching = ((case, rule) for case in cases if case.beat.status != "paused" for rule in case.rules if rule.uid in firing)
    return min((_changes(rule, case.standings.get(rule.uid)) for case, rule in watching), default=_FOREVER)


def _changes(rule: Rule, standing: Standing | None) -> Ns:
    """When the standing with a rule that silence makes fire becomes another one; 0: at the next evaluation, perhaps."""
    if standing is None or standing.active_at is None:
        return 0
    again = replace(judge.sampled(rule, standing, "breach", standing.active_at), health="no_data")
    if again != standing:
        return 0  # breaches are still counted
    return standing.active_at + rule.hold * SECOND if standing.state == "pending" else _FOREVER
