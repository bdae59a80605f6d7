"""Whole lives of Lastbeat against an independent model (`simulation`): what is down is down, once, in time, and is told of in order.

`LASTBEAT_TEST_SEEDS=0:1000` plays others, of every kind; a failure names its seed, which reproduces it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import count

import pytest
from simulation.play import Found, Outcome, play
from simulation.sabotage import BUGS, sabotaged
from simulation.seeds import every

_JOBS = 2
_ASKED = os.environ.get("LASTBEAT_TEST_SEEDS")


def played(seeds: Sequence[int], kind: str | None) -> float:
    """Plays the seeds; how many virtual days that were."""
    days = 0.0
    for result in every(seeds, kind, _JOBS):
        assert isinstance(result, Outcome), result
        days += result.days
    return days


@pytest.mark.server
@pytest.mark.skipif(_ASKED is not None, reason="other seeds are asked for")
def test_the_engine_does_what_the_model_says_for_thousands_of_days() -> None:
    days = played(range(20), None) + played(range(1_000, 1_110), "weeks") + played(range(2), "crowd")
    print(f"{days:,.0f} virtual days")  # noqa: T201  # shown by `pytest -s`
    assert days > 2_000


@pytest.mark.server
@pytest.mark.skipif(_ASKED is None, reason="LASTBEAT_TEST_SEEDS names no seeds")
def test_the_seeds_that_were_asked_for() -> None:
    first, _, last = (_ASKED or "").partition(":")
    assert played(range(int(first), int(last or int(first) + 1)), None) > 0


@pytest.mark.server
@pytest.mark.parametrize("bug", BUGS)
def test_a_deliberate_bug_is_found(bug: str) -> None:
    for seed in count():
        assert seed < 40, f"forty seeds played well with the bug {bug!r}"
        with sabotaged(bug):
            try:
                play(seed, kind="hours" if seed % 2 else "days")
            except (Found, KeyError):  # one that breaks the audit itself is found, too
                return
