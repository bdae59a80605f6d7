"""`lastbeat dashboards`: what is generated for Grafana, as files or sent to it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lastbeat.commands.options import settings_of


@click.group()
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

    settings = settings_of({"data_dir": data_dir})
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
    with grafana.installed(settings_of({"data_dir": data_dir})) as installed:
        sent = installed.push(url, token, asked)
    click.echo(f"{sent} dashboards are at {url.rstrip('/')}/dashboards/f/lastbeat")
