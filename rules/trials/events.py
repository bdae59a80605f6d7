"""What else happens in a trial: faults of the server, of its clock and its stores, and monitors that are paused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, get_args

from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Node, Scalar
from rules.rule_files.scalars import alternatives, true
from rules.rule_files.timespan import YEAR, duration, written
from rules.trials.people import known
from rules.trials.trial import Event, Verb, Watched
from rules.windows import LATE, PATIENCE
from store.model import SECOND, Ns
from store.rule import Rule

_EXAMPLE: Final = "{at: 4m30s, server_down: 10m}"
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
_RESTART: Final[Ns] = SECOND  # how long one takes
_SHORTEST_STEP: Final = 2  # what is less than that is a clock being tuned, which nobody takes notice of
_REFUSED: Final = {
    "silence": "is nothing that Lastbeat has today; `pause: MONITOR` is the nearest",
    "channel_fail": "would change nothing here: what people are told is written down at once, and waits until its channel takes it",
    "network_down": "is written `server_down`",
    "clock_skew": "is written `clock_step`",
}


def read(trial: Fields, watched: Mapping[str, Watched], rules: Sequence[Rule]) -> tuple[Event, ...]:
    """In the order of their times; those of one moment in the order of the file."""
    found = [_event(node, trial, watched) for node in trial.nodes("events", f"events: [{_EXAMPLE}]")]
    events = tuple(sorted((event for event in found if event is not None), key=lambda event: event.at))
    for verb in ("server_down", "datasource_down"):
        _apart([event for event in events if event.verb == verb or (verb == "server_down" and event.verb == "restart")], trial)
    _in_time([event for event in events if event.verb == "ingest_delay"], rules, trial)
    return events


def _event(node: Node | None, trial: Fields, watched: Mapping[str, Watched]) -> Event | None:
    fields = Fields.of(node, trial.complaints, _EXAMPLE)
    if fields is None:
        return None
    fields.only(("at", *VERBS), "an event", _REFUSED)
    fields.require("at", "an event", _EXAMPLE)
    at, verbs = fields.take("at", duration()), [verb for verb in VERBS if verb in fields]
    if len(verbs) > 1:
        fields.complain_of_key(verbs[1], f"`{verbs[0]}` and `{verbs[1]}` are two events; write each in a mapping of its own")
    elif not verbs and len(fields.names()) <= ("at" in fields):
        fields.complaints.add(fields.place, f"say what happens: {alternatives(VERBS)}")
    if at is None or len(verbs) != 1:
        return None
    return _of_verb(fields, verbs[0], at * SECOND, watched)


def _of_verb(fields: Fields, verb: Verb, at: Ns, watched: Mapping[str, Watched]) -> Event | None:
    length: int | None
    match verb:
        case "restart":
            return Event(fields.place, at, verb, _RESTART) if fields.take(verb, true) else None
        case "pause" | "resume":
            monitor = known(fields, verb, watched, "monitor")
            return None if monitor is None else Event(fields.place, at, verb, monitor=monitor)
        case "clock_step":
            length = fields.take(verb, _step)
        case "ingest_delay":
            length = fields.take(verb, duration())
        case _:
            length = fields.take(verb, duration(1))
    return None if length is None else Event(fields.place, at, verb, length * SECOND)


def _step(scalar: Scalar) -> int:
    text = scalar.text
    sign = -1 if text.startswith("-") else 1
    return sign * duration(_SHORTEST_STEP, YEAR)(Scalar(scalar.place, text.lstrip("+-") if text[:1] in "+-" else text, scalar.style))


def _apart(events: Sequence[Event], trial: Fields) -> None:
    for one, other in pairwise(events):
        if other.at < one.at + one.length:
            sentence = f"this is while the one in line {one.place.line} lasts; let one end before the other begins"
            trial.complaints.add(other.place, sentence)


def _in_time(delays: Sequence[Event], rules: Sequence[Rule], trial: Fields) -> None:
    """Rules on windows wait for their store, but not for ever: then people are told, which no trial shows."""
    shortest = min((rule.every for rule in rules if rule.window is not None), default=YEAR)
    patience = PATIENCE * shortest + LATE // SECOND
    for event in delays:
        if event.length > patience * SECOND:
            sentence = f"rules on windows, evaluated every {written(shortest)}, wait for {written(patience)} at the longest"
            trial.complaints.add(event.place, f"{sentence}; give a shorter delay, or leave those rules out of this trial")
