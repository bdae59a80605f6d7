"""What the commands of an administrator share: the Lastbeat in a data directory, and how it refuses.

They work on its control store, beside a running server or without one: workers notice within a second, and the API at once.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click
from marshmallow import Schema, ValidationError
from sqlalchemy import Connection

from api.errors import flat
from config.plans import shipped
from lastbeat.commands.options import settings_of
from lastbeat.installation import found_control
from rules.actions import Refused
from rules.plans import plan_of
from store.control import Control, monitors, projects, settings
from store.control.monitors import Watched
from store.model import Ns, Plan, Project, ShownStatus

_PAGE = 1_000

Command = TypeVar("Command", bound=Callable[..., Any])


class Line(click.ParamType[str]):
    """A line of text, without what cannot be shown or stored."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip()
        if not 0 < len(text) <= 200 or not text.isprintable():
            self.fail(f"{value!r:.60} is not accepted; give 1 to 200 letters, digits and signs.", param, ctx)
        return text


def of_data(command: Command) -> Command:
    return click.option("--data-dir", metavar="DIR", help="The server's data directory; else LASTBEAT_DATA_DIR.")(command)


def of_project(command: Command) -> Command:
    return click.option("--project", "asked", metavar="PROJECT", help="Id or name of the project; else the default project.")(command)


def as_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, with the names of the API's fields.")(command)


def unasked(command: Command) -> Command:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


@dataclass(frozen=True, slots=True)
class Administration:
    """An installation as its administrator sees it. `base_url`: by which jobs reach its server, without a slash at its end.

    `plans`: what projects may do, by the plan's name.
    """

    control: Control
    base_url: str
    plans: Mapping[str, Plan]

    def default_id(self, connection: Connection) -> str:
        """The id of the default project."""
        found = settings.get(connection, settings.DEFAULT_PROJECT)
        assert found is not None  # made with the installation
        return found

    def project(self, connection: Connection, asked: str | None) -> Project:
        """The project of that id or name, or the default one; ends the command where none or more than one is meant."""
        found = projects.get(connection, asked or self.default_id(connection))
        if found is not None:
            return found
        assert asked is not None
        candidates = projects.named(connection, asked)
        if len(candidates) > 1:
            ids = ", ".join(project.id for project in candidates)
            raise click.ClickException(f"{len(candidates)} projects are called {asked!r}: say which by its id, one of {ids}.")
        if not candidates:
            names = [project.name for project in projects.find(connection)]
            hint = meant(asked, names) or "; `lastbeat project list` shows those there are."
            raise click.ClickException(f"There is no project {asked!r:.80}{hint}")
        return candidates[0]

    def plan(self, project: Project) -> Plan:
        return plan_of(self.plans, project)

    def monitor(self, connection: Connection, monitor_id: str) -> Watched:
        """The monitor of that id, whichever project it belongs to; ends the command where there is none."""
        found = monitors.among(connection, [monitor_id]).get(monitor_id)
        if found is None:
            raise click.ClickException(f"There is no monitor {monitor_id!r:.80}; `lastbeat monitor list` shows those of a project.")
        return found

    def pages(
        self, connection: Connection, project: Project, now: Ns, tag: str | None = None, status: ShownStatus | None = None
    ) -> Iterator[list[Watched]]:
        """The project's monitors by name, a thousand at a time."""
        offset = 0
        while page := monitors.find(connection, project.id, now, tag=tag, status=status, limit=_PAGE, offset=offset)[0]:
            yield page
            offset += len(page)


@contextmanager
def administration(data_dir: str | None) -> Iterator[Administration]:
    """The Lastbeat in that directory, else in that of the environment; what it refuses ends the command with a sentence."""
    loaded = settings_of({"data_dir": data_dir})
    with found_control(loaded) as control:
        with control.read() as connection:
            base_url, plans = settings.get(connection, settings.BASE_URL), settings.plans(connection)
        # A file that is named here is newer than what the server has read of it; where none is, the server's may have come by a flag.
        known = loaded.plans if loaded.plans != shipped() else plans or loaded.plans
        try:
            yield Administration(control, base_url or loaded.base_url, known)
        except Refused as error:
            raise click.ClickException(sentence(str(error))) from None


def defined(schema: Schema, given: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """What was given as the fields of a definition; wrong usage where it is none. `options`: what gives each field on the command line."""
    try:
        fields: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        raise click.UsageError("\n".join(_wrong(error, options))) from None
    return fields


def meant(text: str, known: Iterable[str]) -> str:
    """The question whether something known was meant, to go behind `There is no …`; empty where nothing is near."""
    close = difflib.get_close_matches(text, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def show_json(shown: object) -> None:
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


def confirm(question: str, *, unasked: bool) -> None:
    """Ask, and end the command with status 1 unless the answer is yes."""
    if not unasked:
        click.confirm(question, abort=True, err=True)


def _wrong(error: ValidationError, options: Mapping[str, str]) -> Iterator[str]:
    for field, sentences in flat(error.messages_dict):
        name, _, part = field.partition(".")
        where = " ".join(filter(None, [options.get(name, name), "" if part.isdigit() else part]))
        yield from (f"{where}: {sentence(words)}" for words in sentences)
