"""The runs of a job, from their start signals to the success or failure that ends them. Pure functions of (runs, event).

Runs that overlap are told apart by their `rid`, and a signal with one is about that run alone. A run without one is simply the present one:
a second start without a name means that the first never ended, and an end without a name, where no such run goes on, tells that nothing is
running any more (as in Healthchecks).

A signal may be repeated by a client that did not hear our answer, or overtake another on its way. So an ended run is remembered until
no client tries any more: its start comes too late to begin it again, and its end, once more, is no news.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec.structs import replace

from rules import absence
from store.model import SECOND, Gap, Ns, Run

Runs = tuple[Run, ...]
End = Literal["success", "fail"]

LIMIT: Final = 100  # open runs of a monitor that are timed; of more the oldest are given up
GIVEN_UP: Final[Ns] = 24 * 3_600 * SECOND  # who starts and never ends has crashed, and is not shown as running for ever
_TIMED: Final[Ns] = 31 * 24 * 3_600 * SECOND  # an end that comes after all is timed for so long
_REPEATED: Final[Ns] = 120 * SECOND  # `curl -m 10 --retry 5` tries for 91 seconds
_LATE: Final[Ns] = 10 * SECOND  # a start behind the end of its own run; later it is a name that is used again


def running(runs: Runs, now: Ns) -> list[Run]:
    """The runs that go on, the oldest first."""
    # Never given up while somebody waits for its end.
    return [run for run in runs if run.ended_at is None and now < max(run.started_at + GIVEN_UP, 2 * (run.due_at or 0) - run.started_at)]


def running_since(runs: Runs, now: Ns) -> Ns | None:
    """When the oldest of the runs that go on began; None where nothing is running."""
    return next((run.started_at for run in running(runs, now)), None)


def next_due(runs: Runs) -> Run | None:
    """The run that becomes over-long first, of those whose end is waited for."""
    waited = [run for run in runs if run.due_at is not None and run.ended_at is None and not run.let_go]
    return min(waited, key=lambda run: run.due_at or 0) if waited else None


def overlong(runs: Runs, now: Ns) -> list[Run]:
    """The runs that go on for longer than they may, the oldest first."""
    return [run for run in running(runs, now) if run.due_at is not None and run.due_at <= now]


def took(runs: Runs, rid: str | None, at: Ns) -> float | None:
    """How many seconds the run took that an end at `at` ends; None where its start is not known."""
    run = _open(runs, rid)
    return None if run is None else (at - run.started_at) / SECOND


def too_short(runs: Runs, rid: str | None, at: Ns, min_run: int) -> bool:
    """Whether a success at `at` ends a run sooner than it may, or says so once more.

    One whose start is not known is not judged. Whether a clock that was put forward meanwhile took time from it nobody can tell.
    """
    run = _open(runs, rid) or _ended(runs, rid, "success", at)
    if run is None:
        return False
    started_at = run.started_at - run.skipped
    return started_at < (run.ended_at or at) < started_at + min_run * SECOND


def began(runs: Runs, rid: str | None, at: Ns, max_run: int | None) -> Runs:
    """A start signal came at `at`. It begins nothing where it repeats that of a run that goes on, or comes behind the end of its own."""
    runs = _remembered(runs, at)
    known = _named(runs, rid)
    if known is not None and rid is not None and at - (known.ended_at or known.started_at) < (_LATE if known.ended_at else _REPEATED):
        return runs
    others = [run for run in runs if run is not known]
    return _bounded([*others, Run(rid, at, None if max_run is None else at + max_run * SECOND)])


def ended(runs: Runs, rid: str | None, end: End, at: Ns) -> Runs:
    """A success or failure came at `at`: what goes on now, and what is remembered."""
    runs = _remembered(runs, at)
    if rid is None:
        return tuple(run for run in runs if run.ended_at is not None or (_open(runs, None) is not None and run.rid is not None))
    known = _named(runs, rid)
    if known is not None and known.ended_as == end:
        return runs  # said again: what counts is when it was said first
    others = [run for run in runs if run is not known]
    begun = Run(rid, at) if known is None else Run(rid, known.started_at, skipped=known.skipped)
    return _bounded([*others, replace(begun, ended_at=at, ended_as=end)])


def repeats(runs: Runs, rid: str | None, end: End, at: Ns) -> Ns | None:
    """When the run named so ended in this way before, if this is its end once more; else None."""
    known = _ended(runs, rid, end, at)
    return None if known is None else known.ended_at


def begins(runs: Runs, at: Ns) -> bool:
    """Whether a start at `at` was that of a run: not one said again, nor one behind the end of its own."""
    return any(run.started_at == at and run.ended_at is None for run in runs)


def let_go(runs: Runs, due_at: Ns) -> Runs:
    """People know of the runs that are over-long since `due_at`: each is told of once."""
    return tuple(replace(run, let_go=True) if run.due_at is not None and run.due_at <= due_at else run for run in runs)


def after_gap(runs: Runs, gap: Gap) -> Runs:
    """We were not listening. A run that went on may have ended meanwhile, so its end is waited for no more.

    Where the clock was put forward it is as long as it was, and one that was over-long before is so still.
    """
    if gap.reason == "stall":
        return tuple(_held(run, gap) for run in runs)
    if gap.reason == "clock":
        runs = tuple(run if run.ended_at is not None else _set_forward(run, gap) for run in runs)
    if absence.is_brief_step(gap):
        return runs
    return tuple(replace(run, due_at=None, let_go=True) if _may_have_ended(run, gap) else run for run in runs)


def limited(runs: Runs, max_run: int | None, now: Ns) -> Runs:
    """The longest run time was edited. By itself that makes no run over-long: one that would be may take that long from now."""
    return tuple(run if run.ended_at is not None or run.let_go else replace(run, due_at=_due(run, max_run, now), held=0) for run in runs)


def _may_have_ended(run: Run, gap: Gap) -> bool:
    unjudged = run.due_at is None or gap.start <= run.due_at
    return run.ended_at is None and not run.let_go and run.started_at < gap.end and unjudged


def _held(run: Run, gap: Gap) -> Run:
    if run.due_at is None or run.ended_at is not None or run.let_go:
        return run
    more = absence.hold(run.due_at, gap, run.held)
    return replace(run, due_at=run.due_at + more, held=run.held + more) if more else run


def _set_forward(run: Run, gap: Gap) -> Run:
    step = gap.end - gap.start
    due_at = run.due_at + step if run.due_at is not None and run.due_at >= gap.start else run.due_at
    return replace(run, started_at=run.started_at + step, due_at=due_at, skipped=run.skipped + step)


def _due(run: Run, max_run: int | None, now: Ns) -> Ns | None:
    if max_run is None:
        return None
    in_time = run.started_at + max_run * SECOND
    return in_time if in_time > now else now + max_run * SECOND


def _named(runs: Iterable[Run], rid: str | None) -> Run | None:
    return next((run for run in runs if run.rid == rid), None)


def _open(runs: Iterable[Run], rid: str | None) -> Run | None:
    return next((run for run in runs if run.rid == rid and run.ended_at is None), None)


def _ended(runs: Runs, rid: str | None, end: End, at: Ns) -> Run | None:
    known = None if rid is None else _named(_remembered(runs, at), rid)
    return known if known is not None and known.ended_as == end else None


def _remembered(runs: Runs, at: Ns) -> Runs:
    return tuple(run for run in runs if at < (run.started_at + _TIMED if run.ended_at is None else run.ended_at + _REPEATED))


def _bounded(runs: Sequence[Run]) -> Runs:
    """No more than `LIMIT` runs; those that have ended go first, then the oldest."""
    surplus = len(runs) - LIMIT
    if surplus <= 0:
        return tuple(runs)
    gone = sorted(runs, key=lambda run: (run.ended_at is None, run.started_at))[:surplus]
    return tuple(run for run in runs if run not in gone)
