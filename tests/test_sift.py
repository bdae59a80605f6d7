from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.points.sift import NothingTaken, sift


class Server:
    """Takes all numbers but the bad ones; `taken` is what it has, whether a refused request leaves its good part there or not."""

    def __init__(self, bad: set[int], *, partly: bool = False) -> None:
        self.bad = bad
        self.partly = partly
        self.taken: set[int] = set()
        self.requests = 0

    def post(self, batch: Sequence[int]) -> str | None:
        self.requests += 1
        wrong = self.bad.intersection(batch)
        if self.partly or not wrong:
            self.taken.update(set(batch) - wrong)
        return f"bad: {min(wrong)}" if wrong else None


def sifted(server: Server, batch: Sequence[int]) -> list[tuple[int, str]]:
    return sift(batch, server.post(batch) or "", server.post)


@pytest.mark.parametrize("partly", [False, True])
def test_one_bad_line_of_thousands_is_found_in_few_requests(partly: bool) -> None:
    server = Server({3_333}, partly=partly)
    assert sifted(server, range(5_000)) == [(3_333, "bad: 3333")]
    assert server.taken == set(range(5_000)) - {3_333}
    assert server.requests < 30


@given(size=st.integers(2, 60), data=st.data(), partly=st.booleans())
def test_all_bad_lines_are_found_and_all_good_ones_are_taken(size: int, data: st.DataObject, partly: bool) -> None:
    bad = data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=min(size - 1, 7)))
    server = Server(bad, partly=partly)
    assert {item for item, _ in sifted(server, range(size))} == bad
    assert server.taken == set(range(size)) - bad


@pytest.mark.parametrize("size", [1, 2, 7, 5_000])
def test_a_server_that_takes_nothing_convicts_nobody(size: int) -> None:
    server = Server(set(range(size)))
    with pytest.raises(NothingTaken, match="bad: "):
        sifted(server, range(size))
    assert server.requests < 60


def test_a_good_line_that_the_server_stumbled_over_is_taken_in_the_end() -> None:
    server = Server(set())
    assert sift([1, 2, 3, 4], "trouble", _stumbling(server, over=3)) == []
    assert server.taken == {1, 2, 3, 4}


def _stumbling(server: Server, over: int) -> Callable[[Sequence[int]], str | None]:
    left = 2

    def post(batch: Sequence[int]) -> str | None:
        nonlocal left
        if over in batch and left:
            left -= 1
            return "trouble"
        return server.post(batch)

    return post
