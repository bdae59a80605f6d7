"""Down periods and uptime, from transitions."""

from __future__ import annotations

from dashboards.outages import downs, uptime
from store.model import Status, Transition


def history(*changes: tuple[int, Status]) -> list[Transition]:
    return [Transition("mon_1", at, "new", status, "") for at, status in changes]


def test_down_periods_end_with_the_next_change_or_now() -> None:
    assert downs(history((10, "up"), (20, "down"), (30, "up"), (40, "down")), 50) == [(20, 30), (40, 50)]


def test_no_history_was_never_down_and_has_no_uptime() -> None:
    assert downs([], 50) == [] and uptime([], 0, 50) is None


def test_uptime_counts_within_the_period_only() -> None:
    assert uptime(history((0, "up"), (60, "down"), (70, "up")), 50, 100) == 0.8


def test_time_that_nobody_watched_counts_neither_way() -> None:
    assert uptime(history((0, "up"), (10, "paused"), (50, "unverified"), (80, "down"), (90, "up")), 0, 100) == 20 / 30
    assert uptime(history((0, "paused")), 0, 100) is None
