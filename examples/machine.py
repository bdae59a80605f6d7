"""A real job to try Lastbeat with: pings every few seconds with this machine's load, memory and disk.

    pip install psutil
    python examples/machine.py http://127.0.0.1:8000/ping/<token>            # every 5 seconds
    * * * * * python /path/to/machine.py --once http://…/ping/<token>        # or from cron

A ping that fails is said on standard error and never stops the job: the monitor is there for the job, not the other way round.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request

import psutil


def measured() -> dict[str, float | str]:
    """A flat object of numbers and strings, as a ping carries it: each number becomes a chart."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    return {
        "load_1m": round(psutil.getloadavg()[0], 2),
        "cpu_pct": psutil.cpu_percent(),
        "memory_pct": memory.percent,
        "disk_free_bytes": disk.free,
        "processes": len(psutil.pids()),
        "busiest": max(psutil.process_iter(["name", "cpu_times"]), key=_used).info["name"],
    }


def _used(process: psutil.Process) -> float:
    times = process.info["cpu_times"]
    return float(times.user + times.system) if times else 0.0


def ping(url: str, metrics: dict[str, float | str]) -> None:
    request = urllib.request.Request(url, json.dumps(metrics).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10):
            pass
    except OSError as error:
        print(f"{time.strftime('%H:%M:%S')} the ping did not arrive: {error}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="the monitor's ping URL")
    parser.add_argument("--every", type=float, default=5, metavar="SECONDS", help="time between two pings (default: 5)")
    parser.add_argument("--once", action="store_true", help="ping once and end, for cron")
    options = parser.parse_args()
    psutil.cpu_percent()  # it counts from the call before
    time.sleep(0.2)
    while True:
        ping(options.url, measured())
        if options.once:
            return
        time.sleep(options.every)


if __name__ == "__main__":
    main()
