"""Who is watched in a trial: monitors as they are written, by the limits that the API and the pages keep them to."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import ValidationError

from rules.definitions import MonitorDefinition
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Node
from rules.rule_files.scalars import name
from rules.rule_files.timespan import duration
from rules.trials.trial import Watched
from store.model import Monitor, Ns, Schedule

DEFAULT: Final = "default"  # the project, and the channel of that project, of those that name none

_EXAMPLE: Final = "{name: w1, interval: 60s, grace: 30s}"
# What is written, and what it is called where it is defined.
_DEFINED: Final = {
    "name": "name",
    "slug": "slug",
    "interval": "interval",
    "grace": "gracePeriod",
    "schedule": "schedule",
    "timezone": "timezone",
    "start_by": "startBy",
    "min_run_time": "minRunTime",
    "max_run_time": "maxRunTime",
}
_DURATIONS: Final = ("interval", "grace", "start_by", "min_run_time", "max_run_time")
KEYS: Final = (*_DEFINED, "tags", "channels", "project")
_ELSEWHERE: Final = {called: f"is written `{written}`" for written, called in _DEFINED.items() if written != called}


def read(trial: Fields, start: Ns) -> tuple[Watched, ...]:
    found: list[Watched] = []
    before = len(trial.complaints)
    nodes = trial.nodes("monitors", f"monitors: [{_EXAMPLE}]")
    if not nodes and "monitors" in trial and len(trial.complaints) == before:
        trial.complain_of_key("monitors", "`monitors` has none; a test that watches nobody must not look as if all was well")
    for node in nodes:
        one = _monitor(node, trial, len(found), start)
        if one is None:
            continue
        if any(one.monitor.name == other.monitor.name for other in found):
            place = None if node is None else node.place
            trial.complaints.add(place, f"there are two monitors `{one.monitor.name}`; give each its own name")
        found.append(one)
    return tuple(found)


def _monitor(node: Node | None, trial: Fields, number: int, start: Ns) -> Watched | None:
    fields = Fields.of(node, trial.complaints, _EXAMPLE)
    if fields is None:
        return None
    fields.only(KEYS, "a monitor", _ELSEWHERE)
    fields.require("name", "a monitor", "name: w1")
    fields.once("schedule", "interval")
    before = len(fields.complaints)
    given: dict[str, Any] = {key: fields.take(key, duration() if key in _DURATIONS else name(1_000)) for key in _DEFINED}
    tags, channels = fields.take_all("tags", name()), fields.take_all("channels", name())
    project = fields.take("project", name())
    if given["name"] is None or len(fields.complaints) > before:
        return None
    definition = {_DEFINED[key]: value for key, value in given.items() if value is not None} | {"tags": list(tags or ())}
    try:
        loaded = MonitorDefinition().load(definition)
    except ValidationError as error:
        _complain(fields, error)
        return None
    schedule = Schedule(**{key: loaded[key] for key in Schedule.__struct_fields__ if loaded[key] is not None})
    # The ids are in the order of the file, which is the order of what happens at one moment.
    made = Monitor(f"mon_{number:06}", project or DEFAULT, loaded["name"], loaded["slug"], tags or (), schedule, "", start, start)
    return Watched(made, (DEFAULT,) if channels is None else channels)


def _complain(fields: Fields, error: ValidationError) -> None:
    written = {called: key for key, called in _DEFINED.items()}
    for called, sentences in error.messages_dict.items():
        key = written.get(called, called)
        said = " ".join(map(str, sentences)) if isinstance(sentences, list) else str(sentences)
        if key in fields:
            fields.complain(key, f"is not accepted: {said.rstrip('.')}")
        else:
            fields.complaints.add(fields.place, f"`{key}` is not accepted: {said.rstrip('.')}")
