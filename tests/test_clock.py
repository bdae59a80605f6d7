from __future__ import annotations

from prometheus_client import REGISTRY

from lastbeat.clock import Clock, boot
from store.mark import Reading
from store.model import SECOND


class Machine:
    def __init__(self) -> None:
        self.wall = 1_000 * SECOND
        self.up = 5 * SECOND
        self.starts = 1

    def passes(self, seconds: float, step: float = 0) -> None:
        self.up += round(seconds * SECOND)
        self.wall += round((seconds + step) * SECOND)

    def clock(self, after: int = 0, since: Reading | None = None) -> Clock:
        return Clock(after, since, lambda: self.wall, lambda: self.up, lambda: f"start {self.starts}" if self.starts else "")

    def restarts(self, seconds: float) -> None:
        self.passes(seconds)
        self.starts += 1
        self.up = SECOND


def test_it_is_the_wall_clock() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(60)
    assert clock() == machine.wall


def test_after_a_step_back_it_goes_on_a_little_slower_until_the_other_has_caught_up() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10, step=-60)
    assert clock() == 1_009.9 * SECOND
    assert clock.lead == 59.9 * SECOND
    for _ in range(100):
        before = clock()
        machine.passes(50)
        assert clock() == before + 49.5 * SECOND
    assert clock.lead == 9.9 * SECOND
    assert REGISTRY.get_sample_value("lastbeat_clock_lead_seconds") == 9.9
    machine.passes(1_000)
    assert clock() == machine.wall
    assert REGISTRY.get_sample_value("lastbeat_clock_lead_seconds") == 0
    machine.passes(1)
    assert (clock(), clock.lead) == (machine.wall, 0)


def test_a_clock_that_is_put_back_and_forward_again_is_level_at_once() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10, step=-3_600)
    clock()
    machine.passes(1, step=3_600)
    assert (clock(), clock.lead, clock.stepped) == (machine.wall, 0, 0)


def test_a_step_back_while_it_is_ahead_counts_too() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(20, step=-60)
    clock()
    machine.passes(20, step=-60)
    clock()
    assert clock.lead == 119.6 * SECOND


def test_a_step_forward_is_followed_at_once() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(1, step=3_600)
    assert clock() == machine.wall
    assert clock.stepped == 3_600 * SECOND, "time that did not pass"
    machine.passes(600)
    clock()
    assert clock.stepped == 3_600 * SECOND


def test_a_clock_being_tuned_is_followed_both_ways() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10, step=-0.5)
    assert clock() == machine.wall


def test_after_a_restart_it_does_not_begin_before_what_was_seen() -> None:
    machine = Machine()
    clock = machine.clock(after=5_000 * SECOND)
    assert clock.lead == 4_000 * SECOND
    machine.passes(10)
    assert clock() == 5_009.9 * SECOND


def test_steps_are_counted_by_their_direction() -> None:
    def counted() -> tuple[float, float]:
        names = [{"direction": direction} for direction in ("forward", "back")]
        forward, back = (REGISTRY.get_sample_value("lastbeat_clock_steps_total", labels) or 0.0 for labels in names)
        return forward, back

    machine, (forward, back) = Machine(), counted()
    clock = machine.clock()
    machine.passes(1, step=3_600)
    clock()
    assert counted() == (forward + 1, back)
    machine.passes(1, step=-600)
    clock()
    machine.passes(1)
    clock()
    assert counted() == (forward + 1, back + 1), "a step that lasts is one step"
    machine.passes(600, step=600)
    clock()
    assert counted() == (forward + 1, back + 1), "a clock that has caught up was put nowhere"


def test_what_was_put_forward_while_nobody_ran_did_not_pass() -> None:
    machine = Machine()
    before = machine.clock().reading()
    machine.passes(30, step=600)
    clock = machine.clock(before.at, before)
    assert (clock(), clock.lead, clock.stepped) == (machine.wall, 0, 600 * SECOND)


def test_what_was_put_back_while_nobody_ran_leaves_the_time_that_passed() -> None:
    machine = Machine()
    before = machine.clock().reading()
    machine.passes(30, step=-600)
    clock = machine.clock(before.at, before)
    assert clock() == before.at + 29.7 * SECOND
    assert (clock.lead, clock.stepped) == (599.7 * SECOND, 0)


def test_a_process_that_starts_again_goes_on_as_far_ahead_as_the_one_before() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10, step=-60)
    clock()
    machine.passes(30)  # in which nothing runs
    again = machine.clock(since=clock.reading())
    assert again() == clock()
    assert again.lead == clock.lead == 59.6 * SECOND


def test_a_machine_that_was_off_knows_only_by_how_much_it_was_ahead() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10, step=-60)
    clock()
    machine.restarts(30)
    again = machine.clock(clock.reading().at, clock.reading())
    assert again() == clock.reading().at + 30 * SECOND
    assert (again.lead, again.stepped) == (clock.lead, 0)


def test_where_nobody_says_which_start_of_the_machine_it_is_the_clock_on_the_wall_is_believed() -> None:
    machine = Machine()
    machine.starts = 0
    before = machine.clock().reading()
    machine.passes(30, step=600)
    assert machine.clock(before.at, before).stepped == 0


def test_a_machine_that_is_set_back_to_a_former_state_of_its_memory_has_not_been_up_for_less_than_before() -> None:
    machine = Machine()
    machine.passes(900)
    before = machine.clock().reading()
    machine.passes(60)
    machine.up -= 600 * SECOND
    clock = machine.clock(before.at, before)
    assert (clock(), clock.lead, clock.stepped) == (machine.wall, 0, 0)


def test_linux_says_which_start_of_the_machine_it_is() -> None:
    assert boot() == boot()
    assert len(boot()) == 36
