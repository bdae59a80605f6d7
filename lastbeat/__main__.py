"""`python -m lastbeat`, and what the installed command `lastbeat` calls."""

from __future__ import annotations

from lastbeat.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
