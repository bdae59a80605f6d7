"""The load generator: wrk (Debian's package of that name), one thread, as many connections as asked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


class Load(NamedTuple):
    """Answers per second, the latencies in ms, and answers that were not 2xx."""

    rate: float
    p50: float
    p99: float
    failed: int


def load(url: str, *, connections: int = 64, seconds: int = 4, body: bytes | None = None, folder: Path) -> Load:
    """Ask `url` again and again over kept connections; with a body as POST of JSON."""
    wrk = shutil.which("wrk") or sys.exit("the load generator `wrk` is missing: apt install wrk")
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if body is not None:
        script = folder / "post.lua"
        script.write_text(f'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\nwrk.body=[==[{body.decode()}]==]\n')
        command += ["-s", str(script)]
    said = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Load(float(_found(r"Requests/sec: +([\d.]+)", said)), _ms("50%", said), _ms("99%", said), int(failed[1]) if failed else 0)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def _ms(share: str, said: str) -> float:
    match = re.search(rf"{share} +([\d.]+)(us|ms|s)", said)
    assert match, said
    return float(match[1]) * _UNITS[match[2]]
