from __future__ import annotations

import pytest

from store.instant import from_iso, iso


def test_iso_is_utc_with_milliseconds_and_never_rounds_up() -> None:
    assert iso(1_700_000_000_123_999_999) == "2023-11-14T22:13:20.123Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000_000_000_000),
    ],
)
def test_iso_times_are_read_with_any_offset(text: str, at: int) -> None:
    assert from_iso(text) == at


def test_a_bad_time_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no time; write it as"):
        from_iso("yesterday")
