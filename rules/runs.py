"""The runs of a job, from their start signals to the success or failure that ends them. Pure functions of (runs, event).

Runs that overlap are told apart by their `rid`. A run without one is simply the present one: a second start without a name means that
the first never ended. A success or failure that names no run, and a failure of a run that nobody saw begin, tells that nothing is
running any more; a success under a foreign name tells nothing about the others (both as in Healthchecks).

A signal may be repeated by a client that did not hear our answer, or overtake another on its way. So an ended run is remembered until
no client tries any more: its start comes too late to begin it again, and its end, once more, is no news.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec.structs import replace

from store.model import SECOND, Gap, Ns, Run

Runs = tuple[Run, ...]
End = Literal["success", "fail"]

LIMIT: Final = 100  # open runs of a monitor that are timed; of more the oldest are given up
GIVEN_UP: Final[Ns] = 24 * 3_600 * SECOND  # who starts and never ends has crashed; over-long runs are told of long before
_REPEATED: Final[Ns] = 120 * SECOND  # `curl -m 10 --retry 5` tries for 91 seconds


def running(runs: Runs, now: Ns) -> list[Run]:
    """The runs that go on, the oldest first."""
    return [run for run in runs if run.ended_at is None and now < _forgotten_at(run)]


def due(runs: Runs, since: Ns) -> Ns | None:
    """When the next of the runs becomes over-long; people know of those that were so before `since`."""
    return min((run.due_at for run in runs if run.ended_at is None and run.due_at is not None and run.due_at >= since), default=None)


def overlong(runs: Runs, now: Ns) -> list[Run]:
    """The runs that go on for longer than they may, the first that became so first."""
    return sorted((run for run in running(runs, now) if run.due_at is not None and run.due_at <= now), key=lambda run: run.due_at or 0)


def began(runs: Runs, rid: str | None, at: Ns, max_run: int | None) -> Runs:
    """A start signal came at `at`. It starts nothing where the run of that name goes on, or has just ended."""
    runs = _remembered(runs, at)
    if rid is not None and _named(runs, rid) is not None:
        return runs
    others = [run for run in runs if rid is not None or run.rid is not None]
    return _bounded([*others, Run(rid, at, None if max_run is None else at + max_run * SECOND)])


def ended(runs: Runs, rid: str | None, end: End, at: Ns) -> tuple[Runs, float | None]:
    """A success or failure came at `at`: what goes on now, and how many seconds the run took that ended, if one did."""
    runs = _remembered(runs, at)
    found = next((run for run in runs if run.rid == rid and run.ended_at is None), None)
    others = [run for run in runs if run is not found]
    if found is None and (rid is None or end == "fail"):
        others = [run for run in others if run.ended_at is not None]
    if rid is not None and _named(others, rid) is None:
        others.append(Run(rid, at if found is None else found.started_at, None, at, end))
    return _bounded(others), None if found is None else (at - found.started_at) / SECOND


def repeats(runs: Runs, rid: str | None, end: End, at: Ns) -> Ns | None:
    """When the run named so ended in this way before, if this is its end once more; else None."""
    known = None if rid is None else _named(_remembered(runs, at), rid)
    return known.ended_at if known is not None and known.ended_as == end else None


def after_gap(runs: Runs, gap: Gap) -> Runs:
    """We were not listening. A run that went on may have ended meanwhile, so nobody waits for its end any more."""
    return tuple(replace(run, due_at=None) if run.due_at is not None and gap.start <= run.due_at else run for run in runs)


def limited(runs: Runs, max_run: int | None, now: Ns) -> Runs:
    """The longest run time was edited. By itself that makes no run over-long: one that would be may take that long from now."""
    return tuple(run if run.ended_at is not None else replace(run, due_at=_due(run, max_run, now)) for run in runs)


def _due(run: Run, max_run: int | None, now: Ns) -> Ns | None:
    if max_run is None:
        return None
    in_time = run.started_at + max_run * SECOND
    return in_time if in_time > now else now + max_run * SECOND


def _named(runs: Iterable[Run], rid: str) -> Run | None:
    return next((run for run in runs if run.rid == rid), None)


def _remembered(runs: Runs, at: Ns) -> Runs:
    return tuple(run for run in runs if at < (_forgotten_at(run) if run.ended_at is None else run.ended_at + _REPEATED))


def _forgotten_at(run: Run) -> Ns:
    # Never while somebody waits for its end.
    return max(run.started_at + GIVEN_UP, 2 * (run.due_at or 0) - run.started_at)


def _bounded(runs: Sequence[Run]) -> Runs:
    """No more than `LIMIT` runs; those that have ended go first, then the oldest."""
    surplus = len(runs) - LIMIT
    if surplus <= 0:
        return tuple(runs)
    gone = sorted(runs, key=lambda run: (run.ended_at is None, run.started_at))[:surplus]
    return tuple(run for run in runs if run not in gone)
