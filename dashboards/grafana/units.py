"""The unit of a metric, guessed from the end of its name."""

from __future__ import annotations

import re
from typing import Final

# What a name ends with, and Grafana's id of the unit; the first that fits counts.
_ENDINGS: Final = (
    (r"_bytes_per_s|_bytes_per_sec|_bytes_per_second", "binBps"),
    (r"_bps|_bits_per_s|_bits_per_second", "bps"),
    (r"_per_s|_per_sec|_per_second|_rps|_qps", "ops"),
    (r"_ns|_nanoseconds", "ns"),
    (r"_us|_microseconds", "µs"),
    (r"_ms|_millis|_milliseconds", "ms"),
    (r"_s|_sec|_secs|_seconds", "s"),
    (r"_min|_mins|_minutes", "m"),
    (r"_h|_hours", "h"),
    (r"_days", "d"),
    (r"_bytes", "bytes"),
    (r"_kb|_kib", "kbytes"),
    (r"_mb|_mib", "mbytes"),
    (r"_gb|_gib", "gbytes"),
    (r"_pct|_percent", "percent"),
    (r"_ratio", "percentunit"),
    (r"_c|_celsius", "celsius"),
    (r"_total|_count", "short"),
)
_COMPILED: Final = [(re.compile(f"(?:{ending})$", re.IGNORECASE), unit) for ending, unit in _ENDINGS]


def unit(key: str) -> str:
    """Grafana's id of the unit that `key` is in; `none` where its name does not tell."""
    return next((unit for ending, unit in _COMPILED if ending.search(key)), "none")


def patterns(behind: str) -> list[tuple[str, str]]:
    """The same guess for a panel that does not know its key: expressions of JavaScript for series called `<key><behind>`, with their unit.

    Of several that fit Grafana takes the last, so they come in reverse.
    """
    return [(f"/(?:{ending}){behind}$/i", unit) for ending, unit in reversed(_ENDINGS)]
