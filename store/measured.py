"""What a job measures of itself, and by which names. Apart from all else, since a job waits for whoever reports it to load."""

from __future__ import annotations

from typing import Final

DURATION: Final = "duration_s"  # the metric that the duration of a run becomes
MEMORY: Final = "max_memory_bytes"
MEASURED: Final = (DURATION, MEMORY)  # what `lastbeat exec` measures of every command
