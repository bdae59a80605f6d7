"""One contract for every points store (`PointsContract`), then what only the embedded store promises."""

from __future__ import annotations

import math
import re
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influx import DATABASE, Influx

from rules.rehearsal.window_functions import aggregated
from store.model import KINDS, SECOND, Bucket, Kind, Ns, Ping, new_id
from store.points import Away, Points, PointsError, aggregate, connections, embedded, window_queries
from store.points.embedded import EmbeddedPoints
from store.points.influx import FIRST_WINDOW, InfluxPoints
from store.rule import WINDOW_FUNCTIONS, WindowFunction

EPOCH: Ns = 1_700_000_000 * SECOND
YEARS: Ns = 10 * 365 * 86_400 * SECOND
NOW: Ns = EPOCH + 3 * 365 * 86_400 * SECOND


def pinged(monitor: str, count: int, *, start: Ns = EPOCH, **numbers: float) -> list[Ping]:
    """`count` pings a second apart, oldest first, each with the same numbers."""
    return [Ping(start + n * SECOND, monitor, numbers=numbers) for n in range(count)]


SHARED = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)  # one store, and one test for every kind of store
INSTANTS = st.integers(min_value=0, max_value=60).map(lambda n: EPOCH + n)
NUMBERS = st.dictionaries(st.sampled_from("abc"), st.floats(min_value=-1e6, max_value=1e6), max_size=3)
HISTORIES = st.dictionaries(INSTANTS, NUMBERS, max_size=20)


INSTANTS_APART = st.integers(min_value=0, max_value=60).map(lambda n: EPOCH + n * SECOND)
LARGEST = sys.float_info.max
VALUES = st.one_of(st.floats(-1e6, 1e6), st.integers(0, 20).map(float), st.sampled_from([LARGEST, 1.7e308, -1.7e308]))
WATCHED = st.lists(st.dictionaries(INSTANTS_APART, st.one_of(st.floats(-1e6, 1e6), VALUES), max_size=40), min_size=1, max_size=3)


def reckoned(func: WindowFunction, points: list[tuple[Ns, float]]) -> float:
    """What a window function means, without rounding and without a largest number until the end."""
    exact = [Fraction(value) for _, value in points]
    match func:
        case "mean":
            answer = sum(exact) / len(exact)
        case "min":
            answer = min(exact)
        case "max":
            answer = max(exact)
        case "sum":
            answer = sum(exact, start=Fraction())
        case "count":
            answer = Fraction(len(exact))
        case "p95":
            answer = sorted(exact)[math.floor(Fraction(len(exact) * 95, 100) + Fraction(1, 2)) - 1]
        case "rate":
            risen = sum((after - before if after >= before else after for before, after in pairwise(exact)), start=Fraction())
            answer = risen * SECOND / (points[-1][0] - points[0][0])
    return float(max(-Fraction(LARGEST), min(answer, Fraction(LARGEST))))


class PointsContract:
    """A subclass gives the fixture `points`: an open store, empty or not."""

    @pytest.fixture
    def points(self) -> Iterator[Points]:
        raise NotImplementedError

    @pytest.fixture
    def monitor(self) -> str:
        return new_id("mon")

    def test_a_ping_comes_back_as_it_was_written(self, points: Points, monitor: str) -> None:
        ping = Ping(
            EPOCH + 1,
            monitor,
            kind="fail",
            numbers={"load": 0.5, "日本": -1.0},
            texts={"host": "täst\n\"'\\ 🎈"},
            log="line 1\r\nline 2\t" + "日" * 3_000,
            problem="metrics refused: a key twice",
            duration=0.25,
            exit_status=255,
            rid="123e4567-e89b-12d3-a456-426614174000",
            remote_addr="2001:db8::1",
            user_agent="curl/8.5.0 (x; y, z=1)",
        )
        points.write([ping])
        assert points.pings(monitor, limit=10) == [ping]

    def test_a_bare_ping_comes_back_with_nothing_added(self, points: Points, monitor: str) -> None:
        points.write([Ping(EPOCH, monitor)])
        assert points.pings(monitor, limit=10) == [Ping(EPOCH, monitor)]

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_is_kept_even_with_an_empty_log(self, points: Points, monitor: str, kind: str) -> None:
        ping = msgspec.convert(["p", EPOCH, monitor, kind, {}, {}, ""], Ping)
        points.write([ping])
        assert points.pings(monitor, limit=1) == [ping]

    def test_writing_nothing_is_fine(self, points: Points, monitor: str) -> None:
        points.write([])
        assert points.pings(monitor, limit=10) == []
        assert points.count_pings(monitor) == 0

    def test_the_same_ping_written_twice_is_once(self, points: Points, monitor: str) -> None:
        pings = pinged(monitor, 3, load=1.0)
        points.write(pings + pings)
        points.write(pings[1:])
        assert points.count_pings(monitor) == 3
        assert points.pings(monitor, limit=10) == pings[::-1]
        (bucket,) = points.buckets(monitor, ["load"], EPOCH, EPOCH + YEARS, 2 * YEARS)["load"]
        assert bucket.count == 3

    def test_a_ping_written_again_replaces_itself(self, points: Points, monitor: str) -> None:
        points.write([Ping(EPOCH, monitor, numbers={"load": 1.0})])
        points.write([Ping(EPOCH, monitor, numbers={"load": 2.0}, duration=3.0)])
        assert points.pings(monitor, limit=10) == [Ping(EPOCH, monitor, numbers={"load": 2.0}, duration=3.0)]

    def test_the_order_within_a_batch_does_not_matter(self, points: Points, monitor: str) -> None:
        pings = pinged(monitor, 5, load=1.0)
        points.write([pings[3], pings[0], pings[4], pings[1], pings[2]])
        assert points.pings(monitor, limit=10) == pings[::-1]

    @pytest.mark.parametrize(
        ("func", "expected"),
        [("mean", 3.25), ("min", 1.0), ("max", 6.0), ("sum", 13.0), ("count", 4.0), ("p95", 6.0), ("rate", 9.0 / 30)],
    )
    def test_a_window_is_one_number_for_each_monitor(self, points: Points, func: WindowFunction, expected: float) -> None:
        one, other, metric = new_id("mon"), new_id("mon"), new_id("日 key")
        values = [1.0, 4.0, 2.0, 6.0, 1000.0]  # rises by 3, to 2 after it began anew, and by 4; the last one lies behind
        points.write([Ping(EPOCH + n * 10 * SECOND, one, numbers={metric: value, "else": 9.0}) for n, value in enumerate(values)])
        points.write([Ping(EPOCH + n * SECOND, other, numbers={metric: 7.0}) for n in range(2)])
        found = points.window(func, metric, EPOCH, EPOCH + 40 * SECOND)
        calm = {"sum": 14.0, "count": 2.0, "rate": 0.0}.get(func, 7.0)
        assert found.keys() == {one, other}
        assert [count for _, count in (found[one], found[other])] == [4, 2]
        assert [value for value, _ in (found[one], found[other])] == pytest.approx([expected, calm])

    def test_a_window_without_points_has_nobody(self, points: Points, monitor: str) -> None:
        metric = new_id("key")
        points.write([Ping(EPOCH, monitor, numbers={metric: 1.0}, texts={"t": "x"})])
        for func in WINDOW_FUNCTIONS:
            assert points.window(func, metric, EPOCH + 1, EPOCH + SECOND) == {}
            assert points.window(func, metric, EPOCH, EPOCH) == {}
            assert points.window(func, "t", EPOCH, EPOCH + SECOND) == {}
        assert points.window("rate", metric, EPOCH, EPOCH + SECOND) == {}, "one point is no pace"

    @pytest.mark.parametrize(
        ("numbers", "sums"),
        [
            ([1.7e308] * 4, {"mean": 1.7e308, "sum": LARGEST, "rate": 0.0}),
            ([-1.7e308] * 4, {"mean": -1.7e308, "sum": -LARGEST, "rate": 0.0}),
            ([1.7e308, 1.7e308, -1.7e308], {"mean": 1.7e308 / 3, "sum": 1.7e308, "rate": -0.85e308}),
            ([-1.7e308, -1.7e308, 1.7e308], {"mean": -1.7e308 / 3, "sum": -1.7e308, "rate": 1.7e308}),
            ([-1.7e308, 1.7e308], {"mean": 0.0, "sum": 0.0, "rate": LARGEST}),
        ],
    )
    def test_windows_of_numbers_near_the_largest_are_finite_and_right(
        self, points: Points, numbers: list[float], sums: dict[WindowFunction, float]
    ) -> None:
        huge, plain, metric = new_id("mon"), new_id("mon"), new_id("key")
        points.write([Ping(EPOCH + n * SECOND, huge, numbers={metric: number}) for n, number in enumerate(numbers)])
        points.write([Ping(EPOCH + n * SECOND, plain, numbers={metric: 0.1}) for n in range(3)])
        for func, expected in sums.items():
            found = points.window(func, metric, EPOCH, EPOCH + 60 * SECOND)
            assert [found[huge][0], found[plain][0]] == pytest.approx([expected, {"mean": 0.1, "sum": 0.3, "rate": 0.0}[func]]), func
            assert aggregated(func, [(n * SECOND, number) for n, number in enumerate(numbers)]) == pytest.approx(expected), func
            assert [found[huge][1], found[plain][1]] == [len(numbers), 3]

    def test_the_p95_of_few_and_of_many_points_is_the_nearest_rank(self, points: Points) -> None:
        metric, monitors = new_id("key"), {new_id("mon"): count for count in range(1, 62)}
        points.write([Ping(EPOCH + n, monitor, numbers={metric: float(-n)}) for monitor, count in monitors.items() for n in range(count)])
        found = points.window("p95", metric, EPOCH, EPOCH + SECOND)
        assert found == {monitor: (float(math.floor(count * 0.95 + 0.5) - count), count) for monitor, count in monitors.items()}
        assert [found[monitor][0] for monitor, count in monitors.items() if count in (1, 9, 10, 29, 30)] == [0.0, 0.0, 0.0, -1.0, -1.0]

    def test_a_mean_is_between_the_extremes_even_when_the_sum_is_rounded(self, points: Points, monitor: str) -> None:
        metric = new_id("key")
        points.write([Ping(EPOCH + n, monitor, numbers={metric: 0.1}) for n in range(3)])  # 0.30000000000000004 / 3 is more
        assert points.window("mean", metric, EPOCH, EPOCH + SECOND) == {monitor: (0.1, 3)}

    def test_any_text_may_be_a_monitor_or_a_key_of_a_window(self, points: Points) -> None:
        texts = ['"', "'", "\\", "a,b=c d", "100%41", "日本", "🎈", " ", "line\nbreak", "$metric", "'; DROP TABLE numbers; --"]
        end = new_id("end")  # other tests may have written into the same store
        points.write([Ping(EPOCH + n, text + end, numbers={key + end: float(n)}) for n, text in enumerate(texts) for key in texts])
        for key in texts:
            found = points.window("max", key + end, EPOCH, EPOCH + SECOND)
            assert found == {text + end: (float(n), 1) for n, text in enumerate(texts)}

    def test_a_window_of_all_time_may_be_asked_for(self, points: Points, monitor: str) -> None:
        metric = new_id("key")
        points.write([Ping(EPOCH + n, monitor, numbers={metric: 2.0}) for n in range(3)])
        assert points.window("sum", metric, -(10**30), 10**30) == {monitor: (6.0, 3)}

    def test_each_window_is_one_question_whatever_the_number_of_monitors(self, points: Points) -> None:
        metric = new_id("key")
        points.write([Ping(EPOCH + n, monitor, numbers={metric: 1.0}) for monitor in [new_id("mon") for _ in range(30)] for n in range(2)])
        for func in WINDOW_FUNCTIONS:
            before = window_queries._value.get()
            assert len(points.window(func, metric, EPOCH, EPOCH + 60 * SECOND)) == 30
            assert window_queries._value.get() - before == 1, func
        points.window("mean", metric, EPOCH, EPOCH)
        assert window_queries._value.get() - before == 1, "nothing is asked where nothing can be found"

    @settings(max_examples=25, deadline=None, suppress_health_check=SHARED)
    @given(histories=WATCHED, start=INSTANTS_APART, length=st.integers(1, 60).map(lambda n: n * SECOND))
    def test_windows_agree_with_their_definition(self, points: Points, histories: list[dict[Ns, float]], start: Ns, length: Ns) -> None:
        metric, end = new_id("key"), start + length
        of = {new_id("mon"): history for history in histories}
        points.write([Ping(at, monitor, numbers={metric: value}) for monitor, history in of.items() for at, value in history.items()])
        within = {m: [(at, v) for at, v in sorted(history.items()) if start <= at < end] for m, history in of.items()}
        for func in WINDOW_FUNCTIONS:
            expected = {m: known for m, known in within.items() if len(known) > (func == "rate")}
            found = points.window(func, metric, start, end)
            assert {m: count for m, (_, count) in found.items()} == {m: len(known) for m, known in expected.items()}
            for monitor, known in expected.items():
                # Rounded, by as much as the largest of the numbers has no more digits.
                close = pytest.approx(reckoned(func, known), rel=1e-12, abs=1e-12 * max(abs(v) for _, v in known) + 1e-280)
                assert found[monitor][0] == close, (func, known)
                assert aggregated(func, known) == close, (func, known)

    def test_pages_are_newest_first_and_meet_without_overlap(self, points: Points, monitor: str) -> None:
        pings = [Ping(EPOCH + n, monitor, numbers={"n": float(n)}, texts={"t": str(n)}) for n in range(7)]
        points.write(pings)
        pages = [points.pings(monitor, limit=3, offset=offset) for offset in (0, 3, 6, 9)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert [ping for page in pages for ping in page] == pings[::-1]

    def test_before_leaves_out_the_instant_itself(self, points: Points, monitor: str) -> None:
        pings = pinged(monitor, 5)
        points.write(pings)
        assert points.pings(monitor, limit=10, before=pings[3].at) == pings[2::-1]
        assert points.pings(monitor, limit=10, offset=1, before=pings[3].at) == pings[1::-1]
        assert points.count_pings(monitor, before=pings[3].at) == 3
        assert points.count_pings(monitor, before=pings[3].at + 1) == 4
        assert points.count_pings(monitor, before=pings[0].at) == 0

    def test_since_includes_the_instant_itself(self, points: Points, monitor: str) -> None:
        pings = pinged(monitor, 5)
        points.write(pings)
        assert points.pings(monitor, limit=10, since=pings[3].at) == pings[:2:-1]
        assert points.pings(monitor, limit=10, offset=1, before=pings[4].at, since=pings[1].at) == pings[2:0:-1]
        assert points.count_pings(monitor, since=pings[3].at) == 2
        assert points.count_pings(monitor, before=pings[3].at, since=pings[3].at) == 0
        assert points.count_pings(monitor, since=-(10**30)) == 5

    def test_arrivals_are_the_newest_successes_the_oldest_first(self, points: Points, monitor: str) -> None:
        kinds: list[Kind] = ["success", "fail", "success", "start", "success", "log", "success"]
        points.write([Ping(EPOCH + n * SECOND, monitor, kind=kind, numbers={"n": 1.0}, log="x" * 2_000) for n, kind in enumerate(kinds)])
        points.write(pinged(f"{monitor}0", 7))
        assert points.arrivals(monitor, EPOCH, NOW, 10) == [EPOCH + n * SECOND for n in (0, 2, 4, 6)]
        assert points.arrivals(monitor, EPOCH, NOW, 2) == [EPOCH + 4 * SECOND, EPOCH + 6 * SECOND]
        assert points.arrivals(monitor, EPOCH + 2 * SECOND, EPOCH + 6 * SECOND, 10) == [EPOCH + 2 * SECOND, EPOCH + 4 * SECOND]
        assert points.arrivals(monitor, EPOCH + SECOND, EPOCH + SECOND, 10) == points.arrivals("mon_unknown", 0, NOW, 10) == []
        assert len(points.arrivals(monitor, -(10**30), 10**30, 10**30)) == 4

    def test_arrivals_reach_back_over_a_year(self, points: Points, monitor: str) -> None:
        days = [Ping(EPOCH + n * 30 * 86_400 * SECOND, monitor) for n in range(12)]
        points.write(days)
        assert points.arrivals(monitor, EPOCH, NOW, 100) == [ping.at for ping in days]
        assert points.arrivals(monitor, EPOCH, NOW, 3) == [ping.at for ping in days[-3:]]

    def test_pages_reach_back_over_years(self, points: Points, monitor: str) -> None:
        pings = [Ping(EPOCH + n * n * 86_400 * SECOND, monitor) for n in range(30)]
        points.write(pings)
        newest = pings[::-1]
        assert points.pings(monitor, limit=100) == newest
        assert [points.pings(monitor, limit=7, offset=offset) for offset in range(0, 35, 7)] == [newest[n : n + 7] for n in range(0, 35, 7)]

    def test_bounds_include_the_start_and_exclude_the_end(self, points: Points, monitor: str) -> None:
        points.write([Ping(at, monitor, numbers={"n": float(at - EPOCH)}) for at in range(EPOCH, EPOCH + 10)])
        (bucket,) = points.buckets(monitor, ["n"], EPOCH + 3, EPOCH + 6, YEARS)["n"]
        assert (bucket.min, bucket.avg, bucket.max, bucket.count) == (3.0, 4.0, 5.0, 3)
        assert points.buckets(monitor, ["n"], EPOCH + 3, EPOCH + 3, SECOND) == {"n": []}
        assert points.buckets(monitor, ["n"], EPOCH + 6, EPOCH + 3, SECOND) == {"n": []}

    def test_buckets_are_aligned_to_the_epoch_not_to_the_start(self, points: Points, monitor: str) -> None:
        width = 60 * SECOND
        first = EPOCH // width * width
        points.write([Ping(at, monitor, numbers={"n": 1.0}) for at in (first - 1, first, first + width - 1, first + 3 * width)])
        buckets = points.buckets(monitor, ["n"], first - 1, first + YEARS, width)["n"]
        assert [(bucket.at, bucket.count) for bucket in buckets] == [(first - width, 1), (first, 2), (first + 3 * width, 1)]

    def test_every_asked_metric_is_answered_and_no_other(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 2, load=1.0, disk=2.0))
        answer = points.buckets(monitor, ["disk", "never"], EPOCH, EPOCH + YEARS, YEARS)
        assert set(answer) == {"disk", "never"}
        assert answer["never"] == []
        assert points.buckets(monitor, [], EPOCH, EPOCH + YEARS, YEARS) == {}
        assert points.buckets("mon_unknown", ["load"], EPOCH, EPOCH + YEARS, YEARS) == {"load": []}

    def test_a_width_below_one_is_refused(self, points: Points, monitor: str) -> None:
        with pytest.raises(ValueError, match="at least 1 ns wide, not 0"):
            points.buckets(monitor, ["n"], EPOCH, EPOCH + 1, 0)

    def test_bounds_beyond_what_the_store_can_hold_mean_everything(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 2, n=1.0))
        (bucket,) = points.buckets(monitor, ["n"], -(10**30), 10**30, 10**30)["n"]
        assert bucket == Bucket(0, 1.0, 1.0, 1.0, 2)
        assert points.count_pings(monitor, before=10**30) == len(points.pings(monitor, limit=10, before=10**30)) == 2
        assert points.pings(monitor, limit=10**30, offset=10**30) == []

    @settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
    @given(history=HISTORIES, start=INSTANTS, length=st.integers(0, 70), width=st.integers(1, 40))
    def test_buckets_agree_with_a_brute_force_model(
        self, points: Points, history: dict[Ns, dict[str, float]], start: Ns, length: int, width: Ns
    ) -> None:
        monitor, end = new_id("mon"), start + length
        points.write([Ping(at, monitor, numbers=numbers) for at, numbers in history.items()])
        answer = points.buckets(monitor, ["a", "b"], start, end, width)
        for metric in ("a", "b"):
            expected: dict[Ns, list[float]] = defaultdict(list)
            for at, numbers in sorted(history.items()):
                if start <= at < end and metric in numbers:
                    expected[at // width * width].append(numbers[metric])
            assert [bucket.at for bucket in answer[metric]] == list(expected)
            for bucket, values in zip(answer[metric], expected.values(), strict=True):
                assert (bucket.min, bucket.max, bucket.count) == (min(values), max(values), len(values))
                assert bucket.avg == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)
                assert bucket.min <= bucket.avg <= bucket.max

    @settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
    @given(history=HISTORIES, limit=st.integers(1, 10), offset=st.integers(0, 10), before=INSTANTS)
    def test_pages_agree_with_a_brute_force_model(
        self, points: Points, history: dict[Ns, dict[str, float]], limit: int, offset: int, before: Ns
    ) -> None:
        monitor = new_id("mon")
        pings = [Ping(at, monitor, numbers=numbers) for at, numbers in history.items()]
        points.write(pings)
        newest = sorted((ping for ping in pings if ping.at < before), key=lambda ping: -ping.at)
        assert points.pings(monitor, limit=limit, offset=offset, before=before) == newest[offset : offset + limit]
        assert points.count_pings(monitor, before=before) == len(newest)

    def test_a_metric_may_change_between_number_and_text(self, points: Points, monitor: str) -> None:
        pings = [
            Ping(EPOCH, monitor, numbers={"load": 1.0}),
            Ping(EPOCH + 1, monitor, texts={"load": "n/a"}),
            Ping(EPOCH + 2, monitor, numbers={"load": 3.0}),
        ]
        points.write(pings)
        assert points.pings(monitor, limit=10) == pings[::-1]
        (bucket,) = points.buckets(monitor, ["load"], EPOCH, EPOCH + YEARS, 2 * YEARS)["load"]
        assert (bucket.avg, bucket.count) == (2.0, 2)

    def test_monitors_and_metrics_do_not_mix(self, points: Points, monitor: str) -> None:
        others = [f"{monitor}{n}" for n in range(20)]
        for n, other in enumerate([monitor, *others]):
            points.write(pinged(other, 3, a=float(n), ab=float(-n)))
        assert points.pings(others[4], limit=10) == pinged(others[4], 3, a=5.0, ab=-5.0)[::-1]
        (bucket,) = points.buckets(others[4], ["a"], EPOCH, EPOCH + YEARS, 2 * YEARS)["a"]
        assert (bucket.min, bucket.max, bucket.count) == (5.0, 5.0, 3)

    def test_any_text_may_be_a_key_or_a_value(self, points: Points, monitor: str) -> None:
        keys = ['"', "'", "\\", "a,b=c d", "%_", "日本", "🎈", "é", "e\u0301", "A", "a", "x" * 64, " ", "'; DROP TABLE numbers; --"]
        ping = Ping(EPOCH, monitor, numbers=dict.fromkeys(keys, 1.0), texts={key + "t": key for key in keys})
        points.write([ping])
        assert points.pings(monitor, limit=1) == [ping]
        answer = points.buckets(monitor, keys, EPOCH, EPOCH + 1, SECOND)
        assert {key: [bucket.count for bucket in answer[key]] for key in keys} == {key: [1] for key in keys}

    def test_a_lone_surrogate_does_not_stop_the_batch(self, points: Points, monitor: str) -> None:
        points.write([Ping(EPOCH, monitor, texts={"k\ud800": "v\udfff"}, log="x\udc80y"), Ping(EPOCH + 1, monitor)])
        assert points.count_pings(monitor) == 2
        assert points.pings(monitor, limit=1, offset=1)[0].log == "x?y"

    @pytest.mark.parametrize("number", [0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7976931348623157e308, 0.1, 1e15 + 0.5, float(2**60)])
    def test_any_finite_number_comes_back_exactly(self, points: Points, monitor: str, number: float) -> None:
        points.write([Ping(EPOCH, monitor, numbers={"n": number}, duration=abs(number))])
        assert points.pings(monitor, limit=1)[0].numbers == {"n": number}
        (bucket,) = points.buckets(monitor, ["n"], EPOCH, EPOCH + 1, SECOND)["n"]
        assert (bucket.avg, bucket.min, bucket.max) == (number, number, number)

    @pytest.mark.parametrize("numbers", [[1.7e308, 1.7e308], [-1.7e308, -1.7e308], [1.7e308, 1.7e308, -1.7e308], [0.1, 0.1, 0.1]])
    def test_an_average_is_finite_and_between_the_extremes(self, points: Points, monitor: str, numbers: list[float]) -> None:
        points.write([Ping(EPOCH + n, monitor, numbers={"n": number}) for n, number in enumerate(numbers)])
        (bucket,) = points.buckets(monitor, ["n"], EPOCH, EPOCH + 10, YEARS)["n"]
        assert (bucket.min, bucket.max, bucket.count) == (min(numbers), max(numbers), len(numbers))
        assert math.isfinite(bucket.avg)
        assert bucket.min <= bucket.avg <= bucket.max

    def test_forgetting_a_monitor_leaves_the_others(self, points: Points, monitor: str) -> None:
        other = f"{monitor}0"
        points.write(pinged(monitor, 10, a=1.0) + pinged(other, 10, a=1.0))
        while points.forget(monitor, 6):
            pass
        assert points.pings(monitor, limit=10) == []
        assert points.buckets(monitor, ["a"], EPOCH, EPOCH + YEARS, YEARS) == {"a": []}
        assert points.pings(other, limit=10) == pinged(other, 10, a=1.0)[::-1]

    def test_a_forgotten_monitor_may_be_written_again(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 3, a=1.0))
        points.forget(monitor, 100)
        points.write(pinged(monitor, 1, a=2.0))
        assert points.pings(monitor, limit=10) == pinged(monitor, 1, a=2.0)


class TestEmbeddedPoints(PointsContract):
    @pytest.fixture
    def points(self, tmp_path: Path) -> Iterator[Points]:
        store = EmbeddedPoints(tmp_path / "points.sqlite")
        yield store
        store.close()

    def test_expiry_takes_all_that_is_older_in_bounded_chunks(self, points: Points, monitor: str) -> None:
        other = new_id("mon")
        old = [Ping(EPOCH + n, name, numbers={"n": 1.0}, texts={"t": "x"}) for n in range(10) for name in (monitor, other)]
        points.write(old)
        chunks = []
        while gone := points.expire(EPOCH + 7, 8):
            chunks.append(gone)
        assert max(chunks) <= 8
        assert sum(chunks) == 7 * 2 * 3
        assert points.pings(monitor, limit=100) == [ping for ping in old[::-1] if ping.monitor == monitor and ping.at >= EPOCH + 7]
        assert points.buckets(other, ["n"], EPOCH, EPOCH + 100, YEARS)["n"][0].count == 3
        assert points.expire(EPOCH + 7, 8) == 0

    def test_what_is_written_after_expiry_but_older_expires_too(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 5))
        assert points.expire(EPOCH + 3 * SECOND, 100) == 3
        points.write(pinged(monitor, 2))
        assert points.expire(EPOCH + 3 * SECOND, 100) == 2
        assert points.count_pings(monitor) == 2

    def test_an_early_ping_that_was_written_late_expires_too(self, points: Points, monitor: str) -> None:
        pings = pinged(monitor, 5, load=1.0)
        points.write([pings[3], pings[0], pings[4], pings[1], pings[2]])
        assert points.expire(pings[1].at, 100) == 2

    def test_forgetting_goes_in_bounded_chunks(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 10, a=1.0))
        chunks = []
        while gone := points.forget(monitor, 6):
            chunks.append(gone)
        assert max(chunks) <= 6
        assert sum(chunks) == 20

    def test_readers_beside_the_writer_see_whole_batches(self, points: Points, monitor: str) -> None:
        done = threading.Event()

        def read() -> int:
            seen = 0
            while not done.is_set() or not seen:
                assert points.count_pings(monitor) % 10 == 0
                page = points.pings(monitor, limit=30)
                assert all(ping.numbers == {"n": 1.0} for ping in page)
                seen = max(seen, len(page))
            return seen

        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            try:
                for batch in range(30):
                    points.write(pinged(monitor, 10, start=EPOCH + batch * 10 * SECOND, n=1.0))
            finally:
                done.set()
        assert all(reader.result() > 0 for reader in readers)
        assert points.count_pings(monitor) == 300


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    server = Influx(tmp_path_factory.mktemp("influx"))
    yield server.start()
    server.end()


class TestInfluxPoints(PointsContract):
    @pytest.fixture
    def points(self, influx: Influx) -> Iterator[InfluxPoints]:
        store = InfluxPoints(influx.url, DATABASE, "lastbeat", None, lambda: NOW)
        yield store
        store.close()

    def test_no_ping_falls_between_two_windows(self, points: Points, monitor: str) -> None:
        before = EPOCH + 30 * FIRST_WINDOW
        edges = [before - FIRST_WINDOW * windows + n for windows in (7, 3, 1) for n in (-1, 0, 1)]
        pings = [Ping(at, monitor) for at in edges]
        points.write(pings)
        assert points.pings(monitor, limit=100, before=before) == pings[::-1]
        assert points.pings(monitor, limit=100, offset=4, before=before) == pings[4::-1]

    def test_it_expires_nothing_itself(self, points: Points, monitor: str) -> None:
        points.write(pinged(monitor, 3))
        assert points.expire(EPOCH + YEARS, 100) == 0
        assert points.count_pings(monitor) == 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "points.sqlite"


def rows(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    connection.close()
    return int(count)


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 3, a=1.0))
    store.close()
    again = EmbeddedPoints(path)
    again.write(pinged("mon_1", 4, a=1.0)[3:])
    assert again.pings("mon_1", limit=10) == pinged("mon_1", 4, a=1.0)[::-1]
    again.close()
    assert not path.with_name("points.sqlite-wal").exists()


def test_a_reader_may_come_before_the_writer(path: Path) -> None:
    reader, writer = EmbeddedPoints(path), EmbeddedPoints(path)
    assert reader.pings("mon_1", limit=10) == []
    writer.write(pinged("mon_1", 3, a=1.0))
    assert reader.count_pings("mon_1") == 3
    reader.close()
    writer.close()


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    barrier = threading.Barrier(8)

    def opened(n: int) -> EmbeddedPoints:
        barrier.wait()
        store = EmbeddedPoints(path)
        store.write([Ping(EPOCH + n, "mon_1")])
        return store

    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(opened, range(8)))
    assert stores[0].count_pings("mon_1") == 8
    for store in stores:
        store.close()


def new_store(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write([])
    store.close()


def test_its_files_are_private(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    store.close()
    assert {path.name, f"{path.name}-wal"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 1))
    assert store.count_pings("mon_1") == 1
    store.close()


def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    new_store(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PointsError, match=r"points\.sqlite has schema version 99, this program knows up to 2: .* newer Lastbeat"):
        EmbeddedPoints(path).write([])
    assert path.read_bytes() == before


def aged(path: Path) -> None:
    """Make a store's file one of version 1, as it was before windows were asked for."""
    old = sqlite3.connect(path)
    old.executescript("DROP INDEX series_label; PRAGMA user_version = 1;")
    old.close()


def schema(path: Path) -> tuple[int, list[tuple[str]]]:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    statements = connection.execute("SELECT sql FROM sqlite_schema ORDER BY name").fetchall()
    connection.close()
    return version, statements


def test_a_file_of_version_1_becomes_one_of_today_with_all_that_is_in_it(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 3, load=1.0))
    store.close()
    new = schema(path)
    aged(path)
    assert schema(path) != new
    store = EmbeddedPoints(path)
    assert store.pings("mon_1", limit=10) == pinged("mon_1", 3, load=1.0)[::-1]
    assert store.window("sum", "load", EPOCH, EPOCH + YEARS) == {"mon_1": (3.0, 3)}
    store.close()
    assert schema(path) == new


def test_many_may_open_a_file_of_version_1_at_once_while_the_old_program_still_writes(path: Path) -> None:
    new_store(path)
    new = schema(path)
    old = EmbeddedPoints(path)
    old.write([])
    aged(path)
    barrier = threading.Barrier(5)

    def opened(n: int) -> None:
        barrier.wait()
        store = EmbeddedPoints(path) if n else old
        store.write(pinged(f"mon_{n}", 3, load=1.0))
        store.close()

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(opened, range(5)))
    assert schema(path) == new
    assert rows(path, "numbers") == 15


def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE series (theirs)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PointsError, match=r"points\.sqlite is the database of another program"):
        EmbeddedPoints(path).write([])
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_at_every_call_until_it_is_moved_away(path: Path) -> None:
    path.write_bytes(b"surely no database " * 100)
    store = EmbeddedPoints(path)
    sentence = r"points\.sqlite cannot be used: file is not a database; mend the file, or move it away with its -wal and -shm"
    calls: list[Callable[[], object]] = [
        lambda: store.write(pinged("mon_1", 1)),
        lambda: store.pings("mon_1", limit=1),
        lambda: store.buckets("mon_1", ["a"], 0, 1, 1),
        lambda: store.expire(EPOCH, 1),
    ]
    for call in calls * 2:
        with pytest.raises(Away, match=sentence):
            call()
    aside = path.rename(path.with_name("aside"))
    for call in calls:
        call()
    assert store.count_pings("mon_1") == 1
    assert aside.read_bytes() == b"surely no database " * 100
    store.close()


def test_a_file_that_breaks_while_it_is_open_is_told_and_replaced(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 500))
    assert store.count_pings("mon_1") == 500
    store.close()
    store = EmbeddedPoints(path)
    healthy = path.read_bytes()
    path.write_bytes(healthy[:4_096] + b"\xff" * (len(healthy) - 4_096))
    for _ in range(2):
        with pytest.raises(Away, match="cannot be used: database disk image is malformed; mend the file"):
            store.count_pings("mon_1")
        with pytest.raises(Away, match="cannot be used: database disk image is malformed; mend the file"):
            store.write(pinged("mon_1", 1))
    for part in path.parent.glob(f"{path.name}*"):
        part.rename(path.parent / f"aside-{part.name}")
    store.write(pinged("mon_1", 1))
    assert store.count_pings("mon_1") == 1
    store.close()


def test_a_healthy_file_that_is_moved_away_is_not_written_any_more(path: Path) -> None:
    writer, reader = EmbeddedPoints(path), EmbeddedPoints(path)
    writer.write(pinged("mon_1", 5))
    assert reader.count_pings("mon_1") == 5
    for part in path.parent.glob(f"{path.name}*"):
        part.rename(path.parent / f"aside-{part.name}")
    writer.write(pinged("mon_1", 1))
    assert reader.count_pings("mon_1") == writer.count_pings("mon_1") == 1
    reader.close()
    writer.close()


def test_a_directory_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Away, match=r"points\.sqlite cannot be used: unable to open database file"):
        EmbeddedPoints(path).write([])


def test_a_missing_directory_is_named(path: Path) -> None:
    with pytest.raises(Away, match=r"nowhere.points\.sqlite cannot be used: .*No such file or directory"):
        EmbeddedPoints(path.parent / "nowhere" / "points.sqlite").write([])


def test_a_closed_store_says_so(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.close()
    with pytest.raises(PointsError, match=r"points\.sqlite is closed"):
        store.pings("mon_1", limit=1)
    with pytest.raises(PointsError, match=r"points\.sqlite is closed"):
        store.write([])
    store.close()


def test_a_reader_at_work_finishes_after_the_store_was_closed(path: Path) -> None:
    store = EmbeddedPoints(path)
    with store._connections.reading() as reader:
        store.close()
        assert reader.execute("SELECT count(*) FROM pings").fetchone() == (0,)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        reader.execute("SELECT 1")


def test_a_reader_sees_one_moment_of_the_store(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write(pinged("mon_1", 3))
    with store._connections.reading() as reader:
        assert reader.execute("SELECT count(*) FROM pings").fetchone() == (3,)
        store.forget("mon_1", 100)
        assert reader.execute("SELECT count(*) FROM pings").fetchone() == (3,)
    assert store.count_pings("mon_1") == 0
    store.close()


def test_a_batch_that_fails_leaves_nothing_and_the_store_goes_on(path: Path) -> None:
    store = EmbeddedPoints(path)
    with pytest.raises(sqlite3.IntegrityError):
        store.write([*pinged("mon_1", 3, a=1.0), Ping(EPOCH, "mon_2", numbers={"a": math.nan})])
    assert store.count_pings("mon_1") == 0
    store.write(pinged("mon_1", 3, a=1.0))
    assert store.pings("mon_1", limit=10) == pinged("mon_1", 3, a=1.0)[::-1]
    store.close()


def test_series_without_rows_are_forgotten(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write([Ping(EPOCH, "mon_1", numbers={"a": 1.0}, texts={"t": "x"}), Ping(EPOCH + 9, "mon_1"), Ping(EPOCH, "mon_2")])
    assert rows(path, "series") == 4
    assert store.expire(EPOCH + 5, 100) == 4
    assert rows(path, "series") == 1
    assert store.forget("mon_1", 100) == 1
    assert rows(path, "series") == 0
    store.close()


def test_what_one_process_forgets_another_may_write_again(path: Path) -> None:
    writer, forgetter = EmbeddedPoints(path), EmbeddedPoints(path)
    for _ in range(2):
        writer.write(pinged("mon_1", 3, a=1.0))
        assert writer.pings("mon_1", limit=10) == pinged("mon_1", 3, a=1.0)[::-1]
        assert forgetter.forget("mon_1", 100) == 6
        assert writer.count_pings("mon_1") == 0
    writer.close()
    forgetter.close()


def test_expiry_does_not_look_at_what_it_keeps(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write([Ping(EPOCH + n, f"mon_{n}", numbers={"a": 1.0}) for n in range(2_000)])
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store._connections.writing() as writer:
        writer.set_progress_handler(count, 1)
    assert store.expire(EPOCH + 2, 100) == 4
    assert store.expire(EPOCH + 2, 100) == 0
    assert steps < 1_000  # instructions of SQLite's machine; 4,000 series are kept
    store.close()


def plan(path: Path, statement: str) -> list[str]:
    connection = sqlite3.connect(path)
    steps = connection.execute("EXPLAIN QUERY PLAN " + re.sub(r"\?|:\w+", "1", statement)).fetchall()
    connection.close()
    return [str(step[3]) for step in steps]


@pytest.mark.parametrize(
    "statement",
    [
        embedded.FIND,
        embedded.BUCKETS.format(labels=":a, :b"),
        embedded.PAGE,
        embedded.ARRIVALS,
        embedded.COUNT,
        embedded.NUMBERS,
        embedded.TEXTS,
        embedded.STALEST,
        embedded.OF_MONITOR,
        *[embedded.TRIM.format(table=table) for table in embedded.TABLES.values()],
        *[embedded.OLDEST.format(table=table) for table in embedded.TABLES.values()],
    ],
)
def test_no_query_scans_a_table_or_sorts_one(path: Path, statement: str) -> None:
    new_store(path)
    steps = plan(path, statement)
    assert any(step.startswith("SEARCH") for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") or "ORDER BY" in step], steps


@pytest.mark.parametrize(
    ("statement", "search"),
    [
        (embedded.BUCKETS.format(labels=":a, :b"), "numbers USING PRIMARY KEY (series=? AND at>? AND at<?)"),
        (embedded.BUCKETS.format(labels=":a, :b"), "(monitor=? AND measurement=? AND label=?)"),
        (embedded.NUMBERS, "numbers USING PRIMARY KEY (series=? AND at>? AND at<?)"),
        (embedded.TEXTS, "texts USING PRIMARY KEY (series=? AND at>? AND at<?)"),
        (embedded.ARRIVALS, "pings USING PRIMARY KEY (series=? AND at>? AND at<?)"),
        (embedded.PAGE, "pings USING PRIMARY KEY (series=? AND at>? AND at<?)"),
        (embedded.TRIM.format(table="pings"), "pings USING PRIMARY KEY (series=? AND at<?)"),
    ],
)
def test_only_the_asked_series_and_time_are_read(path: Path, statement: str, search: str) -> None:
    new_store(path)
    assert any(step.startswith("SEARCH") and step.endswith(search) for step in plan(path, statement))


@pytest.mark.parametrize("func", WINDOW_FUNCTIONS)
def test_a_window_reads_the_asked_metric_and_time_of_each_monitor_and_sorts_none_but_the_points_of_one(
    path: Path, func: WindowFunction
) -> None:
    new_store(path)
    steps = plan(path, aggregate.SQL[func])
    assert "SEARCH series USING INDEX series_label (measurement=? AND label=?)" in steps
    reads = [step for step in steps if " numbers " in step]
    assert set(reads) == {"SEARCH numbers USING PRIMARY KEY (series=? AND at>? AND at<?)"}
    assert not [step for step in steps if step.startswith("SCAN") and "subquery" not in step], steps
    sorts = [n for n, step in enumerate(steps) if "TEMP B-TREE" in step]
    assert len(sorts) == (func == "p95")
    assert all(any("CORRELATED" in step for step in steps[:n]) for n in sorts), steps


def test_the_writer_does_not_wait_for_a_window_nor_does_the_window_see_what_it_wrote(path: Path) -> None:
    store = EmbeddedPoints(path)
    store.write([ping for n in range(100) for ping in pinged(f"mon_{n}", 10, load=1.0)])
    wrote: list[float] = []

    def write_amid() -> int:
        if not wrote:
            began = time.monotonic()
            store.write(pinged("mon_new", 10, load=1.0))
            wrote.append(time.monotonic() - began)
        return 0

    with store._connections.reading() as reader:
        reader.set_progress_handler(write_amid, 2_000)  # the next window is asked over this connection, and has not ended by then
    for func in WINDOW_FUNCTIONS:
        store.forget("mon_new", 100)
        wrote.clear()
        assert len(store.window(func, "load", EPOCH, EPOCH + YEARS)) == 100
        assert wrote, func
        assert wrote[0] < connections.BUSY_SECONDS / 2
        assert store.count_pings("mon_new") == 10
    store.close()


DYING = """
import os, signal, sys
from pathlib import Path
from store.model import Ping
from store.points.embedded import EmbeddedPoints

class Deadly(float):
    def __conform__(self, protocol):  # asked by SQLite when it comes to this number
        os.kill(os.getpid(), signal.SIGKILL)

store = EmbeddedPoints(Path(sys.argv[1]))
store.write([Ping(n, "mon_1", numbers={"a": 1.0}) for n in range(10)])
number = Deadly(1.0) if sys.argv[2] == "amid" else 1.0
store.write([Ping(n, "mon_1", numbers={"a": number if n == 5000 else 1.0}, log="x" * 1000) for n in range(10, 6000)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("moment", "kept"), [("amid", 10), ("after", 6_000)])
def test_a_kill_leaves_all_of_a_batch_or_nothing(path: Path, moment: str, kept: int) -> None:
    command = [sys.executable, "-c", DYING, str(path), moment]
    assert subprocess.run(command, cwd=Path(connections.__file__).parents[2]).returncode == -signal.SIGKILL
    # The log of the killed process is past the size of the first batch: part of the second one had reached the disk.
    assert path.with_name("points.sqlite-wal").stat().st_size > 1_000_000
    store = EmbeddedPoints(path)
    assert store.count_pings("mon_1") == kept
    assert [bucket.count for bucket in store.buckets("mon_1", ["a"], 0, 10_000, 10_000)["a"]] == [kept]
    store.close()
    assert (rows(path, "pings"), rows(path, "numbers"), rows(path, "series")) == (kept, kept, 2)
