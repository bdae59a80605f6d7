"""`lastbeat points`: the time series, moved from one store to the other."""

from __future__ import annotations

import click

from lastbeat.commands.options import log_as, settings_of, settings_options

_STORES = ("embedded", "influxdb")


@click.group()
def points() -> None:
    """Look after the time series: the history of pings and metrics."""


@points.command("copy")
@click.option("--from", "source", type=click.Choice(_STORES), required=True, help="Where the history is.")
@click.option("--to", "target", type=click.Choice(_STORES), required=True, help="Where it is to be as well.")
@settings_options("data_dir", "influxdb_url", "influxdb_org", "influxdb_bucket")
def points_copy(source: str, target: str, **flags: str | None) -> None:
    """Copy the history of all monitors from one time-series store to the other.

    It may run beside the server. Stopped half-way, it goes on where it was when it is started again; what is copied twice is there once.
    """
    if source == target:
        raise click.UsageError("--from and --to name the same store.")
    settings = settings_of(flags)
    if settings.influxdb_url is None:
        raise click.UsageError("Which InfluxDB? Give --influxdb-url or LASTBEAT_INFLUXDB_URL.")
    from lastbeat.transfer import copy_points
    from store.points import PointsError

    log_as("points")
    try:
        refused = copy_points(settings, source, target)
    except PointsError as error:
        raise click.ClickException(f"{error}. Start it again to go on from here.") from None
    if refused:
        raise click.ClickException(f"{refused} points were refused for good; they are in dead-letters.jsonl, in the data directory.")
