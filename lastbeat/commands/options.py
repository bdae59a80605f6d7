"""What commands that read the settings share: their options, how they are loaded, and where the log goes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping

import click

from config.settings import SETTINGS, Settings, SettingsError, load


def settings_options(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options for the settings of those names, or for all of them."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for setting in reversed(SETTINGS):
            # Secrets on a command line are read by everybody on the machine.
            if not setting.secret and (not names or setting.name in names):
                shown = "" if setting.default is None else f"  [default: {setting.default}]"
                command = click.option(setting.flag, setting.name, metavar="TEXT", help=f"{setting.help}{shown}")(command)
        return command

    return decorate


def settings_of(flags: Mapping[str, str | None]) -> Settings:
    """The settings from flags (by setting name), environment and file; wrong usage where one does not fit."""
    try:
        return load(flags, os.environ)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def log_as(process: str) -> None:
    """Log to standard error, under the name of this process."""
    form = f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
