"""`lastbeat import …`: monitors of other programs become Lastbeat's own, and keep their tokens."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lastbeat import clock
from lastbeat.commands.administration import Command, administration, of_data, of_project
from lastbeat.imports import healthchecks, listing, uptime_kuma
from lastbeat.imports.intake import Intake, Row, Source, SourceError, Taken, is_ping_key
from store.model import Project

_VISIBLE = "Other users of this machine can read it on the command line."


@click.group("import")
def group() -> None:
    """Take over monitors from another program, with their tokens: what pings them goes on as before.

    Without --apply nothing is written: what would be made is shown, what is there already, and what cannot be taken over and why. It may
    run beside the server, and again at any time: monitors that are there already stay as they are.

    The exit status is 0 when all is well, 1 when something could not be imported (the rest is all the same) or the other program cannot
    be read, 2 when it was asked for wrongly.
    """


def _options(command: Command) -> Command:
    """The options that all imports have."""
    return of_project(of_data(click.option("--apply", is_flag=True, help="Do it.")(command)))


@group.command("healthchecks")
@click.argument("url")
@click.option("--api-key", metavar="KEY", help=f"Read-write API key of the project there. {_VISIBLE}")
@click.option(
    "--api-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File that holds the API key; better than --api-key.",
)
@click.option(
    "--ping-key",
    metavar="KEY",
    help="Ping key of the project there, for jobs whose URLs name it and a slug. It takes the place of the project's key here. " + _VISIBLE,
)
@_options
@click.pass_context
def from_healthchecks(
    context: click.Context,
    url: str,
    api_key: str | None,
    api_key_file: Path | None,
    ping_key: str | None,
    asked: str | None,
    data_dir: str | None,
    apply: bool,
) -> None:
    """Take over the checks of one project of a Healthchecks. URL is its address, such as https://healthchecks.example.org.

    \b
      lastbeat import healthchecks --api-key-file key.txt https://healthchecks.example.org
      lastbeat import healthchecks --api-key-file key.txt https://healthchecks.example.org --apply

    A check becomes a monitor with the same token, name, slug, tags, schedule and grace time; a run that has begun is to end within the
    grace time, as there. It is read over the management API, version 3, and nothing is changed there.
    """
    key = _api_key(api_key, api_key_file)
    if ping_key is not None and not is_ping_key(ping_key):
        raise click.UsageError("--ping-key: a ping key is 1 to 128 letters, digits, - and _.")
    try:
        address = healthchecks.base(url)
    except ValueError as sentence:
        raise click.UsageError(f"{sentence}.") from None
    with _intake(data_dir, asked) as (intake, project):
        try:
            if ping_key is not None:
                intake.check_ping_key(ping_key)
            _import(context, intake, project, _read(address, lambda: healthchecks.read(address, key)), ping_key, apply)
        except Taken as sentence:
            raise click.ClickException(f"{sentence}.") from None


@group.command("uptime-kuma")
@click.argument("file", type=click.Path(path_type=Path))
@_options
@click.pass_context
def from_uptime_kuma(context: click.Context, file: Path, asked: str | None, data_dir: str | None, apply: bool) -> None:
    """Take over the push monitors of an Uptime Kuma. FILE is its kuma.db, from its data directory, or a copy of it.

    \b
      lastbeat import uptime-kuma /var/lib/uptime-kuma/kuma.db
      lastbeat import uptime-kuma /var/lib/uptime-kuma/kuma.db --apply

    A push monitor becomes a monitor with the same token, name, interval and tags. Its grace period is retries × retry interval, and at
    least 30 seconds. The file may be in use; a copy needs kuma.db-wal beside it where there is one. Versions 1 and 2 are read.
    """
    with _intake(data_dir, asked) as (intake, project):
        _import(context, intake, project, _read(str(file), lambda: uptime_kuma.read(file)), None, apply)


def _api_key(given: str | None, file: Path | None) -> str:
    if given is not None and file is not None:
        raise click.UsageError("--api-key and --api-key-file are both given: leave one of them out.")
    if given is None and file is None:
        raise click.UsageError("Which API key? Give --api-key-file with the path of a file that holds it, or --api-key.")
    try:
        key = (file.read_text(encoding="utf-8") if file else given or "").strip()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"The API key in {file} cannot be read: {error}.") from None
    if not key or not key.isascii() or not key.isprintable():
        raise click.UsageError("That is no API key: give the line of letters and digits that Healthchecks showed.")
    return key


@contextmanager
def _intake(data_dir: str | None, asked: str | None) -> Iterator[tuple[Intake, Project]]:
    """The project that gets the monitors: whatever cannot be done there ends the command with a sentence."""
    with administration(data_dir) as admin:
        with admin.control.read() as connection:
            project = admin.project(connection, asked)
        yield Intake(admin.control, project, admin.plan(project), admin.base_url, clock.now), project


def _read(what: str, read: Callable[[], Source]) -> Source:
    click.echo(f"Reading {what} …", err=True)
    try:
        return read()
    except SourceError as error:
        raise click.ClickException(f"{error}.") from None


def _import(context: click.Context, intake: Intake, project: Project, source: Source, ping_key: str | None, apply: bool) -> None:
    """Show what --apply would do, or do it. Ends with exit status 1 where something cannot be imported."""
    rows = intake.preview(source.found)
    width = shutil.get_terminal_size().columns
    if apply:
        rows = _make(intake, rows, ping_key)
        click.echo(listing.outcome(source, rows, width))
    else:
        # What goes into a file or another program is never cut.
        click.echo(listing.preview(source, rows, project.name, width, width if sys.stdout.isatty() else None))
        click.echo("\n" + "\n".join(_further(context, intake, project, rows, ping_key)))
    context.exit(int(any(row.verdict == "cannot" for row in rows)))


def _make(intake: Intake, rows: list[Row], ping_key: str | None) -> list[Row]:
    if ping_key is not None:
        intake.take_ping_key(ping_key)
    count = sum(row.verdict == "make" for row in rows)
    if count == 0:
        return rows
    with click.progressbar(length=count, label="Monitors", show_pos=True) as bar:
        rows = intake.make(rows, bar.update)
    click.echo()
    return rows


def _further(context: click.Context, intake: Intake, project: Project, rows: list[Row], ping_key: str | None) -> Iterator[str]:
    """What to know and what to type to go on from here."""
    if shared := intake.shared_slugs(rows):
        yield f"Other monitors of the project have these slugs too, so that pings by slug will be refused: {', '.join(shared)}."
    another = ping_key not in (None, project.ping_key)
    if another:
        yield f"The project {project.name!r} gets the ping key. URLs with the key that it has now will be unknown."
    if another or any(row.verdict == "make" for row in rows):
        yield "Nothing is written yet. To do it:"
        yield f"  {_command(context)}"
    else:
        yield "There is nothing to be made."


def _command(context: click.Context) -> str:
    """The command that was given, with --apply; secrets are left for its user to fill in."""
    words = ["lastbeat", "import", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if isinstance(parameter, click.Argument):
            words.append(str(value))
        elif value is not None and parameter.name != "apply":
            words += [parameter.opts[0], "KEY" if parameter.opts[0] in ("--api-key", "--ping-key") else str(value)]
    return shlex.join([*words, "--apply"])
