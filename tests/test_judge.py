from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rules import judge, threshold
from store.model import SECOND, Gap
from store.rule import Resolve, Rule, RuleState, Standing

MINUTE = 60
BLANK = Standing("r", "m")


def deep(**fields: Any) -> Rule:
    values: dict[str, Any] = {"metric": "queue", "operator": ">", "value": 100.0}
    return Rule("r", "threshold", "QueueTooDeep", **values | fields)


def walked(rule: Rule, samples: Sequence[float | None]) -> list[RuleState]:
    """The state after each minute, with one sample a minute; None: no sample. Time alone moves the rule right when it is due."""
    standing, states = BLANK, []
    for minute, sample in enumerate(samples):
        at = minute * MINUTE * SECOND
        standing = passed(rule, standing, at)
        if sample is not None:
            standing = judge.sampled(rule, standing, threshold.judged(rule, sample), at, sample)
        states.append(standing.state)
    return states


def passed(rule: Rule, standing: Standing, at: int) -> Standing:
    """What time alone made of it until then."""
    while standing.due_at is not None and standing.due_at < at:
        standing = judge.passed(rule, standing)
    return standing


def short(states: Sequence[str]) -> str:
    return "".join({"ok": ".", "pending": "p", "firing": "F", "recovering": "r"}[state] for state in states)


def test_one_breach_fires_and_one_clear_sample_resolves() -> None:
    assert short(walked(deep(), [100, 101, 500, 100, 50])) == ".FF.."


def test_consecutive_counts_samples_in_a_row_and_a_ping_without_the_key_is_none() -> None:
    assert short(walked(deep(consecutive=3), [150, 150, 50, 150, None, 150, None, 150, None])) == "pp.ppppFF"


def test_for_counts_time_from_the_first_breach() -> None:
    assert short(walked(deep(hold=3 * MINUTE), [150, 150, 150, 150, 50, 150, 50])) == "pppF.p."


def test_for_passes_without_another_sample_but_never_before_its_end() -> None:
    rule = deep(hold=10 * MINUTE)
    standing = judge.sampled(rule, BLANK, "breach", 0, 150.0)
    assert (standing.state, standing.due_at) == ("pending", 600 * SECOND)
    assert short(walked(rule, [150, *[None] * 10, None])) == "pppppppppppF"


def test_both_for_and_consecutive_must_be_met() -> None:
    rule = deep(hold=2 * MINUTE, consecutive=3)
    assert short(walked(rule, [150, None, None, None, 150, 150])) == "pppppF"
    assert judge.sampled(rule, BLANK, "breach", 0).due_at is None, "time alone must not fire what was not counted"


def test_between_breach_and_resolve_a_firing_rule_fires_and_a_calm_one_is_calm() -> None:
    rule = deep(resolve=Resolve("<=", 80.0))
    assert short(walked(rule, [90, 150, 90, 81, 80, 90])) == ".FFF.."


def test_resolve_counts_clear_samples_in_a_row() -> None:
    rule = deep(resolve=Resolve("<=", 80.0, 2))
    assert short(walked(rule, [150, 70, 90, 70, 70])) == "FrFr."


def test_a_breach_while_recovering_goes_on_with_the_same_incident() -> None:
    rule = deep(keep_firing=5 * MINUTE)
    standing = Standing("r", "m", state="firing", breaches=1, incident_id="inc_1")
    standing = judge.sampled(rule, standing, "clear", 0, 1.0)
    assert (standing.state, standing.due_at) == ("recovering", 300 * SECOND)
    again = judge.sampled(rule, standing, "breach", 60 * SECOND, 150.0)
    assert (again.state, again.incident_id, again.reopened, again.due_at, again.clears) == ("firing", "inc_1", 1, None, 0)


def test_the_walk_of_the_reference() -> None:
    rule = deep(consecutive=3, resolve=Resolve("<=", 80.0, 2), keep_firing=5 * MINUTE)
    samples = [10, 150, 150, 150, 90, 70, 70, 70, 70, 70, 70, 70]
    assert short(walked(rule, samples)) == ".ppFFrrrrr.."


def test_keep_firing_passes_without_another_sample() -> None:
    assert short(walked(deep(keep_firing=2 * MINUTE), [150, 50, None, None, None])) == "Frrr."


def stuck(**fields: Any) -> Rule:
    return Rule("r", "unchanged", "Stuck", metric="queue", **fields)


def repeated(rule: Rule, samples: Sequence[float | str]) -> list[RuleState]:
    standing, states = BLANK, []
    for minute, sample in enumerate(samples):
        at = minute * MINUTE * SECOND
        standing = judge.repeated(rule, passed(rule, standing, at), sample, at)
        states.append(standing.state)
    return states


def test_a_value_that_does_not_change_fires_after_so_many_samples() -> None:
    assert short(repeated(stuck(consecutive=3), [1, 1, 1, 1, 2, 2, 2])) == ".pFF.pF"


def test_a_value_that_does_not_change_fires_after_so_long() -> None:
    assert short(repeated(stuck(hold=3 * MINUTE), [1, 1, 1, 1, 2, 2])) == ".ppF.p"
    assert short(repeated(stuck(hold=60), ["a", "a", "b", "a", "a"])) == ".F..F"


def test_a_stuck_value_that_moved_and_sticks_again_while_recovering_fires_on() -> None:
    rule = stuck(consecutive=2, keep_firing=10 * MINUTE)
    assert short(repeated(rule, [1, 1, 2, 2, 3])) == ".FrFr"


@pytest.mark.parametrize(("keep_firing", "states"), [(0, ".pF.pF"), (30, ".pFrpF")])
def test_the_sample_that_ended_it_counts_for_the_next_time_whatever_said_that_it_is_over(keep_firing: int, states: str) -> None:
    assert short(repeated(stuck(consecutive=3, keep_firing=keep_firing), [1, 1, 1, 2, 2, 2])) == states


def test_a_value_that_ended_an_alert_sticks_no_longer_by_a_clock_that_is_put_forward() -> None:
    rule = stuck(hold=60 * MINUTE, keep_firing=MINUTE)
    recovering = judge.repeated(rule, Standing("r", "m", "firing", breaches=2, active_at=0, value=5.0), 6.0, 3_700 * SECOND)
    step = Gap(10_910 * SECOND, 3_710 * SECOND, 10_910 * SECOND, "clock")
    later = judge.set_forward(rule, recovering, step)
    assert (later.state, later.active_at, later.due_at) == ("recovering", 10_900 * SECOND, 10_960 * SECOND)
    assert judge.repeated(rule, judge.passed(rule, later), 6.0, 10_970 * SECOND).state == "pending"


def test_without_data_a_rule_stands_as_it_stood_is_well_or_fires() -> None:
    firing = judge.sampled(deep(), BLANK, "breach", 0, 150.0)
    assert judge.without(deep(), firing, "keep", 60) == firing
    assert judge.without(deep(), firing, "resolve", 60) == BLANK
    assert judge.without(deep(), BLANK, "keep", 60) == BLANK
    assert judge.without(deep(), BLANK, "fire", 60).state == "firing"


def test_another_condition_counts_from_zero_and_an_open_incident_stays() -> None:
    pending = judge.sampled(deep(consecutive=3), BLANK, "breach", 0, 150.0)
    assert judge.recounted(pending) == BLANK
    firing = Standing("r", "m", state="recovering", breaches=1, clears=1, clear_at=5, due_at=9, active_at=1, incident_id="inc_1")
    assert judge.recounted(firing) == Standing("r", "m", state="firing", active_at=1, incident_id="inc_1")


@pytest.mark.parametrize(("changed", "same"), [({"labels": {"a": "b"}}, True), ({"channels": ("x",)}, True), ({"value": 99.0}, False)])
def test_what_a_condition_is(changed: dict[str, Any], same: bool) -> None:
    assert judge.same_condition(deep(), deep(**changed)) is same


@given(
    samples=some.lists(some.sampled_from([50.0, 90.0, 150.0, None]), max_size=60),
    consecutive=some.integers(1, 4),
    hold=some.integers(0, 5),
    keep=some.integers(0, 5),
    clears=some.integers(1, 3),
    dead_band=some.booleans(),
)
def test_firing_and_calm_agree_with_a_look_at_the_whole_history(
    samples: list[float | None], consecutive: int, hold: int, keep: int, clears: int, dead_band: bool
) -> None:
    well = Resolve("<=" if dead_band else None, 80.0 if dead_band else None, clears)
    rule = deep(consecutive=consecutive, hold=hold * MINUTE, keep_firing=keep * MINUTE, resolve=well)
    states = walked(rule, samples)
    assert [state in ("firing", "recovering") for state in states] == _brute(samples, consecutive, hold, keep, clears, dead_band)


def _brute(samples: list[float | None], consecutive: int, hold: int, keep: int, clears: int, dead_band: bool) -> list[bool]:
    """Whether an alert is open after each minute, from its definition: looks back over all samples every time."""
    is_open, turned_at, found = False, -1, []
    for now in range(len(samples)):
        # What was over before this minute is decided without this minute's sample.
        for seen, by_time in ((samples[:now], True), (samples[: now + 1], False)):
            if not by_time and samples[now] is None:
                continue
            known = [(t, s) for t, s in enumerate(seen) if s is not None and t >= turned_at]
            wanted, lasts = (clears, keep) if is_open else (consecutive, hold)
            run: list[int] = []
            for t, s in reversed(known):
                if (s > (80 if dead_band else 100)) if is_open else (s <= 100):
                    break
                run.append(t)
            lasted = bool(run) and (now > run[-1] + lasts if by_time else run[0] - run[-1] >= lasts)
            if lasted and len(run) >= wanted:
                is_open, turned_at = not is_open, now
        found.append(is_open)
    return found
