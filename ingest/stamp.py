"""Stamps: when a ping was received, unique over all workers and strictly rising within one."""

from __future__ import annotations

from collections.abc import Callable

from store.model import Ns

SLOTS = 1_000  # the last three digits of a stamp name the worker


class Stamps:
    """The allocator of one worker: `max(now_us, last_us + 1) * 1000 + slot`. Goes on rising when the clock steps back."""

    def __init__(self, clock: Callable[[], Ns], slot: int, after: Ns = 0) -> None:
        """Stamps will be later than `after`: the newest stamp or mark that this slot ever gave."""
        assert 0 <= slot < SLOTS
        self._clock = clock
        self._slot = slot
        self._last_us = -(-after // 1_000)

    def now(self) -> Ns:
        """The clock's time, which unlike a stamp may stand still or be repeated."""
        return self._clock()

    def next(self) -> Ns:
        self._last_us = max(self._clock() // 1_000, self._last_us + 1)
        return self._last_us * 1_000 + self._slot
