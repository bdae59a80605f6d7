"""Who is meant by a name in a trial."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from rules.rule_files.fields import Fields
from rules.rule_files.scalars import meant, name
from rules.trials.trial import Watched

_LISTED: Final = 10


def who(fields: Fields, watched: Mapping[str, Watched], key: str = "monitor") -> str | None:
    """The name of the monitor that is meant: where the trial has but one, it need not be said. None where it was complained about."""
    if key not in fields and len(watched) == 1:
        return next(iter(watched))
    if key not in fields:
        fields.complaints.add(fields.place, f"say which monitor is meant, as in `monitor: {next(iter(watched), 'w1')}`")
        return None
    return known(fields, key, watched, "monitor")


def known(fields: Fields, key: str, names: Collection[str], what: str) -> str | None:
    """The name under the key, if anything is called so. None where it is not there, or was complained about."""
    found = fields.take(key, name())
    if found is None or found in names:
        return found
    others = f"; there {'is' if len(names) == 1 else 'are'} {', '.join(sorted(names)[:_LISTED])}" if names else ""
    fields.complain(key, f"is no {what} of this trial{meant(found, names) or others}")
    return None
