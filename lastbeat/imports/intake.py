"""Monitors that were found in another program: what becomes of each, and making those that can be made.

Whatever is there already stays as it is, so that an import can be stopped anywhere and run again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from marshmallow import ValidationError
from sqlalchemy import Connection

from rules import actions, plans
from rules.definitions import MonitorDefinition
from store.control import Control, monitors, projects
from store.control.monitors import Holder
from store.model import Ns, Plan, Project, Schedule

_PIECE: Final = 50  # monitors made in one transaction, so that a server that runs meanwhile never waits long
_ASKED: Final = 500  # tokens asked for in one query
_TOKEN: Final = re.compile(r"[-._~A-Za-z0-9]{1,200}")  # what stands in an URL as it is
_PING_KEY: Final = re.compile(r"[-a-zA-Z0-9_]{1,128}")


class SourceError(Exception):
    """A sentence, without its full stop: why the other program cannot be read, and what to do."""


class Taken(Exception):
    """A sentence, without its full stop: whose the ping key is."""


@dataclass(frozen=True, slots=True)
class Found:
    """A monitor of another program.

    `token`: the secret in its ping URL. `definition`: as `MonitorDefinition` loads it. `objection`: why it cannot be taken over whatever
    is there, as a sentence.
    """

    name: str
    token: str
    definition: Mapping[str, Any]
    paused: bool = False
    objection: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What another program holds. `remarks`: what is not taken over, a sentence each. `advice`: how its pings come here."""

    title: str
    found: Sequence[Found]
    remarks: Sequence[str]
    advice: str


class Facts(NamedTuple):
    """What is there. `monitors`: how many the project has. `holders`: by token, of those that were found."""

    project: Project
    plan: Plan
    monitors: int
    holders: Mapping[str, Holder]


Verdict = Literal["make", "here", "cannot"]


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of a monitor that was found. `fields`: its definition, loaded; `why`: a sentence, for one that cannot be made."""

    found: Found
    verdict: Verdict
    why: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def judge(found: Sequence[Found], facts: Facts, now: Ns) -> list[Row]:
    """What becomes of each, in the same order. Pure."""
    rows: list[Row] = []
    seen: dict[str, str] = {}
    count = facts.monitors
    for one in found:
        row = _judged(one, facts, seen.get(one.token), count, now)
        seen.setdefault(one.token, one.name)
        count += row.verdict == "make"
        rows.append(row)
    return rows


def _judged(one: Found, facts: Facts, twin: str | None, count: int, now: Ns) -> Row:
    holder = facts.holders.get(one.token)
    if holder is not None:
        return _held(one, holder, facts)
    if one.objection is not None:
        return Row(one, "cannot", one.objection)
    if twin is not None:
        return Row(one, "cannot", f"{twin!r} has the same token")
    if not _TOKEN.fullmatch(one.token):
        return Row(one, "cannot", "its token has signs that cannot stand in a ping URL; give it another one there")
    try:
        fields = MonitorDefinition().load(one.definition)
    except ValidationError as error:
        return Row(one, "cannot", "; ".join(dict.fromkeys(_sentences(error.messages))))
    sentence = plans.full(facts.plan, count) or plans.too_often(facts.plan, _schedule(fields, facts.plan), now)
    if sentence is not None:
        return Row(one, "cannot", sentence)
    return Row(one, "make", fields=fields)


def _held(one: Found, holder: Holder, facts: Facts) -> Row:
    if holder.project_id != facts.project.id:
        return Row(one, "cannot", "its token belongs to a monitor of another project here")
    if holder.deleted:
        return Row(one, "cannot", "a monitor with its token was deleted here and is still being removed; try again in a few minutes")
    return Row(one, "here")


def _schedule(fields: Mapping[str, Any], plan: Plan) -> Schedule:
    given = {name: fields[name] for name in Schedule.__struct_fields__}
    return Schedule(**given | {"interval": fields["interval"] or plans.default_interval(plan)})


def _sentences(messages: Any, path: str = "") -> Iterator[str]:
    """Each sentence of a ValidationError behind the name of its field."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _sentences(inner, path if isinstance(name, int) else str(name))
    else:
        yield from (f"{path}: {sentence.rstrip('.')}" for sentence in messages)


class Intake:
    """Takes monitors into one project. `clock` is asked once for each transaction."""

    def __init__(self, control: Control, project: Project, plan: Plan, base_url: str, clock: Callable[[], Ns]) -> None:
        self._control = control
        self._project = project
        self._plan = plan
        self._base_url = base_url
        self._clock = clock

    def preview(self, found: Sequence[Found]) -> list[Row]:
        """What would become of each."""
        with self._control.read() as connection:
            return judge(found, self._facts(connection, found), self._clock())

    def make(self, rows: Sequence[Row], progress: Callable[[int], object]) -> list[Row]:
        """Make what `preview` found could be made, a piece at a time; what became of each. `progress` gets the number in each piece."""
        outcome: list[Row] = []
        for start in range(0, len(rows), _PIECE):
            piece = rows[start : start + _PIECE]
            outcome += self._make(piece)
            progress(sum(row.verdict == "make" for row in piece))
        return outcome

    def _make(self, piece: Sequence[Row]) -> list[Row]:
        """Judges again within the transaction, since others may have been here."""
        wanted = [row.found for row in piece if row.verdict == "make"]
        now = self._clock()
        with self._control.begin() as connection:
            again = iter(judge(wanted, self._facts(connection, wanted), now))
            return [self._made(connection, next(again), now) if row.verdict == "make" else row for row in piece]

    def _made(self, connection: Connection, row: Row, now: Ns) -> Row:
        if row.verdict != "make":
            return row
        try:
            made = actions.add_monitor(connection, self._project, self._plan, row.fields, now, token=row.found.token)
        except actions.Refused as refused:
            return Row(row.found, "cannot", str(refused))
        if row.found.paused:
            actions.pause(connection, made.monitor, self._base_url, now)
        return row

    def _facts(self, connection: Connection, found: Sequence[Found]) -> Facts:
        tokens = sorted({one.token for one in found})
        holders: dict[str, Holder] = {}
        for start in range(0, len(tokens), _ASKED):
            holders |= monitors.holders(connection, tokens[start : start + _ASKED])
        return Facts(self._project, self._plan, monitors.count(connection, self._project.id), holders)

    def shared_slugs(self, rows: Sequence[Row]) -> list[str]:
        """Slugs of monitors to be made that other monitors of the project have already: pings that name one would be ambiguous."""
        slugs = {row.fields["slug"] for row in rows if row.verdict == "make"} - {None}
        with self._control.read() as connection:
            return sorted(slug for slug in slugs if monitors.by_slug(connection, self._project.id, slug))

    def check_ping_key(self, ping_key: str) -> None:
        """Raises Taken where another project has it."""
        with self._control.read() as connection:
            self._check(connection, ping_key)

    def take_ping_key(self, ping_key: str) -> None:
        """Make `/ping/<ping key>/<slug>` name this project's monitors. Raises Taken."""
        with self._control.begin() as connection:
            self._check(connection, ping_key)
            if ping_key != self._project.ping_key:
                projects.change(connection, self._project.id, ping_key=ping_key)

    def _check(self, connection: Connection, ping_key: str) -> None:
        holder = projects.by_ping_key(connection, ping_key)
        if holder is not None and holder.id != self._project.id:
            raise Taken(f"the ping key is that of the project {holder.name!r}; import into that one, with --project, or leave the key out")


def is_ping_key(text: str) -> bool:
    return _PING_KEY.fullmatch(text) is not None
