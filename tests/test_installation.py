from __future__ import annotations

from pathlib import Path

import pytest

from lastbeat.installation import secret_key
from lastbeat.places import Places


def test_the_key_of_sessions_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    places = Places(tmp_path)
    key = secret_key(places)
    assert len(key) == 32
    assert secret_key(places) == key
    assert places.secret_key.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [places.secret_key.name]


@pytest.mark.parametrize("left", [b"", b"half of it"])
def test_a_key_of_sessions_that_a_power_cut_left_short_is_made_anew(tmp_path: Path, left: bytes) -> None:
    places = Places(tmp_path)
    places.secret_key.write_bytes(left)
    key = secret_key(places)
    assert len(key) == 32
    assert secret_key(places) == key
