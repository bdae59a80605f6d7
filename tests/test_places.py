from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lastbeat import places
from lastbeat.places import Places


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "shm"
    directory.mkdir()
    monkeypatch.setattr(places, "_MEMORY", directory)
    return directory


def made(root: Path) -> Places:
    found = Places(root)
    found.make()
    found.make_counters()
    return found


def test_counters_are_in_memory_and_private(tmp_path: Path, memory: Path) -> None:
    counters = made(tmp_path / "data").counters
    assert counters.parent == memory
    assert stat.S_IMODE(counters.stat().st_mode) == 0o700
    assert not (tmp_path / "data" / "counters").exists()


def test_every_start_on_a_directory_finds_its_counters_and_no_others(tmp_path: Path, memory: Path) -> None:
    counters = made(tmp_path / "data").counters
    (tmp_path / "link").symlink_to("data")
    assert made(tmp_path / "link").counters == counters
    assert made(tmp_path / "other").counters != counters


@pytest.mark.parametrize("theirs", ["open", "link", "file"])
def test_what_others_put_in_its_place_is_not_used(tmp_path: Path, memory: Path, theirs: str) -> None:
    place = made(tmp_path / "data").counters
    place.rmdir()
    if theirs == "open":
        place.mkdir()
        place.chmod(0o777)
    elif theirs == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.touch(mode=0o700)
    assert made(tmp_path / "data").counters == tmp_path / "data" / "counters"
    assert (tmp_path / "data" / "counters").is_dir()


def test_without_shared_memory_counters_are_with_the_data(tmp_path: Path, memory: Path) -> None:
    memory.rmdir()
    assert made(tmp_path / "data").counters == tmp_path / "data" / "counters"
    assert (tmp_path / "data" / "counters").is_dir()
