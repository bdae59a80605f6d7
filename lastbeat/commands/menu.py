"""The commands of a program, of which some are loaded only when somebody asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class Menu(click.Group):
    """A group with commands that wait in modules of their own: `later` maps a command's name to its module, which calls it `group`.

    Their modules may import what takes long to load: the others, such as `lastbeat exec` in everybody's crontab, start without it.
    """

    def __init__(self, *args: Any, later: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._later = later

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self._later])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._later:
            return super().get_command(ctx, cmd_name)
        group = import_module(self._later[cmd_name]).group
        assert isinstance(group, click.Group)
        return group
