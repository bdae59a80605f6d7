"""Whom each word is for: the channels that its rule names, else those of its monitor. Nothing here reads or writes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from rules.case import Word
from store.model import Monitor
from store.rule import Rule

log = logging.getLogger(__name__)

KnownAs = dict[str, Any]  # the name and the labels by which a channel knows an alert that it was told of; empty: by none


class Hearers:
    """Whom words are for, one after the other: a channel that several rules name hears of an incident once, and of its end.

    `notified`: the channels of each monitor, by its id. `named`: those of each project by what rules may call them. `told`: what
    channels know each incident as, of which they were told before.
    """

    def __init__(
        self,
        notified: Mapping[str, Sequence[str]],
        named: Mapping[str, Mapping[str, str]],
        told: Mapping[str, Mapping[str, KnownAs]] | None = None,
    ) -> None:
        self._notified = notified
        self._named = named
        self._told = {incident_id: dict(by_channel) for incident_id, by_channel in (told or {}).items()}

    def of(self, word: Word, monitor: Monitor) -> dict[str, KnownAs]:
        """The channels; each with what it knows the alert by, where the word is of its end."""
        told = self._told.setdefault(word.incident_id, {})
        if not word.opens:
            return told
        new: dict[str, KnownAs] = {channel: {} for channel in self._meant(word.rule, monitor) if channel not in told}
        known_as = {} if word.rule is None or not word.rule.name else {"alert": word.rule.name, "labels": word.rule.labels}
        told |= dict.fromkeys(new, known_as)
        return new

    def _meant(self, rule: Rule | None, monitor: Monitor) -> Sequence[str]:
        if rule is None:
            return self._notified[monitor.id]
        found = meant(rule, self._notified[monitor.id], self._named.get(monitor.project_id, {}))
        if found is None:
            # A message too many, rather than an alarm that nobody hears.
            log.warning("no channel of the project is called %s, which the rule %r names", " or ".join(rule.channels or ()), rule.name)
            return self._notified[monitor.id]
        return found


def meant(rule: Rule, notified: Sequence[str], named: Mapping[str, str]) -> Sequence[str] | None:
    """The channels that the rule tells of a monitor that notifies `notified`; None where it names some, and none of them is there."""
    if rule.channels is None:
        return notified
    found = list(dict.fromkeys(named[name] for name in rule.channels if name in named))
    return found if found or not rule.channels else None
