"""Instants on a command line."""

from __future__ import annotations

from typing import Any

import click

from lastbeat import clock
from rules.rule_files.complaints import Place
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Unfit
from rules.rule_files.timespan import duration
from store.instant import from_iso
from store.model import SECOND, Ns


class Moment(click.ParamType[Ns]):
    """ISO 8601, `now`, or how long ago: `7d`, `1h30m ago`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ns:
        text = str(value).strip()
        try:
            return clock.now() if text == "now" else clock.now() - _seconds(text) * SECOND
        except Unfit:
            pass
        try:
            return from_iso(text)
        except ValueError:
            self.fail(f"{value!r:.60} is no time; write it as 2026-11-23T03:04:05Z, 7d or 24h ago.", param, ctx)


def _seconds(text: str) -> int:
    return duration(1)(Scalar(Place(1, 1), text.removesuffix("ago").rstrip(), "plain"))
