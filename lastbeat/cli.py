"""The command `lastbeat`."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from config.settings import SETTINGS, Settings, SettingsError, load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastbeat", message="%(prog)s %(version)s")
def main() -> None:
    """Lastbeat tells you when a job stopped beating, and how it was doing before it did.

    Start a server with `lastbeat serve`, create a monitor on its pages or through its API, and let the job ping the monitor's URL.
    """


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    for setting in reversed(SETTINGS):
        if not setting.secret:  # secrets on a command line are read by everybody on the machine
            shown = "" if setting.default is None else f"  [default: {setting.default}]"
            command = click.option(setting.flag, setting.name, metavar="TEXT", help=f"{setting.help}{shown}")(command)
    return command


@main.command()
@_settings_options
def serve(**flags: str | None) -> None:
    """Run the server: pings, API, pages and alerts, on the data in one directory.

    Each option can also be given as an environment variable (LASTBEAT_PORT for --port), or as a line of the YAML file named by
    LASTBEAT_CONFIG; secrets only there: LASTBEAT_API_KEY and LASTBEAT_ADMIN_PASSWORD, or LASTBEAT_…_FILE with the path of a file.
    SIGTERM stops it cleanly, and no way of stopping it loses a ping that was answered with 200.
    """
    from lastbeat.serve import CannotServe
    from lastbeat.serve import serve as run

    _log("serve")
    try:
        run(_load(flags))
    except CannotServe as error:
        raise click.ClickException(f"{error}.") from None


def _load(flags: dict[str, str | None]) -> Settings:
    try:
        return load(flags, os.environ)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


@main.command(hidden=True)
@click.argument("role", type=click.Choice(["worker", "engine"]))
@click.argument("arguments", nargs=-1)
def child(role: str, arguments: tuple[str, ...]) -> None:
    """What `serve` starts; reads its settings from standard input."""
    run: Callable[[Settings], Any]
    if role == "worker":
        from lastbeat import worker

        slot, descriptor = map(int, arguments)
        _log(f"worker-{slot}")
        run = partial(worker.run, slot=slot, listener=socket.socket(fileno=descriptor))
    else:
        from lastbeat import engine

        _log("engine")
        run = engine.run
    from lastbeat.serve import read_settings

    told = sys.stdin.buffer.readline()
    if told:  # else the parent is gone before it began
        run(read_settings(told))


def _log(process: str) -> None:
    form = f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
