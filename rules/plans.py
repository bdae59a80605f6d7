"""What a plan allows: how often a monitor is pinged, and how many monitors a project has. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from rules.cron import expressions, slot_after
from store.model import SECOND, Ns, Plan, Project, Schedule

DEFAULT_INTERVAL = 60
_SLOTS = 100  # of a schedule that are looked at: enough to meet the shortest distance of all that people write


def plan_of(plans: Mapping[str, Plan], project: Project) -> Plan:
    """The project's plan. One that is defined no more limits nothing: refusing pings would be worse."""
    return plans.get(project.plan, Plan(project.plan))


def default_interval(plan: Plan) -> int:
    """Seconds between pings of a monitor whose owner did not say: the larger of a minute and the plan's minimum."""
    return max(DEFAULT_INTERVAL, minimum(plan))


def minimum(plan: Plan) -> int:
    """The shortest interval, in whole seconds."""
    return -int(-plan.ping_seconds // 1)


def too_often(plan: Plan, schedule: Schedule, now: Ns) -> str | None:
    """Why the plan does not allow pings on this schedule, as a sentence; None if it does."""
    if schedule.cron is None:
        found: float = schedule.interval
    else:
        found = _shortest(schedule, now) if plan.ping_seconds > 60 else 60
    if found >= plan.ping_seconds:
        return None
    # Without a subject: the API and the form say it of the field.
    what = f"every {found:g} s" if schedule.cron is None else f"{schedule.cron!r} has slots {found:g} s apart, which"
    return f"{what} is too often: the plan {plan.name!r} allows one ping in {plan.ping_seconds:g} s"


def full(plan: Plan, monitors: int) -> str | None:
    """Why a project with so many monitors gets no further one, as a sentence; None if it does."""
    if plan.monitors is None or monitors < plan.monitors:
        return None
    return f"the plan {plan.name!r} allows {plan.monitors} monitors, and the project has {monitors}; delete one, or choose another plan"


def _shortest(schedule: Schedule, now: Ns) -> float:
    """The shortest distance between slots, whichever expressions they are of."""
    assert schedule.cron is not None
    crons, shortest = expressions(schedule.cron), float("inf")
    # Each is followed by itself, so that also what comes once a year is seen to come right behind another.
    for cron in crons:
        at = now
        for _ in range(_SLOTS // len(crons)):
            at = slot_after(cron, schedule.timezone, at).at
            shortest = min(shortest, slot_after(schedule.cron, schedule.timezone, at - 1).distance / SECOND)
    return shortest
