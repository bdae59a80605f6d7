"""`lastbeat project`: who owns monitors, channels and API keys, and how much of them a plan allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy import Connection

from dashboards import words
from lastbeat import clock
from lastbeat.commands.administration import Administration, Line, administration, as_json, confirm, meant, of_data, show_json, unasked
from lastbeat.commands.columns import show_facts, show_table
from lastbeat.commands.monitors import rhythm
from rules import plans
from store.control import channels, monitors, projects
from store.instant import iso
from store.model import Monitor, Plan, Project


@click.group()
def group() -> None:
    """Projects and their plans. Each project owns monitors, channels and API keys, and sees nothing of the others.

    \b
    A project for another team, and a key for its scripts:
      lastbeat project create "Team Blue" --plan pro

    PROJECT is an id or a name. Everything works beside a running server. Plans are those that the server was last started with, or those
    of the file that LASTBEAT_PLANS names here.
    """


@group.command()
@click.argument("name", type=Line())
@click.option("--plan", "asked", default="unlimited", show_default=True, metavar="PLAN", help="free, pro, team, enterprise, … or your own.")
@as_json
@of_data
def create(name: str, asked: str, as_json: bool, data_dir: str | None) -> None:
    """Make a project and its first API key. The key is shown this once.

    \b
      lastbeat project create "Team Blue" --plan pro
    """
    with administration(data_dir) as lastbeat:
        plan = _plan(lastbeat.plans, asked)
        key, now = projects.new_key(), clock.now()
        with lastbeat.control.begin() as connection:
            _refuse_taken(connection, name)
            made = projects.create(connection, name, plan.name, now)
            projects.add_key(connection, made.id, "first key", key, now)
    if as_json:
        show_json({"project": {"id": made.id, "name": made.name, "plan": made.plan}, "apiKey": key})
    else:
        click.echo(f"The project {made.name!r} ({made.id}) is there, on the plan {_allowed(plan)}.")
        click.echo(f"Its API key, shown this once: {key}")


@group.command("list")
@as_json
@of_data
def listed(as_json: bool, data_dir: str | None) -> None:
    """Show all projects, the oldest first.

    \b
      lastbeat project list
    """
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        counts = projects.monitor_counts(connection)
        shown = [_shape(lastbeat, connection, project, counts.get(project.id, 0)) for project in projects.find(connection)]
    if as_json:
        show_json(shown)
    else:
        rows = [[each["id"], each["name"], each["plan"], _held(each), "yes" if each["isDefault"] else ""] for each in shown]
        show_table(["ID", "NAME", "PLAN", "MONITORS", "DEFAULT"], rows)


@group.command()
@click.argument("asked", metavar="PROJECT")
@as_json
@of_data
def show(asked: str, as_json: bool, data_dir: str | None) -> None:
    """Show a project and its ping key. With it, ping URLs name a monitor by its slug.

    \b
      lastbeat project show "Team Blue"
    """
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        project = lastbeat.project(connection, asked)
        shape = _shape(lastbeat, connection, project, monitors.count(connection, project.id))
        keys, (_, reached) = projects.keys(connection, project.id), channels.find(connection, project.id, limit=0)
    url = f"{lastbeat.base_url}/ping/{project.ping_key}/<slug>"
    if as_json:
        show_json(shape | {"pingKey": project.ping_key, "pingUrl": url})
        return
    show_facts(
        [
            ("Project", project.name + (" (the default)" if shape["isDefault"] else "")),
            ("Id", project.id),
            ("Plan", _allowed(lastbeat.plan(project))),
            ("Monitors", _held(shape)),
            ("Channels", str(reached)),
            ("API keys", str(len(keys))),
            ("Created", shape["createdAt"]),
            ("Ping key", project.ping_key),
            ("Ping URLs", url),
        ]
    )


@group.command("plan")
@click.argument("asked", metavar="PROJECT")
@click.argument("name", metavar="PLAN")
@of_data
def change_plan(asked: str, name: str, data_dir: str | None) -> None:
    """Put a project on another plan.

    \b
      lastbeat project plan "Team Blue" team

    Monitors that ping more often than the plan allows are named: they stay, and those of their pings that come too early are refused.
    """
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        plan = _plan(lastbeat.plans, name)
        project = lastbeat.project(connection, asked)
        projects.change(connection, project.id, plan=plan.name)
        number, too_often = monitors.count(connection, project.id), _too_often(lastbeat, connection, project, plan)
    click.echo(f"The project {project.name!r} is on the plan {_allowed(plan)}.")
    if plan.monitors is not None and number > plan.monitors:
        click.echo(f"It has {number} monitors: they stay, but no other can be made while there are so many.", err=True)
    if too_often:
        click.echo("These are to ping more often than that; their pings that come too early will be refused:", err=True)
        rows = [[monitor.id, monitor.name, rhythm(monitor.schedule)] for monitor in too_often]
        show_table(["ID", "NAME", "EXPECTED"], rows, err=True)


@group.command()
@click.argument("asked", metavar="PROJECT")
@click.argument("name", type=Line())
@of_data
def rename(asked: str, name: str, data_dir: str | None) -> None:
    """Give a project another name.

    \b
      lastbeat project rename "Team Blue" "Team Green"
    """
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        project = lastbeat.project(connection, asked)
        if name != project.name:
            _refuse_taken(connection, name)
            projects.change(connection, project.id, name=name)
    click.echo(f"The project {project.name!r} is called {name!r} now.")


@group.command("rotate-ping-key")
@click.argument("asked", metavar="PROJECT")
@of_data
def rotate_ping_key(asked: str, data_dir: str | None) -> None:
    """Give a project another ping key. Ping URLs with the old one are unknown from now on.

    \b
      lastbeat project rotate-ping-key "Team Blue"

    Ping URLs that name a monitor by its token stay as they are.
    """
    key = projects.new_ping_key()
    with administration(data_dir) as lastbeat, lastbeat.control.begin() as connection:
        project = lastbeat.project(connection, asked)
        projects.change(connection, project.id, ping_key=key)
    click.echo(f"Ping URLs of the project {project.name!r} with a slug have another key now:", err=True)
    click.echo(f"{lastbeat.base_url}/ping/{key}/<slug>")


@group.command()
@click.argument("asked", metavar="PROJECT")
@unasked
@of_data
def delete(asked: str, yes: bool, data_dir: str | None) -> None:
    """Delete a project and all that it owns. These are monitors and their history, channels and API keys.

    \b
      lastbeat project delete "Team Blue"

    The default project cannot be deleted.
    """
    with administration(data_dir) as lastbeat:
        with lastbeat.control.read() as connection:
            project = lastbeat.project(connection, asked)
            default_id, number = lastbeat.default_id(connection), monitors.count(connection, project.id)
        if project.id == default_id:
            raise click.ClickException(f"{project.name!r} is the default project, which cannot be deleted; delete its monitors instead.")
        confirm(
            f"Delete the project {project.name!r} with {_counted(number, 'monitor')}, their history, its channels and keys?", unasked=yes
        )
        with lastbeat.control.begin() as connection:
            projects.remove(connection, project.id, default_id, clock.now())
    click.echo(f"The project {project.name!r} is deleted.")


def _plan(known: Mapping[str, Plan], name: str) -> Plan:
    if name not in known:
        there = ", ".join(sorted(known))
        raise click.UsageError(f"There is no plan {name!r:.80}{meant(name, known) or '.'} There are {there}; LASTBEAT_PLANS adds others.")
    return known[name]


def _refuse_taken(connection: Connection, name: str) -> None:
    # Else the name could not be given in the place of the id any more.
    if taken := projects.named(connection, name):
        raise click.ClickException(f"There is a project {name!r} already ({taken[0].id}); give this one another name.")


def _shape(lastbeat: Administration, connection: Connection, project: Project, watched: int) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "plan": project.plan,
        "isDefault": project.id == lastbeat.default_id(connection),
        "monitors": watched,
        "monitorLimit": lastbeat.plan(project).monitors,
        "createdAt": iso(project.created_at),
    }


def _held(shape: Mapping[str, Any]) -> str:
    return str(shape["monitors"]) if shape["monitorLimit"] is None else f"{shape['monitors']} of {shape['monitorLimit']}"


def _allowed(plan: Plan) -> str:
    """The plan and what it allows, as in `free: one ping in 10 min, 50 monitors`."""
    rate = f"one ping in {words.span(plan.ping_seconds)}" if plan.ping_seconds else "any number of pings"
    return f"{plan.name}: {rate}, {plan.monitors or 'any number of'} monitors"


def _too_often(lastbeat: Administration, connection: Connection, project: Project, plan: Plan) -> list[Monitor]:
    now = clock.now()
    found = [watched.monitor for page in lastbeat.pages(connection, project, now) for watched in page]
    return [monitor for monitor in found if plans.too_often(plan, monitor.schedule, now)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
