"""`lastbeat api-key`: who may use the API."""

from __future__ import annotations

from typing import Any

import click

from lastbeat import clock
from lastbeat.commands.administration import Line, administration, as_json, of_data, of_project, show_json
from lastbeat.commands.columns import show_table
from lastbeat.installation import GIVEN
from store.control import projects
from store.instant import iso
from store.model import ApiKey


@click.group()
def group() -> None:
    """API keys, for scripts. Each opens one project, as the header `x-api-key`.

    \b
    A key for a script that only looks:
      lastbeat api-key create --name grafana --read-only

    A key is kept as a hash: it can be shown once, when it is made. Whoever has lost one makes another and revokes the old one.
    """


@group.command()
@of_project
@click.option("--name", type=Line(), default="made on the command line", show_default=True, help="What it is for, to know it again.")
@click.option("--read-only", is_flag=True, help="It may look, but change nothing, and sees no ping URLs.")
@as_json
@of_data
def create(asked: str | None, name: str, read_only: bool, as_json: bool, data_dir: str | None) -> None:
    """Make an API key and print it. It works at once, and is not shown again.

    \b
      LASTBEAT_KEY=$(lastbeat api-key create --project "Team Blue" --name deploy)
    """
    key = projects.new_key()
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        project = lastbeat.project(connection, asked)
        made = projects.add_key(connection, project.id, name, key, clock.now(), read_only=read_only)
    if as_json:
        show_json(_shape(made) | {"apiKey": key})
        return
    # Apart from the key, so that a script gets nothing else.
    access = "only reads" if read_only else "opens"
    click.echo(
        f"This key {access} the project {project.name!r}. It is not shown again; `lastbeat api-key revoke {made.id}` ends it.", err=True
    )
    click.echo(key)


@group.command("list")
@of_project
@as_json
@of_data
def listed(asked: str | None, as_json: bool, data_dir: str | None) -> None:
    """Show what is known of a project's keys. They come in the order in which they were made; the keys themselves are not known.

    \b
      lastbeat api-key list --project "Team Blue"
    """
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        project = lastbeat.project(connection, asked)
        keys = projects.keys(connection, project.id)
    if as_json:
        show_json([_shape(key) for key in keys])
    elif keys:
        rows = [[key.id, key.name, "read-only" if key.read_only else "read and write", iso(key.created_at)[:10]] for key in keys]
        show_table(["ID", "NAME", "ACCESS", "MADE ON"], rows)
    else:
        click.echo(f"The project {project.name!r} has no API keys; `lastbeat api-key create` makes one.", err=True)


@group.command()
@click.argument("key_id", metavar="ID")
@of_data
def revoke(key_id: str, data_dir: str | None) -> None:
    """End an API key at once. ID is what `lastbeat api-key list` shows.

    \b
      lastbeat api-key revoke key_5f0c71d2a9b3e846
    """
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        revoked = projects.revoke(connection, key_id)
    if revoked is None:
        # Not shown: it may be the key itself that was given.
        raise click.ClickException("There is no API key of this id; `lastbeat api-key list` shows those of a project.")
    click.echo(f"The API key {revoked.id} ({revoked.name}) opens nothing any more.")
    if revoked.name == GIVEN:
        click.echo("The next start of the server brings it back, unless LASTBEAT_API_KEY is changed before.", err=True)


def _shape(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "projectId": key.project_id,
        "name": key.name,
        "readOnly": key.read_only,
        "createdAt": iso(key.created_at),
    }
