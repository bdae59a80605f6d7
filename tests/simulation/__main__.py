"""Plays many seeds: `PYTHONPATH=tests python -m simulation 0:10000 --jobs 2`."""

from __future__ import annotations

import argparse
import sys
import time

from simulation.play import Outcome, play
from simulation.seeds import every


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("seeds", help="first:last, the last one not included, or one seed")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--kind", help="only stories of this kind: hours, days, weeks or crowd")
    parser.add_argument("--only", type=int, help="the number of the one monitor of a single seed whose job pings")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the tenth failure")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition(":")
    if not last:
        print(play(int(first), kind=asked.kind, only=asked.only))
        return 0
    return _many(range(int(first), int(last)), asked)


def _many(seeds: range, asked: argparse.Namespace) -> int:
    began, failures = time.monotonic(), 0
    totals: list[float] = [0] * 6
    for number, result in enumerate(every(seeds, asked.kind, asked.jobs), 1):
        if isinstance(result, Outcome):
            figures = (result.days, result.monitors, result.pings, result.deaths, result.turns, result.messages)
            totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        else:
            failures += 1
            print(f"\n{result}\n", flush=True)
        if sys.stderr.isatty() or number % 500 == 0 or number == len(seeds):
            days, monitors, pings, deaths, turns, messages = totals
            print(
                f"\r{number} of {len(seeds)} seeds, {failures} failed; {days:,.0f} days, {monitors:,.0f} monitors, {pings:,.0f} pings, "
                f"{deaths:,.0f} deaths, {turns:,.0f} transitions, {messages:,.0f} messages; {time.monotonic() - began:,.0f} s",
                end="" if sys.stderr.isatty() else "\n",
                file=sys.stderr,
            )
        if failures == 10 and not asked.keep_going:
            break
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
