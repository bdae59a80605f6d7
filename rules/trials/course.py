"""How Lastbeat's own time goes in a trial: where it is not running, its clock is put forward, or it is behind with its work. Pure.

The times of a trial are those that truly passed since its start, whatever the clock of Lastbeat's machine showed meanwhile. By that clock
pings are stamped and all is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

import msgspec

from store.model import SECOND, Gap, GapReason, Ns

STEP: Final[Ns] = 2 * SECOND  # a shorter one is taken for a moment in which nobody listened
FOREVER: Final[Ns] = 1 << 63


class Down(msgspec.Struct, frozen=True):
    """The server is not running from `start` to `end`."""

    start: Ns
    end: Ns


class Step(msgspec.Struct, frozen=True):
    """The clock is put forward at `at`; back where `by` is less than 0."""

    at: Ns
    by: Ns


class Delay(msgspec.Struct, frozen=True):
    """From `at` on the rules know of everything only `by` later."""

    at: Ns
    by: Ns


class Course:
    """`start`: what the clock shows at the beginning. Downs do not overlap. Everything but stamps is in true time."""

    def __init__(self, start: Ns, downs: Iterable[Down] = (), steps: Iterable[Step] = (), delays: Iterable[Delay] = ()) -> None:
        self._start = start
        self._downs = sorted(downs, key=lambda down: down.start)
        self._steps = _followed(sorted(steps, key=lambda step: step.at))
        self._delays = [Delay(0, 0), *sorted(delays, key=lambda delay: delay.at)]

    def stamp(self, at: Ns) -> Ns:
        """What the clock shows."""
        return self._start + at + sum(step.by for step in self._steps if step.at <= at)

    def is_down(self, at: Ns) -> bool:
        return any(down.start <= at < down.end for down in self._downs)

    def gaps(self) -> list[Gap]:
        """What is put on record of the times in which nobody listened."""
        found = [gap for down in self._downs for gap in self._absence(down)]
        jumps = [step for step in self._steps if not self.is_down(step.at)]
        found += [_gap(self._before(step.at), self.stamp(step.at), "stall" if step.by < STEP else "clock") for step in jumps]
        return sorted(found, key=lambda gap: gap.at)

    def _absence(self, down: Down) -> list[Gap]:
        """What whoever starts then puts on record: also by how much the clock was put forward meanwhile, as early as it can have been."""
        start, end = self._before(down.start), self.stamp(down.end)
        jumped = sum(step.by for step in self._steps if down.start <= step.at < down.end)
        jump = [Gap(end - 1, start, start + jumped, "clock")] if jumped > STEP else []
        return [*jump, _gap(start, end, "restart")]

    def judged(self, at: Ns) -> Ns:
        """Everything stamped before this is judged at that time."""
        at = self._up_to(at)  # who is not running judges nothing
        reached = max(self._up_to(min(at, until)) - delay.by for delay, until in self._spans() if delay.at <= at)
        # Of a time in which nobody listened nothing is judged before it is over, and on record.
        hidden = next((down for down in self._downs if down.start < reached < down.end), None)
        return self.stamp(reached if hidden is None else hidden.start)

    def known(self, stamp: Ns) -> Ns:
        """When the rules know of what has that stamp: as soon as all before it, and it, can be `judged`."""
        at = self._passed(self._true(stamp))
        candidates = ((self._passed(max(delay.at, at + delay.by)), until) for delay, until in self._spans())
        return next(candidate for candidate, until in candidates if candidate <= until)

    def _spans(self) -> Iterator[tuple[Delay, Ns]]:
        """Each delay, and the last moment at which it is in force."""
        return zip(self._delays, [*(delay.at - 1 for delay in self._delays[1:]), FOREVER], strict=True)

    def _up_to(self, at: Ns) -> Ns:
        """How far the server was running by then."""
        return next((down.start for down in self._downs if down.start <= at < down.end), at)

    def _passed(self, at: Ns) -> Ns:
        """The first moment from then on at which the server runs, or just goes down."""
        return next((down.end for down in self._downs if down.start < at < down.end), at)

    def _before(self, at: Ns) -> Ns:
        """What the clock would show, were it not put forward in that moment."""
        return self.stamp(at - 1) + 1

    def _true(self, stamp: Ns) -> Ns:
        """When the clock shows this, or more, for the first time."""
        at = stamp - self._start
        for step in self._steps:
            if at < step.at:
                break
            at = max(step.at, at - step.by)
        return at


def _followed(steps: Sequence[Step]) -> list[Step]:
    """What Lastbeat's clock makes of the machine's: it never goes back. That it goes a little slower then is left out here."""
    ahead = accumulate(accumulate(step.by for step in steps), max, initial=0)
    return [Step(step.at, after - before) for step, (before, after) in zip(steps, pairwise(ahead), strict=True) if after > before]


def _gap(start: Ns, end: Ns, reason: GapReason) -> Gap:
    return Gap(end, start, end, reason)
