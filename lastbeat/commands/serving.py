"""`lastbeat serve`, and the hidden command by which it starts its children."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from config.settings import Settings
from lastbeat.commands.options import log_as, settings_of, settings_options


@click.command()
@settings_options()
def serve(**flags: str | None) -> None:
    """Run the server: pings, API, pages and alerts, on the data in one directory.

    Each option can also be given as an environment variable (LASTBEAT_PORT for --port), or as a line of the YAML file named by
    LASTBEAT_CONFIG; secrets only there: LASTBEAT_API_KEY and LASTBEAT_ADMIN_PASSWORD, or LASTBEAT_…_FILE with the path of a file.
    SIGTERM stops it cleanly, and no way of stopping it loses a ping that was answered with 200.
    """
    from lastbeat.serve import CannotServe
    from lastbeat.serve import serve as run

    log_as("serve")
    try:
        run(settings_of(flags))
    except CannotServe as error:
        raise click.ClickException(f"{error}.") from None


@click.command(hidden=True)
@click.argument("role", type=click.Choice(["worker", "engine"]))
@click.argument("arguments", nargs=-1)
def child(role: str, arguments: tuple[str, ...]) -> None:
    """What `serve` starts; reads its settings from standard input."""
    run: Callable[[Settings], Any]
    if role == "worker":
        from lastbeat import worker

        slot, descriptor = map(int, arguments)
        log_as(f"worker-{slot}")
        run = partial(worker.run, slot=slot, listener=socket.socket(fileno=descriptor))
    else:
        from lastbeat import engine

        log_as("engine")
        run = engine.run
    from lastbeat.serve import read_settings

    told = sys.stdin.buffer.readline()
    if told:  # else the parent is gone before it began
        run(read_settings(told))
