"""A test of rules as it is written, made a `Trial`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Node, Scalar
from rules.rule_files.scalars import Unfit, name
from rules.rule_files.timespan import duration
from rules.trials import cast, events, signals, wanted
from rules.trials.trial import Trial
from store.instant import from_iso
from store.model import SECOND, Ns
from store.rule import Rule

EXAMPLE: Final = "{name: a deep queue is told of, monitors: […], input: […], expect: […]}"

KEYS: Final = ("name", "start", "end", "monitors", "input", "events", "expect", "expect_notifications")
_ELSEWHERE: Final = {
    "interval": "is said for each input, as `every`",
    "input_series": "is written `input`, with a `monitor` and its `values`",
    "alert_rule_test": "is written `expect`",
    "start_timestamp": "is written `start`",
    "promql_expr_test": "is for queries of Prometheus, which there are none of here",
    "rule_files": "belongs to the file, and is for all of its tests",
}
_LASTING: Final = ("restart", "server_down", "datasource_down")
_START: Final[Ns] = from_iso("2026-01-01T00:00:00Z")  # a Thursday
_EARLIEST: Final[Ns] = from_iso("1971-01-01T00:00:00Z")
_LATEST: Final[Ns] = from_iso("2200-01-01T00:00:00Z")


def read(node: Node | None, rules: Sequence[Rule], owner: Fields) -> Trial | None:
    """None where there is something to complain about. `rules`: all that the trial may name."""
    fields, before = Fields.of(node, owner.complaints, EXAMPLE), len(owner.complaints)
    if fields is None:
        return None
    fields.only(KEYS, "a test", _ELSEWHERE)
    for key, example in (("name", EXAMPLE), ("monitors", "monitors: [{name: w1, interval: 60s}]")):
        fields.require(key, "a test", example)
    called, start, end = fields.take("name", name()), fields.take("start", _date) or _START, fields.take("end", duration())
    watched = cast.read(fields, start)
    by_name = {one.monitor.name: one for one in watched}
    pings, happening = signals.read(fields, by_name), events.read(fields, by_name, rules)
    expected, told = wanted.states(fields, by_name, rules), wanted.told(fields, by_name, rules)
    if not expected and told is None and len(owner.complaints) == before:
        fields.complaints.add(fields.place, "this test expects nothing; give it `expect`, or `expect_notifications: []` for silence")
    if called is None or len(owner.complaints) > before:
        return None
    times = [ping.at for ping in pings] + [one.at + one.length * (one.verb in _LASTING) for one in happening]
    times += [one.at for one in expected] + [one.at for one in told or () if one.at is not None]
    if end is not None and end * SECOND < max(times, default=0):
        fields.complain("end", "is before the last that happens, or is expected")
        return None
    last = max(times, default=0) if end is None else end * SECOND
    return Trial(called, fields.place, start, last, watched, pings, happening, expected, told)


def _date(scalar: Scalar) -> Ns:
    try:
        at = from_iso(scalar.text)
    except ValueError:
        raise Unfit("is no time; write it as 2026-03-29T00:00:00Z") from None
    if not _EARLIEST <= at < _LATEST:
        raise Unfit("is too far away; give a year from 1971 to 2199")
    return at
