"""When a failed delivery is tried again, and when it is given up. Pure."""

from __future__ import annotations

from typing import Final

from store.model import SECOND, Ns

STEPS: Final = (5, 15, 60, 300, 900, 1_800, 3_600)  # seconds; the last one is repeated
MAX_AGE: Final[Ns] = 24 * 3_600 * SECOND


def next_attempt(attempts: int, now: Ns, jitter: float, retry_after: float | None = None) -> Ns:
    """When to try again after `attempts` failures: 5 s, 15 s, 1 min, 5 min, 15 min, 30 min, then hourly.

    `jitter` within [0, 1) spreads receivers over the second half of the step. `retry_after` (seconds, from the receiver) can make the
    wait longer, up to a day, but not shorter: one that always says "at once" would be hammered.
    """
    step = STEPS[min(max(attempts, 1), len(STEPS)) - 1]
    wait = step * SECOND * (1 + jitter) / 2
    asked = min((retry_after or 0.0) * SECOND, MAX_AGE)
    return now + round(max(wait, asked))


def expired(created_at: Ns, now: Ns) -> bool:
    """Whether a message is too old to be of use to anybody."""
    return now - created_at >= MAX_AGE
