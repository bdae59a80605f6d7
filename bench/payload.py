"""What reading a ping's body costs: nanoseconds a call, for each way a body can take."""

from __future__ import annotations

import json
import time
from typing import Final

from ingest.payload import LOG_LIMIT, read

METRICS: Final = {
    "duration_ms": 1234,
    "records_processed": 500,
    "cpu_pct": 12.5,
    "memory_mb": 512.25,
    "queue_size": 17,
    "errors": 0,
    "retries": 2,
    "status": "complete",
    "host": "worker-17",
    "version": "2.14.3",
    "batch": "nightly",
}
JSON: Final = "application/json"
BODIES: Final = {
    "empty": (b"", ""),
    "metrics_214_bytes": (json.dumps(METRICS).encode(), JSON),
    "metrics_with_colons_and_commas_in_a_text": (json.dumps({**METRICS, "note": "12:30, 12:31, 12:32"}).encode(), JSON),
    "metrics_without_the_header": (json.dumps(METRICS).encode(), "application/x-www-form-urlencoded"),
    "metrics_refused": (json.dumps({**METRICS, "ok": True}).encode(), JSON),
    "log_of_200_bytes": (b"line of a log\n" * 14, "text/plain"),
    "log_of_100_kB": (b"line of a log\n" * 7_000, "text/plain"),
}
CALLS: Final = 20_000


def run() -> dict[str, float]:
    """Best of 5 rounds each."""
    assert len(BODIES["log_of_100_kB"][0]) > LOG_LIMIT
    return {f"ns_{name}": min(_ns(*BODIES[name]) for _ in range(5)) for name in BODIES}


def _ns(body: bytes, content_type: str) -> float:
    start = time.perf_counter_ns()
    for _ in range(CALLS):
        read(body, content_type)
    return round((time.perf_counter_ns() - start) / CALLS)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
