"""What a rule is known by. Its state is kept under its uid, so that may only change where it becomes another rule."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from store.rule import Match, RuleType

# Metric alerts keep their state under ids that begin so, in the same place.
TAKEN: Final = "alr_"


def uid(project: str | None, group: str, alert: str, kind: RuleType, match: Match) -> str:
    """The uid of a rule that was given none: the same whatever its thresholds, labels, annotations and place in the files are."""
    selected = [match.all, *(sorted(set(names)) for names in (match.monitors, match.tags, match.except_monitors, match.except_tags))]
    known_by = json.dumps([project, group, alert, kind, selected])
    return f"rule_{hashlib.sha256(known_by.encode()).hexdigest()[:16]}"
