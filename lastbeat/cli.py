"""The command `lastbeat`."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from config.settings import SETTINGS, Settings, SettingsError, load
from lastbeat.commands import jobs
from lastbeat.commands.menu import Menu

STORES = ("embedded", "influxdb")
ADMINISTRATION = {
    "api-key": "lastbeat.commands.api_keys",
    "channel": "lastbeat.commands.channels",
    "import": "lastbeat.commands.imports",
    "monitor": "lastbeat.commands.monitors",
    "project": "lastbeat.commands.projects",
}


@click.group(cls=Menu, later=ADMINISTRATION, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastbeat", message="%(prog)s %(version)s")
def main() -> None:
    """Lastbeat tells you when a job stopped beating, and how it was doing before it did.

    Start a server with `lastbeat serve`, create a monitor on its pages, through its API or with `lastbeat monitor create`, and let the job
    ping the monitor's URL.
    """


def _settings_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options for the settings of those names, or for all of them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for setting in reversed(SETTINGS):
            # Secrets on a command line are read by everybody on the machine.
            if not setting.secret and (not names or setting.name in names):
                shown = "" if setting.default is None else f"  [default: {setting.default}]"
                command = click.option(setting.flag, setting.name, metavar="TEXT", help=f"{setting.help}{shown}")(command)
        return command

    return decorate


@main.command()
@_settings_options()
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


@main.group()
def points() -> None:
    """Look after the time series: the history of pings and metrics."""


@points.command("copy")
@click.option("--from", "source", type=click.Choice(STORES), required=True, help="Where the history is.")
@click.option("--to", "target", type=click.Choice(STORES), required=True, help="Where it is to be as well.")
@_settings_options("data_dir", "influxdb_url", "influxdb_org", "influxdb_bucket")
def points_copy(source: str, target: str, **flags: str | None) -> None:
    """Copy the history of all monitors from one time-series store to the other.

    It may run beside the server. Stopped half-way, it goes on where it was when it is started again; what is copied twice is there once.
    """
    if source == target:
        raise click.UsageError("--from and --to name the same store.")
    settings = _load(flags)
    if settings.influxdb_url is None:
        raise click.UsageError("Which InfluxDB? Give --influxdb-url or LASTBEAT_INFLUXDB_URL.")
    from lastbeat.transfer import copy_points
    from store.points import PointsError

    _log("points")
    try:
        refused = copy_points(settings, source, target)
    except PointsError as error:
        raise click.ClickException(f"{error}. Start it again to go on from here.") from None
    if refused:
        raise click.ClickException(f"{refused} points were refused for good; they are in dead-letters.jsonl, in the data directory.")


def _load(flags: dict[str, str | None]) -> Settings:
    try:
        return load(flags, os.environ)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


@main.group()
def dashboards() -> None:
    """Grafana dashboards, generated from the monitors there are.

    They read InfluxDB: LASTBEAT_INFLUXDB_URL, _TOKEN and _BUCKET say where it is. A server with LASTBEAT_DASHBOARDS_DIR keeps that
    directory current by itself.
    """


_of_data = click.option("--data-dir", metavar="DIR", help="The server's data directory; else LASTBEAT_DATA_DIR.")
_of_monitors = click.option("--monitor", "asked", metavar="ID", multiple=True, help="Also a dashboard of this monitor's own; repeatable.")


@dashboards.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, metavar="DIR", help="Where to write them.")
@_of_monitors
@_of_data
def build(out: Path, asked: tuple[str, ...], data_dir: str | None) -> None:
    """Write DIR/dashboards, and DIR/provisioning for Grafana's datasource and folder.

    Grafana must see DIR under the same path. Files that are right already are not touched.
    """
    from lastbeat import grafana

    settings = _load({"data_dir": data_dir})
    if settings.influxdb_url is None:
        click.echo("LASTBEAT_INFLUXDB_URL is not set: the datasource will look for InfluxDB on this machine.", err=True)
    with grafana.installed(settings) as installed:
        changed = installed.build(out.absolute(), asked)
    click.echo("\n".join(changed) or f"Everything in {out} is current already.")


@dashboards.command()
@click.option("--grafana", "url", required=True, metavar="URL", help="Address of the Grafana, such as http://localhost:3000.")
@click.option("--token-file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="File with a service account's token.")
@_of_monitors
@_of_data
def push(url: str, token_file: Path | None, asked: tuple[str, ...], data_dir: str | None) -> None:
    """Send them to a Grafana over its HTTP API, with folder and datasource where those are missing.

    The token of a service account (role Admin, or Editor where the datasource is there) is read from FILE, else from
    LASTBEAT_GRAFANA_TOKEN or from the file named by LASTBEAT_GRAFANA_TOKEN_FILE.
    """
    from lastbeat import grafana

    token = grafana.token(token_file, os.environ)
    with grafana.installed(_load({"data_dir": data_dir})) as installed:
        sent = installed.push(url, token, asked)
    click.echo(f"{sent} dashboards are at {url.rstrip('/')}/dashboards/f/lastbeat")


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


main.add_command(jobs.execute)
main.add_command(jobs.ping)


def _log(process: str) -> None:
    form = f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
