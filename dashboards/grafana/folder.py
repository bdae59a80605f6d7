"""A folder of generated files that somebody else reads while it is written: each file is there as it was, or as it is now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def write(root: Path, files: Mapping[str, str], ours: str) -> list[str]:
    """Make `root` hold the files (text by path within it), and no other that matches the pattern `ours`. Returns the paths that changed.

    Raises OSError. A file that is right already is not touched, and Grafana never sees half of one: it reads what ends in `.json`.
    """
    changed = [path for path, text in files.items() if _text(root / path) != text]
    for path in changed:
        _replace(root / path, files[path])
    gone = sorted({str(path.relative_to(root)) for path in root.glob(ours)} - set(files))
    for path in gone:
        (root / path).unlink()
    return [*changed, *gone]


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
