from __future__ import annotations

import os
from pathlib import Path

import pytest

from store.lock import FileLock, Locked


def test_the_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    first = FileLock(tmp_path / "lock")
    with pytest.raises(Locked, match=f"is held by process {os.getpid()}"):
        FileLock(tmp_path / "lock")
    first.close()
    FileLock(tmp_path / "lock").close()
