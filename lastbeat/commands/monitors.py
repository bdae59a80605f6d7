"""`lastbeat monitor`: what is watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import click
from sqlalchemy import Connection

from api.monitors import MonitorShape, Seen, seen
from dashboards import words
from lastbeat import clock
from lastbeat.commands.administration import (
    Line,
    administration,
    as_json,
    confirm,
    defined,
    of_data,
    of_project,
    show_json,
    unasked,
)
from lastbeat.commands.columns import show_facts, show_table
from rules import actions
from rules.definitions import MonitorDefinition
from store.control import projects
from store.instant import iso
from store.model import Monitor, Ns, Schedule, ShownStatus

_STATUSES = get_args(ShownStatus)
_OPTIONS = {
    "name": "NAME",
    "interval": "--interval",
    "gracePeriod": "--grace",
    "schedule": "--schedule",
    "timezone": "--timezone",
    "tags": "--tag",
    "slug": "--slug",
    "startBy": "--start-by",
    "minRunTime": "--min-run-time",
    "maxRunTime": "--max-run-time",
}
_NAMES = {"grace": "gracePeriod", "start_by": "startBy", "min_run_time": "minRunTime", "max_run_time": "maxRunTime"}


@click.group()
def group() -> None:
    """Monitors, the jobs that are watched. Each is expected to ping its secret URL.

    \b
    A job that runs every night at two and takes up to an hour:
      lastbeat monitor create backup --schedule "0 2 * * *" --grace 3600

    ID is what `lastbeat monitor list` shows. Everything works beside a running server.
    """


@group.command("list")
@of_project
@click.option("--status", type=click.Choice(_STATUSES), metavar="STATUS", help=f"Only those that are {', '.join(_STATUSES)} now.")
@click.option("--tag", metavar="TAG", help="Only those with this tag.")
@as_json
@of_data
def listed(asked: str | None, status: ShownStatus | None, tag: str | None, as_json: bool, data_dir: str | None) -> None:
    """Show a project's monitors by name.

    \b
      lastbeat monitor list --status down
    """
    now = clock.now()
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        project = lastbeat.project(connection, asked)
        pages = lastbeat.pages(connection, project, now, tag, status)
        found = [one for page in pages for one in seen(connection, page, lastbeat.base_url, now)]
    if as_json:
        show_json(MonitorShape(many=True).dump(found))
    elif found:
        show_table(["ID", "NAME", "STATUS", "EXPECTED", "LAST PING"], [_row(one, now) for one in found], (1, 3))
    else:
        such = " such" if status or tag else ""
        click.echo(f"The project {project.name!r} has no{such} monitors.", err=True)


@group.command()
@click.argument("name", type=Line())
@of_project
@click.option("--interval", type=int, metavar="S", help="Seconds between pings; else 60, or as many as the project's plan asks for.")
@click.option("--grace", type=int, metavar="S", help="Seconds a ping may be late; else 30.")
@click.option("--schedule", metavar="CRON", help='Cron expression such as "0 2 * * *", or several with ; between; replaces the interval.')
@click.option("--timezone", metavar="TZ", help="IANA time zone of the schedule, such as Europe/Berlin; else UTC.")
@click.option("--tag", "tags", type=Line(), multiple=True, metavar="TAG", help="Tag to find it by; repeatable.")
@click.option("--slug", metavar="SLUG", help="Name for ping URLs with the project's ping key.")
@click.option("--start-by", type=int, metavar="S", help="Seconds within which a run must report its start; else none is waited for.")
@click.option("--min-run-time", type=int, metavar="S", help="Seconds a run must take from its start signal; else any time.")
@click.option("--max-run-time", type=int, metavar="S", help="Seconds a run may take from its start signal; else any time.")
@as_json
@of_data
def create(name: str, asked: str | None, tags: tuple[str, ...], as_json: bool, data_dir: str | None, **options: Any) -> None:
    """Make a monitor and print its ping URL, a secret.

    \b
      lastbeat monitor create backup --schedule "0 2 * * *" --grace 3600
    """
    given = {_NAMES.get(option, option): value for option, value in options.items() if value is not None}
    definition = defined(MonitorDefinition(), {"name": name, "tags": list(tags), **given}, _OPTIONS)
    now = clock.now()
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        project = lastbeat.project(connection, asked)
        watched = actions.add_monitor(connection, project, lastbeat.plan(project), definition, now)
        (made,) = seen(connection, [watched], lastbeat.base_url, now)
    if as_json:
        show_json(MonitorShape().dump(made))
        return
    schedule = made.monitor.schedule
    at = "" if schedule.cron is None else "at "
    click.echo(f"The monitor {made.monitor.id} waits for its first ping, and then for one {at}{rhythm(schedule)}.", err=True)
    click.echo(made.ping_url)


@group.command()
@click.argument("monitor_id", metavar="ID")
@as_json
@of_data
def show(monitor_id: str, as_json: bool, data_dir: str | None) -> None:
    """Show how a monitor is, and its ping URL. The URL is a secret.

    \b
      lastbeat monitor show mon_5f0c71d2a9b3e846
    """
    now = clock.now()
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        (one,) = seen(connection, [lastbeat.monitor(connection, monitor_id)], lastbeat.base_url, now)
        project = projects.get(connection, one.monitor.project_id)
    if as_json:
        show_json(MonitorShape().dump(one))
        return
    assert project is not None  # a foreign key
    show_facts([("Monitor", one.monitor.name), ("Id", one.monitor.id), ("Project", f"{project.name} ({project.id})"), *_facts(one, now)])


@group.command()
@click.argument("monitor_id", metavar="ID")
@of_data
def pause(monitor_id: str, data_dir: str | None) -> None:
    """Stop judging a monitor. Its pings are kept, and change nothing.

    \b
      lastbeat monitor pause mon_5f0c71d2a9b3e846
    """
    monitor = _do(monitor_id, data_dir, actions.pause)
    click.echo(f"The monitor {monitor.name!r} is paused.")


@group.command()
@click.argument("monitor_id", metavar="ID")
@of_data
def resume(monitor_id: str, data_dir: str | None) -> None:
    """Judge a paused monitor again, one whole period from now.

    \b
      lastbeat monitor resume mon_5f0c71d2a9b3e846
    """
    monitor = _do(monitor_id, data_dir, actions.resume)
    click.echo(f"The monitor {monitor.name!r} is watched again.")


@group.command()
@click.argument("monitor_id", metavar="ID")
@unasked
@of_data
def delete(monitor_id: str, yes: bool, data_dir: str | None) -> None:
    """Delete a monitor with its history. Its ping URL is unknown from now on.

    \b
      lastbeat monitor delete mon_5f0c71d2a9b3e846
    """
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        name = lastbeat.monitor(connection, monitor_id).monitor.name
    confirm(f"Delete the monitor {name!r} with its history?", unasked=yes)
    _do(monitor_id, data_dir, actions.delete_monitor)
    click.echo(f"The monitor {name!r} is deleted.")


def rhythm(schedule: Schedule) -> str:
    """When pings are expected: `every 5 min`, or the cron expression with its zone where that is not UTC."""
    if schedule.cron is None:
        return f"every {words.span(schedule.interval)}"
    return schedule.cron if schedule.timezone == "UTC" else f"{schedule.cron} {schedule.timezone}"


def _do(monitor_id: str, data_dir: str | None, action: Callable[[Connection, Monitor, str, Ns], None]) -> Monitor:
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        monitor = lastbeat.monitor(connection, monitor_id).monitor
        action(connection, monitor, lastbeat.base_url, clock.now())
    return monitor


def _row(one: Seen, now: Ns) -> list[str]:
    last = one.beat.last_ping_at
    return [
        one.monitor.id,
        one.monitor.name,
        one.status,
        rhythm(one.monitor.schedule) + ("" if one.beat.health is None else " (cannot be computed)"),
        "never" if last is None else words.relative(last, now),
    ]


def _facts(one: Seen, now: Ns) -> list[tuple[str, str]]:
    schedule, beat = one.monitor.schedule, one.beat
    return [
        ("Status", one.status + (", running" if one.running else "")),
        ("Expected", f"{rhythm(schedule)}, and {words.span(schedule.grace)} late at the most"),
        ("Begins", "" if schedule.start_by is None else f"{words.span(schedule.start_by)} late at the most"),
        ("Shortest run", "" if schedule.min_run is None else words.span(schedule.min_run)),
        ("Longest run", "" if schedule.max_run is None else words.span(schedule.max_run)),
        ("Trouble", beat.health or ""),
        ("Last ping", _when(beat.last_ping_at, now) or "never"),
        ("Next ping", _when(one.next_expected_at, now)),
        ("Down since", _when(beat.down_since, now)),
        ("Tags", ", ".join(one.monitor.tags)),
        ("Slug", one.monitor.slug or ""),
        ("Notifies", ", ".join(one.channel_ids or ["the project's default channels"])),
        ("Methods", f"only {one.monitor.methods}" if one.monitor.methods else ""),
        ("Created", iso(one.monitor.created_at)),
        ("Ping URL", one.ping_url or ""),
    ]


def _when(at: Ns | None, now: Ns) -> str:
    return "" if at is None else f"{iso(at)} ({words.relative(at, now)})"
