"""Plays many seeds: `PYTHONPATH=tests python -m simulation 0:10000 --jobs 2`."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field

from simulation.play import Outcome, play
from simulation.seeds import every


@dataclass
class Tally:
    seeds: int
    played: int = 0
    failed: int = 0
    began: float = field(default_factory=time.monotonic)
    days: float = 0
    monitors: int = 0
    pings: int = 0
    deaths: int = 0
    turns: int = 0
    messages: int = 0

    def add(self, outcome: Outcome) -> None:
        for name in ("days", "monitors", "pings", "deaths", "turns", "messages"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))

    def line(self) -> str:
        seeds = f"{self.played} of {self.seeds} seeds, {self.failed} failed"
        lives = f"{self.days:,.0f} days, {self.monitors:,} monitors, {self.pings:,} pings, {self.deaths:,} deaths"
        return f"{seeds}; {lives}, {self.turns:,} transitions, {self.messages:,} messages; {time.monotonic() - self.began:,.0f} s"


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
        sys.stdout.write(f"{play(int(first), kind=asked.kind, only=asked.only)}\n")
        return 0
    return _many(range(int(first), int(last)), asked)


def _many(seeds: range, asked: argparse.Namespace) -> int:
    tally, end = Tally(len(seeds)), "" if sys.stderr.isatty() else "\n"
    for result in every(seeds, asked.kind, asked.jobs):
        tally.played += 1
        if isinstance(result, Outcome):
            tally.add(result)
        else:
            tally.failed += 1
            sys.stdout.write(f"\n{result}\n")
            sys.stdout.flush()
        if sys.stderr.isatty() or tally.played % 200 == 0 or tally.played == len(seeds):
            sys.stderr.write(f"\r{tally.line()}{end}")
        if tally.failed == 10 and not asked.keep_going:
            break
    return int(tally.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
