from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.instant import exact_iso, from_iso, iso


def test_iso_is_utc_with_milliseconds_and_never_rounds_up() -> None:
    assert iso(1_700_000_000_123_999_999) == "2023-11-14T22:13:20.123Z"
    assert iso(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000_000_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-14 23:13:20,1234567+01:00", 1_700_000_000_123_456_700),
        ("20231114T221320.12345678", 1_700_000_000_123_456_780),
        ("2023-11-14T22:13:20.1234567891Z", 1_700_000_000_123_456_789),
        ("2023-11-14T23:13:20+01:00:00.000000789", 1_700_000_000_000_000_000),
    ],
)
def test_iso_times_are_read_with_any_offset(text: str, at: int) -> None:
    assert from_iso(text) == at


@given(at=st.integers(0, 2**63 - 1))
def test_an_exact_time_is_read_back_to_the_nanosecond(at: int) -> None:
    assert from_iso(exact_iso(at)) == at


def test_an_exact_time_has_more_digits_only_where_it_needs_them() -> None:
    assert exact_iso(1_700_000_000_123_000_000) == "2023-11-14T22:13:20.123Z"
    assert exact_iso(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"


def test_a_bad_time_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="'yesterday' is no time; write it as"):
        from_iso("yesterday")
