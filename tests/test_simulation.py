"""Whole lives of Lastbeat against an independent model (`simulation`): what is down is down, once, in time, and is told of in order.

`LASTBEAT_TEST_SEEDS=0:1000` plays others; a failure names its seed, which reproduces it: `PYTHONPATH=tests python -m simulation SEED`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import pytest
from simulation.play import Found, Outcome, play
from simulation.sabotage import BUGS, sabotaged
from simulation.seeds import every

_FIRST, _, _LAST = os.environ.get("LASTBEAT_TEST_SEEDS", "0:120").partition(":")
_ENOUGH = 100  # seeds to find a bug in; most are found in the first few
_SLOTS = "clocks are never changed"  # which only those notice who live by them

pytestmark = pytest.mark.server


def test_whatever_happens_lastbeat_does_what_the_model_does(capsys: pytest.CaptureFixture[str]) -> None:
    seeds = range(int(_FIRST), int(_LAST or int(_FIRST) + 1))
    results = list(every(seeds, jobs=os.cpu_count() or 1))
    outcomes = [result for result in results if isinstance(result, Outcome)]
    with capsys.disabled():
        sys.stdout.write(f" {tally(outcomes)} ")
    assert [result for result in results if not isinstance(result, Outcome)] == []
    if len(seeds) >= 120:
        assert sum(outcome.days for outcome in outcomes) > 2_000
        assert sum(outcome.monitors for outcome in outcomes) > 300


def tally(outcomes: Sequence[Outcome]) -> str:
    names = ("monitors", "pings", "deaths", "turns", "messages")
    counted = ", ".join(f"{sum(getattr(outcome, name) for outcome in outcomes):,} {name}" for name in names)
    return f"{len(outcomes)} seeds, {sum(outcome.days for outcome in outcomes):,.0f} virtual days, {counted}"


@pytest.mark.parametrize("seed", [782, 6474, 8593, 9847])
def test_a_seed_that_failed_once(seed: int) -> None:
    play(seed)


def test_more_than_a_hundred_monitors_at_once() -> None:
    assert play(0, kind="crowd").monitors > 100


def test_a_seed_says_it_all() -> None:
    (elsewhere,) = every([3])  # in another process, whose sets have another order
    assert play(3) == elsewhere


@pytest.mark.parametrize("bug", BUGS)
def test_a_deliberate_bug_is_found(bug: str) -> None:
    with sabotaged(bug):
        assert any(fails(seed, kind="weeks" if bug == _SLOTS else None) for seed in range(_ENOUGH))


def fails(seed: int, kind: str | None) -> bool:
    try:
        play(seed, kind=kind)
    except Found:
        return True
    return False
