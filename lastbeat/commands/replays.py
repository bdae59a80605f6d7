"""`lastbeat rules replay`: what rules would have said in the past."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from sqlalchemy import Connection

from config.settings import Settings
from dashboards.words import condition
from lastbeat import clock
from lastbeat.commands.administration import Administration, administration, as_json, meant, show_json
from lastbeat.commands.columns import visible
from lastbeat.commands.moments import Moment
from lastbeat.commands.options import settings_of, settings_options
from lastbeat.commands.rules import number, show_errors
from lastbeat.installation import open_points
from lastbeat.replay import Account, Watching, accounts, farthest, replayed, watching
from rules.accept import by_project
from rules.book import current
from rules.rehearsal.firings import Firing
from rules.rehearsal.replay import Replayed
from rules.rule_files import RuleErrors, read
from rules.samples import sample
from store.control import gaps, projects
from store.instant import iso, span
from store.model import SECOND, Monitor, Ns
from store.points import Points, PointsError
from store.rule import Rule

_TODAYS = "A monitor's settings of then are not kept: today's are used, with its pauses and the server's outages as they were."


class _Story(NamedTuple):
    """All that came of a replay; `said` is in the order of `watched`. `breaks`: how often the server was not listening."""

    start: Ns
    end: Ns
    rules: Sequence[Rule]
    watched: Sequence[Watching]
    said: Sequence[Replayed]
    breaks: int

    @property
    def pings(self) -> int:
        return sum(one.pings for one in self.said)

    def accounts(self) -> Iterator[Account]:
        return accounts(self.rules, self.watched, self.said, self.start, self.end)


@click.command("replay")
@click.option("--from", "start", type=Moment(), required=True, metavar="TIME", help="Since when: ISO 8601, or how long ago, as in 7d.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Until when; else now.")
@click.option(
    "--rules", "places", type=click.Path(path_type=Path), multiple=True, metavar="PATH", help="These rule files; else what is in force."
)
@click.option("--monitor", "names", multiple=True, metavar="NAME", help="Only this monitor, by its id, name or slug; repeatable.")
@click.option("--project", "asked", metavar="PROJECT", help="Only monitors of this project, by its id or name; else of all.")
@as_json
@settings_options("data_dir", "influxdb_url", "influxdb_org", "influxdb_bucket")
@click.pass_context
def command(
    context: click.Context,
    /,
    start: Ns,
    end: Ns | None,
    places: tuple[Path, ...],
    names: tuple[str, ...],
    asked: str | None,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Ask what rules would have said in the past.

    \b
      lastbeat rules replay --from 7d --rules rules.d
      lastbeat rules replay --from 2026-11-01 --to 2026-11-08 --monitor nightly-backup

    The stored pings go through the engine's own judgement once more, on a clock of its own; nobody is told, and nothing is changed. It
    works beside a running server. Without --rules it is about the rules that are in force and the alerts of the API and the pages; with it,
    about the rules of these files alone.

    The exit status is 2 when such a file has errors, or the command was asked for wrongly, and 1 when it cannot be answered.
    """
    end = clock.now() if end is None else end
    if start >= end:
        raise click.UsageError("--from must be before --to.")
    try:
        written = read(*places).rules if places else None
    except RuleErrors as refused:
        show_errors(refused.errors, as_json)
        context.exit(2)
    settings = settings_of(flags)
    with administration(flags["data_dir"]) as lastbeat:
        with lastbeat.control.read() as connection:
            rules = current(connection).rules if written is None else by_project(connection, written)
            meant_ones = _monitors(connection, lastbeat, asked, names)
            watched = watching(connection, meant_ones, rules, start, end, with_alerts=written is None)
            away = gaps.within(connection, farthest(watched, start), end)
        with _points(settings) as points, _progress(watched) as waiting:
            said = [replayed(points, one, away, start, end) for one in waiting]
    _warn(settings, start)
    story = _Story(start, end, rules, watched, said, sum(1 for gap in away if gap.end > start))
    (_show_json if as_json else _show)(story)


def _monitors(connection: Connection, lastbeat: Administration, asked: str | None, names: Sequence[str]) -> list[Monitor]:
    owners = projects.find(connection) if asked is None else [lastbeat.project(connection, asked)]
    found = [one.monitor for owner in owners for page in lastbeat.pages(connection, owner, clock.now()) for one in page]
    called = {one.id: {name for name in (one.id, one.name, one.slug) if name} for one in found}
    for name in names:
        if not any(name in known for known in called.values()):
            hint = meant(name, [one.name for one in found]) or "; `lastbeat monitor list` shows those of a project."
            raise click.ClickException(f"There is no monitor {name!r:.80}{hint}")
    return [one for one in found if not names or called[one.id] & set(names)]


@contextmanager
def _points(settings: Settings) -> Iterator[Points]:
    points = open_points(settings)
    try:
        yield points
    except PointsError as error:
        raise click.ClickException(f"{str(error).rstrip('.')}.") from None
    finally:
        points.close()


@contextmanager
def _progress(watched: Sequence[Watching]) -> Iterator[Iterator[Watching]]:
    with click.progressbar(watched, label="Replaying", file=sys.stderr, hidden=not sys.stderr.isatty()) as waiting:
        yield iter(waiting)


def _warn(settings: Settings, start: Ns) -> None:
    click.echo(_TODAYS, err=True)
    kept = clock.now() - settings.retention_days * 86_400 * SECOND
    if settings.influxdb_url is None and start < kept:
        click.echo(f"Pings from before {iso(kept)} are not kept any more (LASTBEAT_RETENTION_DAYS).", err=True)


def _show(story: _Story) -> None:
    lines = sorted(_lines(story))
    for at, text in lines:
        click.echo(f"{iso(at)}  {visible(text)}")
    if lines:
        click.echo()
    away = f", in which the server was not listening {number(story.breaks, 'time')}" if story.breaks else ""
    length = span((story.end - story.start) // SECOND)
    click.echo(f"{number(story.pings, 'ping')} of {number(len(story.watched), 'monitor')} in {length}{away}:")
    for account in story.accounts():
        click.echo(f"  {visible(_name(account.rule))}: {_summary(account)}")


def _lines(story: _Story) -> Iterator[tuple[Ns, str]]:
    for one, said in zip(story.watched, story.said, strict=True):
        for moved in said.transitions:
            yield moved.at, f"{one.monitor.name}: {moved.from_status} → {moved.to_status} ({moved.reason})"
        for turn in said.turns:
            yield turn.at, f"{one.monitor.name}: {_name(turn.rule)} {turn.before} → {turn.after}{_valued(turn.value)}"


def _summary(account: Account) -> str:
    if not account.watched:
        return "watches none of these monitors."
    began = account.began
    already = len(account.firings) - len(began)
    before = f"fired already at the beginning on {number(already, 'monitor')}" if already else ""
    now = _of([one for one in account.firings if one.end is None])
    goes_on = f"; it still fires on {now} at the end." if any(one.end is None for one in account.firings) else "."
    if not began:
        return f"{before}, and would not have fired again{goes_on}" if before else "would not have fired."
    said = f"would have fired {number(len(began), 'time')} on {_of(began)} (longest {span(account.longest)})"
    return f"{said}{f', and {before}' if before else ''}{goes_on}"


def _of(firings: Sequence[Firing]) -> str:
    return number(len({one.monitor.id for one in firings}), "monitor")


def _show_json(story: _Story) -> None:
    show_json(
        {
            "from": iso(story.start),
            "to": iso(story.end),
            "monitors": len(story.watched),
            "pings": story.pings,
            "gaps": story.breaks,
            "transitions": [
                {"at": iso(at), "monitor": _shown(monitor), "from": before, "to": after, "reason": reason}
                for at, monitor, before, after, reason in sorted(_moves(story), key=lambda move: move[0])
            ],
            "rules": [_account(account) for account in story.accounts()],
        }
    )


def _moves(story: _Story) -> Iterator[tuple[Ns, Monitor, str, str, str]]:
    for one, said in zip(story.watched, story.said, strict=True):
        for moved in said.transitions:
            yield moved.at, one.monitor, moved.from_status, moved.to_status, moved.reason


def _account(account: Account) -> dict[str, Any]:
    return {
        "alert": _name(account.rule),
        "uid": None if account.rule is None else account.rule.uid,
        "watched": account.watched,
        "fired": len(account.began),
        "longestSeconds": account.longest,
        "firings": [
            {
                "monitor": _shown(one.monitor),
                "from": iso(one.start),
                "to": None if one.end is None else iso(one.end),
                "value": one.value,
                "reason": one.reason,
            }
            for one in account.firings
        ],
    }


def _shown(monitor: Monitor) -> dict[str, str]:
    return {"id": monitor.id, "name": monitor.name}


def _name(rule: Rule | None) -> str:
    if rule is None:
        return "Outages that no rule is about"
    return rule.name or condition(rule)


def _valued(value: float | str | None) -> str:
    return "" if value is None else f" ({sample(value)})"
