"""Instants on a command line."""

from __future__ import annotations

from typing import Any, Final

import click

from lastbeat import clock
from rules.rule_files.complaints import Place
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Unfit
from rules.rule_files.timespan import YEAR, duration, written
from store.instant import from_iso
from store.model import SECOND, Ns

_LATEST: Final[Ns] = 2**63 - 1
_EVER: Final = 10**20  # seconds: any duration that can be written


class Moment(click.ParamType[Ns]):
    """ISO 8601, `now`, or how long ago: `7d`, `1h30m ago`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ns:
        text = str(value).strip()
        if text == "now":
            return clock.now()
        ago = _seconds(text)
        if ago is not None:
            if ago > YEAR:
                self.fail(f"{value!r:.60} is too long ago; give up to {written(YEAR)}, or write out the time itself.", param, ctx)
            return clock.now() - ago * SECOND
        try:
            at = from_iso(text)
        except ValueError:
            self.fail(f"{value!r:.60} is no time; write it as 2026-11-23T03:04:05Z, 7d or 24h ago.", param, ctx)
        if not 0 <= at <= _LATEST:
            self.fail(f"{value!r:.60} is outside the years 1970 to 2262.", param, ctx)
        return at


def _seconds(text: str) -> int | None:
    """How long ago that is; None for what is no duration."""
    try:
        return duration(0, _EVER)(Scalar(Place(1, 1), text.removesuffix("ago").rstrip(), "plain"))
    except Unfit:
        return None
