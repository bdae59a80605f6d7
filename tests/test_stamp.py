from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingest.stamp import Stamps

US = 1_000


@given(st.lists(st.integers(0, 10**15), min_size=1), st.integers(0, 999), st.integers(0, 10**18))
def test_stamps_rise_whatever_the_clock_does_and_name_their_worker(clock: list[int], slot: int, after: int) -> None:
    times = iter(clock)
    stamps = Stamps(lambda: next(times), slot, after)
    given_out = [stamps.next() for n in range(len(clock))]
    assert given_out[0] > after
    assert all(a < b for a, b in pairwise(given_out))
    assert {stamp % US for stamp in given_out} == {slot}


def test_a_stamp_is_the_time_of_receipt() -> None:
    assert Stamps(lambda: 1_700_000_000_123_456_789, slot=7).next() == 1_700_000_000_123_456_007
