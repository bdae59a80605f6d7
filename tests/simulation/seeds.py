"""Many seeds, one after the other or side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from multiprocessing import get_context

import lastbeat  # noqa: F401  # makes the folders of a checkout importable
from simulation.play import Found, Outcome, play

_PLAYED_BY_ONE = 500  # seeds; then the process is another one


def tried(task: tuple[int, str | None]) -> Outcome | str:
    """What came of the seed, or how it failed."""
    seed, kind = task
    try:
        return play(seed, kind=kind)
    except Found as found:
        return str(found)
    except Exception as error:  # noqa: BLE001  # of whatever kind, the others go on
        return f"seed {seed}: {type(error).__name__}: {error}"


def every(seeds: Sequence[int], kind: str | None = None, jobs: int = 1) -> Iterator[Outcome | str]:
    """What came of each, in the order in which they end."""
    with get_context("spawn").Pool(jobs, maxtasksperchild=_PLAYED_BY_ONE) as pool:
        yield from pool.imap_unordered(tried, [(seed, kind) for seed in seeds])
