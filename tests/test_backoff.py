from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.backoff import expired, next_attempt
from store.model import SECOND

NOW = 1_700_000_000 * SECOND + 123
DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("attempts", "step"), [(1, 5), (2, 15), (3, 60), (4, 300), (5, 900), (6, 1_800), (7, 3_600), (8, 3_600), (500, 3_600)]
)
def test_the_steps_grow_to_an_hour_and_jitter_takes_up_to_half_of_them(attempts: int, step: int) -> None:
    assert next_attempt(attempts, NOW, 0.0) == NOW + step * SECOND // 2
    assert next_attempt(attempts, NOW, 0.5) == NOW + step * SECOND * 3 // 4
    assert next_attempt(attempts, NOW, 0.999999) == pytest.approx(NOW + step * SECOND, abs=step * 1_000)


def test_no_attempt_yet_waits_like_one() -> None:
    assert next_attempt(0, NOW, 0.0) == next_attempt(1, NOW, 0.0)


@pytest.mark.parametrize(("retry_after", "waits"), [(None, 30), (0.0, 30), (29.5, 30), (90.5, 90.5), (7_200.0, 7_200)])
def test_a_longer_wait_that_was_asked_for_is_granted_and_a_shorter_is_not(retry_after: float | None, waits: float) -> None:
    assert next_attempt(3, NOW, 0.0, retry_after) == NOW + round(waits * SECOND)


@pytest.mark.parametrize("retry_after", [86_401.0, 1e300, math.inf])
def test_nobody_can_ask_for_more_than_a_day(retry_after: float) -> None:
    assert next_attempt(1, NOW, 0.0, retry_after) == NOW + DAY


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, allow_nan=False))
def test_the_next_attempt_is_seconds_to_a_day_away(attempts: int, jitter: float, retry_after: float | None) -> None:
    assert NOW + 5 * SECOND // 2 <= next_attempt(attempts, NOW, jitter, retry_after) <= NOW + DAY


def test_a_message_is_of_no_use_after_a_day() -> None:
    assert not expired(NOW, NOW)
    assert not expired(NOW, NOW + DAY - 1)
    assert expired(NOW, NOW + DAY)


def test_two_dozen_and_more_attempts_fit_into_the_day() -> None:
    attempts, now = 0, NOW
    while not expired(NOW, now):
        attempts += 1
        now = next_attempt(attempts, now, 0.999)
    assert attempts == 30
