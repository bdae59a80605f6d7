"""Runs every measurement, prints it, and adds it to `bench/results.jsonl`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import influx, page, payload, pings, points, tick, windows

RESULTS = Path(__file__).parent / "results.jsonl"
PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "pings": pings.run,
    "tick": tick.run,
    "windows": windows.run,
    "page": page.run,
    "points": points.run,
    "payload": payload.run,
    "influx": influx.run,
}


def main(wanted: list[str]) -> None:
    """Measure the parts named on the command line; without a name all of them."""
    run: dict[str, object] = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": _commit()}
    run |= {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 2)}
    for name in wanted or PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        figures = PARTS[name]()
        run[name] = figures
        for figure, value in figures.items():
            print(f"  {figure:<58} {value:>14,.2f}".replace(".00", "   "))
    with RESULTS.open("a") as results:
        results.write(json.dumps(run) + "\n")
    print(f"recorded in {RESULTS.name}; the machine has {os.cpu_count()} cores, its load was {run['load']} at the start")


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main(sys.argv[1:])
