"""`lastbeat channel`: where alerts are sent."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from sqlalchemy import Connection

from api.channels import ChannelShape
from lastbeat import clock
from lastbeat.commands.administration import Line, administration, as_json, confirm, defined, of_data, of_project, show_json, unasked
from lastbeat.commands.columns import show_table
from rules import actions
from rules.channels import Undelivered
from rules.definitions import ChannelDefinition
from store.control import channels
from store.model import Channel

_ALL = 1_000_000
_OPTIONS = {"name": "NAME", "type": "--type", "config": "--config"}


@click.group()
def group() -> None:
    """Notification channels, where alerts are sent.

    \b
    A webhook that hears of all monitors without channels of their own:
      lastbeat channel create ops --url https://example.org/hook --default

    ID is what `lastbeat channel list` shows. Everything works beside a running server. Secrets are never printed.
    """


@group.command("list")
@of_project
@as_json
@of_data
def listed(asked: str | None, as_json: bool, data_dir: str | None) -> None:
    """Show a project's channels by name. Where the newest delivery failed it says why.

    \b
      lastbeat channel list
    """
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        project = lastbeat.project(connection, asked)
        found, _ = channels.find(connection, project.id, limit=_ALL)
    if as_json:
        show_json(ChannelShape(many=True).dump(found))
    elif found:
        rows = [[one.id, one.name, one.type, "yes" if one.is_default else "", one.last_error or ""] for one in found]
        show_table(["ID", "NAME", "TYPE", "DEFAULT", "LAST ERROR"], rows, (1, 4))
    else:
        click.echo(f"The project {project.name!r} has no channels; `lastbeat channel create` makes one.", err=True)


@group.command()
@click.argument("name", type=Line())
@of_project
@click.option("--type", "kind", default="webhook", show_default=True, metavar="TYPE", help="Kind of channel.")
@click.option("--url", metavar="URL", help="Where to send to; the same as `url` in the configuration.")
@click.option(
    "--config",
    metavar="JSON",
    help='Configuration as a JSON object, such as {"url": "https://…", "secret": "…"}; - reads it from standard input, which nobody '
    "else on the machine can read, unlike a command line.",
)
@click.option("--default", "is_default", is_flag=True, help="Notified for all monitors without channels of their own.")
@as_json
@of_data
def create(
    name: str,
    asked: str | None,
    kind: str,
    url: str | None,
    config: str | None,
    is_default: bool,
    as_json: bool,
    data_dir: str | None,
) -> None:
    """Make a channel and print its id.

    \b
      lastbeat channel create ops --url https://example.org/hook --default
      lastbeat channel create ops --config - < ops.json
    """
    configured = _object(config) | ({} if url is None else {"url": url})
    if not configured:
        raise click.UsageError("Where to? Give --url or --config.")
    given = {"name": name, "type": kind, "config": configured, "isDefault": is_default}
    definition = defined(ChannelDefinition(), given, _OPTIONS)
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        made = actions.add_channel(connection, lastbeat.project(connection, asked).id, definition, clock.now())
    if as_json:
        show_json(ChannelShape().dump(made))
        return
    click.echo(f"The channel {made.name!r} is there; `lastbeat channel test {made.id}` sends a test.", err=True)
    click.echo(made.id)


@group.command()
@click.argument("channel_id", metavar="ID")
@of_data
def test(channel_id: str, data_dir: str | None) -> None:
    """Send a test notification. The exit status is 1 if it did not arrive.

    \b
      lastbeat channel test ch_5f0c71d2a9b3e846
    """
    with administration(data_dir) as lastbeat:
        with lastbeat.control.read() as connection:
            channel = _channel(connection, channel_id)
        try:
            actions.send_test(channel, lastbeat.base_url, clock.now())
        except Undelivered as error:
            raise click.ClickException(f"The test was not delivered: {str(error).rstrip('.')}.") from None
    click.echo(f"The channel {channel.name!r} has taken the test.")


@group.command()
@click.argument("channel_id", metavar="ID")
@unasked
@of_data
def delete(channel_id: str, yes: bool, data_dir: str | None) -> None:
    """Delete a channel. What still waits to be sent goes too; monitors that had only this one fall back to the defaults.

    \b
      lastbeat channel delete ch_5f0c71d2a9b3e846
    """
    with administration(data_dir) as lastbeat:
        with lastbeat.control.read() as connection:
            channel = _channel(connection, channel_id)
        confirm(f"Delete the channel {channel.name!r} with what still waits to be sent?", unasked=yes)
        with lastbeat.control.begin() as connection:
            channels.remove(connection, channel.id)
    click.echo(f"The channel {channel.name!r} is deleted.")


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        found = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise click.UsageError(f"--config is no JSON: {error}.") from None  # says where, and nothing of what may be a secret
    if not isinstance(found, dict):
        raise click.UsageError('--config must be a JSON object, such as {"url": "https://example.org/hook"}.')
    return found


def _channel(connection: Connection, channel_id: str) -> Channel:
    """The channel of that id, whichever project it belongs to."""
    found = channels.among(connection, [channel_id]).get(channel_id)
    if found is None:
        raise click.ClickException(f"There is no channel {channel_id!r:.80}; `lastbeat channel list` shows those of a project.")
    return found
