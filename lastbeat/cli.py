"""The command `lastbeat`: where each of its commands is."""

from __future__ import annotations

import click

from lastbeat.commands.menu import Menu

# Loaded when they are asked for: `lastbeat exec` stands in front of everybody's jobs, and starts without what the others need.
COMMANDS = {
    "serve": "lastbeat.commands.serving:serve",
    "child": "lastbeat.commands.serving:child",
    "exec": "lastbeat.commands.jobs:execute",
    "ping": "lastbeat.commands.jobs:ping",
    "project": "lastbeat.commands.projects:group",
    "api-key": "lastbeat.commands.api_keys:group",
    "monitor": "lastbeat.commands.monitors:group",
    "channel": "lastbeat.commands.channels:group",
    "rules": "lastbeat.commands.rules:group",
    "import": "lastbeat.commands.imports:group",
    "points": "lastbeat.commands.points:points",
    "dashboards": "lastbeat.commands.dashboards:dashboards",
}


@click.group(cls=Menu, later=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lastbeat", message="%(prog)s %(version)s")
def main() -> None:
    """Lastbeat tells you when a job stopped beating, and how it was doing before it did.

    Start a server with `lastbeat serve`, create a monitor on its pages, through its API or with `lastbeat monitor create`, and let the job
    ping the monitor's URL.
    """
