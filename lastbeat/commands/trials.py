"""`lastbeat rules test`: what rules do with what jobs might send, held against what is expected of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from lastbeat.commands.columns import visible
from lastbeat.commands.rules import number, show_errors
from lastbeat.junit import Refused, Suite, document
from rules import trials
from rules.rule_files import RuleErrors
from rules.rule_files.timespan import written
from rules.trials import TrialFile
from rules.trials.comparison import Failure, Outcome, performed
from rules.trials.performance import Line
from store.model import SECOND

_FAILURES = 20  # that are shown of one test
_LINES = 40  # of what happened, for a test that failed


class _Unwritten(click.ClickException):
    """What came of the tests could not be kept."""

    exit_code = 2  # 1 would say that a test failed


@click.command()
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--junit", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE", help="Also write the results there, as JUnit XML."
)
@click.option("-v", "--verbose", is_flag=True, help="Show of each test all that happened.")
@click.pass_context
def test(context: click.Context, files: tuple[Path, ...], junit: str | None, verbose: bool) -> None:
    """Test rules: what they would make of pings that a file describes.

    \b
      lastbeat rules test rules.d/tests/*.yml

    FILE names rule files, and says what jobs send and what is expected then; docs/rules.md says how. The engine's own judgement goes
    through it on a clock of its own, in no time, and tells nobody.

    The exit status is 0 when all is as expected, 1 when a test failed, and 2 when a file has errors, the results cannot be written or the
    command was asked for wrongly.
    """
    found, refused = _read(files)
    if refused:
        show_errors(list(dict.fromkeys(error for one in refused for error in one.errors)), as_json=False)
        _write(junit, [], refused)
        context.exit(2)
    suites = [_tried(file, verbose=verbose) for file in found]
    outcomes = [one for suite in suites for one in suite.outcomes]
    failed = sum(1 for outcome, _ in outcomes if outcome.failures)
    _sum_up(len(outcomes), failed, sum(seconds for _, seconds in outcomes))
    _write(junit, suites)
    if failed:
        context.exit(1)


def _read(files: Sequence[Path]) -> tuple[list[TrialFile], list[Refused]]:
    """The tests; and the files that have errors, or name rule files with errors."""
    found: list[TrialFile] = []
    refused: list[Refused] = []
    for path in files:
        try:
            found.append(trials.read(path))
        except RuleErrors as errors:
            refused.append(Refused(str(path), errors.errors))
    return found, refused


def _write(junit: str | None, suites: Sequence[Suite], refused: Sequence[Refused] = ()) -> None:
    """The results, for a build server. Where nothing could be tested that is one, lest those of before be taken for today's."""
    if junit is None:
        return
    try:
        with click.open_file(junit, "wb") as file:
            file.write(document(suites, refused))
    except OSError as error:
        raise _Unwritten(f"The results cannot be written to {junit}: {error.strerror}.") from None


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
