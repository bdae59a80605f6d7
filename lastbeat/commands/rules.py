"""`lastbeat rules`: alert rules in YAML files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from lastbeat import clock
from lastbeat.commands.administration import administration, show_json
from lastbeat.commands.columns import visible
from lastbeat.commands.menu import Menu
from rules.lint import Doubt, Facts, lint
from rules.rule_files import Complaint, RuleErrors, RuleSet, read
from store.control import channels, metric_keys, projects

_LINT = 3  # the exit status of --lint-fatal, as promtool's

COMMANDS = {
    "check": "lastbeat.commands.rules:check",
    "test": "lastbeat.commands.trials:test",
    "replay": "lastbeat.commands.replays:command",
}


@click.group(cls=Menu, later=COMMANDS)
def group() -> None:
    """Alert rules, which are written in YAML files: docs/rules.md says how.

    \b
      lastbeat rules check rules.d
      lastbeat rules test rules.d/tests/*.yml
      lastbeat rules replay --from 7d --rules rules.d

    The server reads those of LASTBEAT_RULES_DIR, and again whenever they change.
    """


@click.command()
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="PATH...")
@click.option("--data-dir", metavar="DIR", help="Also look for what the rules name in the Lastbeat of this data directory.")
@click.option("--lint-fatal", is_flag=True, help="Exit with status 3 where there are warnings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], data_dir: str | None, lint_fatal: bool, as_json: bool) -> None:
    """Check rule files. All that is wrong is said at once, with lines and columns.

    \b
      lastbeat rules check rules.d
      lastbeat rules check --data-dir /var/lib/lastbeat rules.d

    PATH is a file, or a directory whose *.yml and *.yaml files are read. Those of all paths together are one set of rules, as the server
    would read it; nothing comes into force by this.

    A warning is about a rule that is right, and yet may not do what is meant, such as one with a window that is shorter than its interval.
    With --data-dir that is also one that watches no monitor, or a metric that nobody ever sent, or that names no channel there is.

    The exit status is 0 when all is well, 1 when there are errors, 2 when it was asked for wrongly, and 3 when there are warnings and
    --lint-fatal.
    """
    try:
        found = read(*paths)
    except RuleErrors as refused:
        show_errors(refused.errors, as_json)
        context.exit(1)
    doubts = lint(found.rules, None if data_dir is None else _facts(data_dir))
    _show(found, doubts, as_json)
    if doubts and lint_fatal:
        context.exit(_LINT)


def _facts(data_dir: str) -> Facts:
    """What rules may name in the Lastbeat of that directory."""
    now = clock.now()
    with administration(data_dir) as lastbeat, lastbeat.control.read() as connection:
        owners = projects.find(connection)
        watched = [one.monitor for project in owners for page in lastbeat.pages(connection, project, now) for one in page]
        return Facts(
            now,
            {project.id: project.name for project in owners},
            watched,
            {project: set(names) for project, names in channels.named(connection, [project.id for project in owners]).items()},
            {monitor.id: metric_keys.names(connection, monitor.id) for monitor in watched},
        )


def _show(found: RuleSet, doubts: Sequence[Doubt], as_json: bool) -> None:
    counts = dict.fromkeys(found.files, 0) | Counter(rule.file for rule in found.rules)
    if as_json:
        files = [{"file": file, "rules": count} for file, count in counts.items()]
        show_json({"files": files, "errors": [], "warnings": msgspec.to_builtins(doubts)})
        return
    for file, count in counts.items():
        click.echo(f"{file}: {number(count, 'rule')}")
    for doubt in doubts:
        _complain(f"{doubt.file}:{doubt.line}", f"{doubt.alert}: {doubt.sentence}", "warning")
    if doubts:
        click.echo(f"{number(len(doubts), 'warning')}.", err=True)


def show_errors(errors: Sequence[Complaint], as_json: bool) -> None:
    """Show all that is wrong with files."""
    if as_json:
        show_json({"files": [], "errors": msgspec.to_builtins(errors), "warnings": []})
        return
    for error in errors:
        where = error.file if error.line is None else f"{error.file}:{error.line}:{error.column}"
        _complain(where, error.sentence)
    files = len({error.file for error in errors})
    click.echo(f"{number(sum(error.count for error in errors), 'error')} in {number(files, 'file')}.", err=True)


def _complain(where: str, sentence: str, kind: str = "") -> None:
    shown = f" {click.style(f'{kind}:', fg='yellow')}" if kind else ""
    click.echo(f"{click.style(f'{visible(where)}:', bold=True)}{shown} {visible(sentence)}", err=True)


def number(count: int, what: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
