"""Why pings cannot be stored, for people."""

from __future__ import annotations

from pathlib import Path


def explained(error: Exception, directory: Path) -> str:
    """A sentence that says what failed, where, and what to do."""
    return f"the ping cannot be stored now: {error} (in {directory})"
