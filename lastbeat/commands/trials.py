"""`lastbeat rules test`: what rules do with what jobs might send, held against what is expected of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import click

from lastbeat.commands.columns import visible
from lastbeat.commands.rules import number, show_errors
from lastbeat.junit import Suite, document
from rules import trials
from rules.rule_files import Complaint, RuleErrors
from rules.rule_files.timespan import written
from rules.trials import TrialFile
from rules.trials.comparison import Failure, Outcome, performed
from rules.trials.performance import Line
from store.model import SECOND

_FAILURES = 20  # that are shown of one test
_LINES = 40  # of what happened, for a test that failed


@click.command()
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True, metavar="FILE...")
@click.option("--junit", type=click.File("wb", lazy=True), metavar="FILE", help="Also write the results there, as JUnit XML.")
@click.option("-v", "--verbose", is_flag=True, help="Show of each test all that happened.")
@click.pass_context
def test(context: click.Context, files: tuple[Path, ...], junit: IO[bytes] | None, verbose: bool) -> None:
    """Test rules: what they would make of pings that a file describes.

    \b
      lastbeat rules test rules.d/tests/*.yml

    FILE names rule files, and says what jobs send and what is expected then; docs/rules.md says how. The engine's own judgement goes
    through it on a clock of its own, in no time, and tells nobody.

    The exit status is 0 when all is as expected, 1 when a test failed, and 2 when a file has errors or the command was asked for wrongly.
    """
    found = _read(files)
    if found is None:
        context.exit(2)
    suites = [_tried(file, verbose=verbose) for file in found]
    outcomes = [one for suite in suites for one in suite.outcomes]
    failed = sum(1 for outcome, _ in outcomes if outcome.failures)
    _sum_up(len(outcomes), failed, sum(seconds for _, seconds in outcomes))
    if junit is not None:
        junit.write(document(suites))
    if failed:
        context.exit(1)


def _read(files: Sequence[Path]) -> list[TrialFile] | None:
    """The tests; None where there are errors, which are shown: of all files at once."""
    found: list[TrialFile] = []
    errors: dict[Complaint, None] = {}  # of a rule file that several test files name once
    for path in files:
        try:
            found.append(trials.read(path))
        except RuleErrors as refused:
            errors |= dict.fromkeys(refused.errors)
    if errors:
        show_errors(list(errors), as_json=False)
    return None if errors else found


def _tried(file: TrialFile, *, verbose: bool) -> Suite:
    outcomes = []
    click.echo(click.style(visible(file.file), bold=True))
    for trial in file.trials:
        began = time.perf_counter()
        outcome = performed(trial, file.rules)
        outcomes.append((outcome, time.perf_counter() - began))
        _show(file.file, outcome, verbose=verbose)
    return Suite(file.file, outcomes)


def _show(file: str, outcome: Outcome, *, verbose: bool) -> None:
    word = click.style("FAILED", fg="red", bold=True) if outcome.failures else click.style("ok    ", fg="green")
    click.echo(f"  {word}  {visible(outcome.trial.name)}")
    for failure in outcome.failures[:_FAILURES]:
        _explain(file, failure)
    if len(outcome.failures) > _FAILURES:
        click.echo(f"          and {len(outcome.failures) - _FAILURES:,} more")
    if outcome.failures or verbose:
        _narrate(outcome.timeline if verbose else outcome.timeline[-_LINES:], len(outcome.timeline))


def _explain(file: str, failure: Failure) -> None:
    place = f"{file}:{failure.place.line}:{failure.place.column}:"
    click.echo(f"          {click.style(visible(place), bold=True)} {visible(failure.what)}")
    click.echo(f"            expected  {click.style(visible(failure.expected), fg='green')}")
    click.echo(f"            got       {click.style(visible(failure.got), fg='red')}")


def _narrate(lines: Sequence[Line], number_of_all: int) -> None:
    click.echo("          What happened:")
    if not lines:
        click.echo("            nothing")
    if number_of_all > len(lines):
        click.echo(f"            … {number_of_all - len(lines):,} lines before; -v shows all")
    times = [written(line.at // SECOND) for line in lines]
    width = max(map(len, times), default=0)
    for at, line in zip(times, lines, strict=True):
        click.echo(f"            {at:>{width}}  {visible(line.text)}")


def _sum_up(tests: int, failed: int, seconds: float) -> None:
    colour = "red" if failed else "green"
    said = f"{number(failed, 'test')} of {tests:,} failed" if failed else f"{number(tests, 'test')} passed"
    click.echo(f"{click.style(said, fg=colour, bold=True)}, in {seconds:.2f} s.")
