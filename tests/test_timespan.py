from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.rule_files.complaints import Place
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Unfit
from rules.rule_files.timespan import YEAR, duration, written

SECONDS = {"y": 31_536_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
CENTURY = 100 * YEAR


def seconds(text: str) -> int | None:
    """None where it is refused."""
    try:
        return duration(0, CENTURY)(Scalar(Place(1, 1), text, "plain"))
    except Unfit:
        return None


@given(st.lists(st.integers(0, 99) | st.none(), min_size=6, max_size=6))
def test_units_add_up_from_the_largest_to_the_smallest(counts: list[int | None]) -> None:
    parts = [(count, unit) for count, unit in zip(counts, SECONDS, strict=True) if count is not None]
    text = "".join(f"{count}{unit}" for count, unit in parts)
    total = sum(count * SECONDS[unit] for count, unit in parts)
    assert seconds(text) == (total if parts and total <= CENTURY else None)


@given(st.permutations(list(SECONDS)), st.integers(1, 6))
def test_units_out_of_order_are_no_duration(units: list[str], number: int) -> None:
    text = "".join(f"1{unit}" for unit in units[:number])
    in_order = units[:number] == sorted(units[:number], key=lambda unit: -SECONDS[unit])
    assert (seconds(text) is not None) is in_order


@given(st.integers(0, YEAR))
def test_what_is_written_is_read_again(total: int) -> None:
    assert seconds(written(total)) == total


@given(st.integers(0, 5_000), st.integers(0, 9))
def test_milliseconds_must_add_up_to_seconds(milliseconds: int, rest: int) -> None:
    total = rest * 1_000 + milliseconds
    assert seconds(f"{rest}s{milliseconds}ms") == (total // 1_000 if total % 1_000 == 0 else None)


@given(st.integers(1, 10**30))
def test_a_number_without_a_unit_is_no_duration(number: int) -> None:
    assert seconds(str(number)) is None
    assert seconds("0") == 0


@given(st.text(max_size=30))
def test_no_other_text_is_a_duration_by_chance(text: str) -> None:
    found = seconds(text)
    assert found is None or (found >= 0 and set(text) <= set("0123456789ywdhms"))
