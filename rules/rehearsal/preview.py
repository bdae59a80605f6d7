"""What a rule on a monitor's metrics would have said lately, before anybody makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from rules.rehearsal import recorded
from rules.rehearsal.firings import Firing
from rules.rehearsal.recorded import Pausing
from rules.rehearsal.replay import lead, replay
from store.model import SECOND, Monitor, Ns
from store.points import Points
from store.rule import Rule

LIMIT: Final = 50_000  # pings that are looked at
LISTED: Final = 100  # firings that are told one by one
DAYS: Final = 7  # that are looked at, unless other times are asked for
PERIOD: Final[Ns] = DAYS * 86_400 * SECOND


class Preview(msgspec.Struct, frozen=True):
    """How often the rule would have fired from `start` to `end`. `cut`: there were more pings than are looked at, all before `start`.

    `pings`: how many were looked at. `firings`: the newest ones, the newest first.
    """

    rule: Rule
    start: Ns
    end: Ns
    cut: bool
    pings: int
    fired: int
    firings: tuple[Firing, ...]
    fires_at_end: bool


def since(rule: Rule, monitor: Monitor, start: Ns) -> Ns:
    """From when on the rule must be shown what happened, to stand at `start` as it did."""
    return start - lead([rule], monitor) * SECOND


def preview(points: Points, monitor: Monitor, rule: Rule, pausings: Sequence[Pausing], start: Ns, end: Ns) -> Preview:
    """Look back from `end` to `start`, and before it as far as the rule counts (`since`). Raises PointsError."""
    found, cut = recorded.newest(points, monitor, since(rule, monitor, start), end, LIMIT)
    begin = max(found[0].at, start) if cut and found else start
    replayed = replay(monitor, [rule], found, begin, end, pausings=pausings)
    firings = [firing for firing in replayed.firings if firing.rule is not None]
    return Preview(
        rule,
        begin,
        end,
        begin > start,
        replayed.pings,
        len(firings),
        tuple(reversed(firings[-LISTED:])),
        any(firing.end is None for firing in firings),
    )
