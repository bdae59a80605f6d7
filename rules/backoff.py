"""When a failed delivery is tried again, and when it is given up. Pure."""

from __future__ import annotations

from store.model import SECOND, Ns

_STEPS = (5, 15, 60, 300, 900, 1_800)
_HOUR = 3_600
_MAX_AGE: Ns = 24 * _HOUR * SECOND


def next_attempt(attempts: int, now: Ns, jitter: float, retry_after: float | None = None) -> Ns:
    """When to try again after `attempts` failures: 5 s, 15 s, 1 min, 5 min, 15 min, 30 min, then hourly.

    `jitter` within [0, 1) spreads receivers over the second half of the step. A longer wait that the receiver asked for is granted.
    """
    step = _STEPS[attempts - 1] if attempts <= len(_STEPS) else _HOUR
    wait = max(step * (1 + jitter) / 2, retry_after or 0)
    return now + round(wait * SECOND)


def expired(created_at: Ns, now: Ns) -> bool:
    """Whether a message is too old to be of use to anybody."""
    return now - created_at > _MAX_AGE
