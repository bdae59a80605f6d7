"""How Lastbeat's own time goes in a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from gevent.threadpool import ThreadPool
from hypothesis import example, given
from hypothesis import strategies as some
from world import START

from ingest.commit import Committer, Trouble
from ingest.stamp import Stamps
from lastbeat.clock import Clock
from rules.trials.course import Course, Delay, Down, Step
from store.journal import decode
from store.mark import Reading
from store.model import SECOND, Gap, Record

MINUTE = 60 * SECOND


def test_without_faults_stamps_are_times_and_everything_is_known_at_once() -> None:
    course = Course(START)
    assert course.stamp(MINUTE) == START + MINUTE
    assert course.judged(MINUTE) == START + MINUTE
    assert course.known(START + MINUTE) == MINUTE
    assert course.gaps() == []


def test_nothing_is_judged_while_the_server_is_down() -> None:
    course = Course(START, [Down(MINUTE, 3 * MINUTE)])
    assert [course.judged(at * MINUTE) - START for at in (0, 1, 2, 3, 4)] == [0, MINUTE, MINUTE, 3 * MINUTE, 4 * MINUTE]
    assert course.known(START + 2 * MINUTE) == 3 * MINUTE
    assert course.gaps() == [Gap(START + 3 * MINUTE, START + MINUTE, START + 3 * MINUTE, "restart")]


def test_a_step_forward_is_a_gap_and_one_back_is_none() -> None:
    course = Course(START, steps=[Step(MINUTE, 5 * MINUTE), Step(2 * MINUTE, -4 * MINUTE), Step(3 * MINUTE, 6 * MINUTE)])
    # Put back by four minutes, then forward by six: two more than it had ever been.
    assert [course.stamp(at * MINUTE) - START for at in (0, 1, 2, 3)] == [0, 6 * MINUTE, 7 * MINUTE, 10 * MINUTE]
    first, second = START + MINUTE, START + 8 * MINUTE
    assert course.gaps() == [
        Gap(first + 5 * MINUTE, first, first + 5 * MINUTE, "clock"),
        Gap(second + 2 * MINUTE, second, second + 2 * MINUTE, "clock"),
    ]
    assert Course(START, steps=[Step(0, SECOND)]).gaps()[0].reason == "stall"


def test_a_step_forward_while_the_server_is_down_is_on_record_from_its_last_moment_on() -> None:
    course = Course(START, [Down(MINUTE, 3 * MINUTE)], [Step(2 * MINUTE, 10 * MINUTE), Step(150 * SECOND, 5 * MINUTE)])
    start, end = START + MINUTE, START + 18 * MINUTE
    assert course.gaps() == [Gap(end - 1, start, start + 15 * MINUTE, "clock"), Gap(end, start, end, "restart")]
    assert course.known(end - 1) == course.known(end) == 3 * MINUTE
    small = Course(START, [Down(MINUTE, 3 * MINUTE)], [Step(2 * MINUTE, SECOND)])
    assert [gap.reason for gap in small.gaps()] == ["restart"]


class AtOnce:
    """All of a pool that is used."""

    def apply(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        return work(*arguments)


def test_a_course_is_what_the_clock_and_the_committer_of_a_worker_make_of_it() -> None:
    passed = jumped = 0

    def clock(since: Reading | None = None) -> Clock:
        return Clock(0, since, lambda: START + passed + jumped, lambda: passed, lambda: "this start")

    before = clock().reading()
    passed, jumped = 2 * MINUTE, 10 * MINUTE
    after, written = clock(before), list[Record]()
    append = lambda records: written.extend(map(decode, records))  # noqa: E731
    committer = Committer(append, cast(ThreadPool, AtOnce()), Stamps(after, 0), Trouble(before.at, "restart"), after)
    committer.mark()
    course = Course(START, [Down(0, 2 * MINUTE)], [Step(MINUTE, 10 * MINUTE)])
    assert [_roughly(gap) for gap in written] == [_roughly(gap) for gap in course.gaps()]


def _roughly(gap: Record) -> tuple[int, int, str]:
    assert isinstance(gap, Gap)
    return round(gap.start / SECOND), round(gap.end / SECOND), gap.reason


def test_what_waits_is_known_later_and_a_delay_that_ends_catches_up() -> None:
    course = Course(START, delays=[Delay(MINUTE, 30 * SECOND), Delay(3 * MINUTE, 0)])
    assert course.known(START + 50 * SECOND) == 50 * SECOND
    assert course.known(START + 70 * SECOND) == 100 * SECOND
    assert course.known(START + 170 * SECOND) == 180 * SECOND
    assert course.judged(70 * SECOND) == START + MINUTE - 1  # what was judged before is not taken back


def test_a_down_hides_itself_until_it_is_on_record() -> None:
    course = Course(START, [Down(MINUTE, 2 * MINUTE)], delays=[Delay(0, 30 * SECOND)])
    assert course.judged(2 * MINUTE + 29 * SECOND) == START + MINUTE
    assert course.known(START + 2 * MINUTE) == 150 * SECOND


SECONDS = some.integers(0, 100)


@some.composite
def courses(draw: some.DrawFn) -> Course:
    bounds = sorted(draw(some.lists(SECONDS, max_size=4, unique=True).filter(lambda found: len(found) % 2 == 0)))
    downs = [Down(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
    steps = [Step(at, by) for at, by in draw(some.lists(some.tuples(SECONDS, some.integers(-50, 50)), max_size=3))]
    delays = [
        Delay(at, by) for at, by in draw(some.lists(some.tuples(SECONDS, some.integers(0, 40)), max_size=3, unique_by=lambda one: one[0]))
    ]
    return Course(START, downs, steps, delays)


@example(Course(START, [Down(0, 2)], delays=[Delay(0, 1), Delay(1, 0)]), 0)
@given(courses(), some.integers(0, 400))
def test_what_is_known_is_judged_at_that_moment_and_not_before(course: Course, stamp: int) -> None:
    known = course.known(START + stamp)
    assert course.judged(known) >= START + stamp
    assert all(course.judged(at) < START + stamp for at in range(known))


@given(courses())
def test_what_was_judged_stays_judged(course: Course) -> None:
    judged = [course.judged(at) for at in range(300)]
    assert judged == sorted(judged)
