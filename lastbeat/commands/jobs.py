"""`lastbeat exec` and `lastbeat ping`: what jobs on any machine report with. They know a ping URL and nothing else of Lastbeat."""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from store.measured import DURATION, MEMORY

if TYPE_CHECKING:
    from lastbeat.job import Ended

VARIABLE = "LASTBEAT_PING_URL"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Command = TypeVar("Command", bound=Callable[..., Any])


def _ping_url(context: click.Context, parameter: click.Parameter, given: str | None) -> str:
    """The ping URL from the command line, the environment, or the file that the environment names."""
    from lastbeat.report import check

    file = os.environ.get(f"{VARIABLE}_FILE")
    try:
        url = given or (Path(file).read_text(encoding="utf-8").strip() if file else "")
        if not url:
            raise ValueError(f"Which monitor? Give its ping URL, or set {VARIABLE} or {VARIABLE}_FILE.")
        check(url)
    except OSError as error:
        raise click.UsageError(f"{VARIABLE}_FILE names {file}, which cannot be read: {error.strerror}.") from None
    except ValueError as sentence:  # says nothing of the URL, as click's own message would
        raise click.UsageError(str(sentence)) from None
    return url


def _delivery(command: Command) -> Command:
    """The options for how hard to try."""
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=10,
        show_default=True,
        metavar="SECONDS",
        help="How long one request may take.",
    )
    retries = click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=2,
        show_default=True,
        metavar="N",
        help="How often to try again when the server does not answer, is busy (429) or in trouble (5xx), after pauses of 1, 2, 4 … s, "
        "or as long as it asks for, up to 30 s.",
    )
    return timeout(retries(command))


@click.command("exec", context_settings={"allow_interspersed_args": False}, options_metavar="--ping-url URL [OPTIONS] --")
@click.option(
    "--ping-url",
    "url",
    envvar=VARIABLE,
    callback=_ping_url,
    metavar="URL",
    help=f"The monitor's ping URL. It is a secret that other users of the machine can read on a command line: better set {VARIABLE}, "
    f"or {VARIABLE}_FILE with the path of a file that holds it.",
)
@click.option("--no-start", is_flag=True, help="Report the end only. Durations are measured all the same.")
@click.option(
    "--no-output",
    is_flag=True,
    help="Send no output. The command then writes to the terminal or file itself, which keeps colours and progress bars.",
)
@_delivery
@click.option("--quiet", is_flag=True, help="Do not say it when a ping was not delivered.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND [ARGS]…")
@click.pass_context
def execute(
    context: click.Context, url: str, no_start: bool, no_output: bool, timeout: float, retries: int, quiet: bool, command: tuple[str, ...]
) -> None:
    """Run COMMAND and report it to a monitor: that it began, its exit status, how long it took, its memory, and the end of its output.

    \b
    In a crontab:
      LASTBEAT_PING_URL=https://lastbeat.example.org/ping/<token>
      0 2 * * * lastbeat exec -- /usr/local/bin/backup --all

    The exit status is always the command's, whether or not the server can be reached: 128 + n when signal n ended it, 127 when there is no
    such command, 126 when it cannot be executed. Its output is passed on unchanged; the last of it (10,000 bytes, or what the server
    keeps) becomes the ping's log. SIGTERM, SIGINT and SIGHUP are passed on, and the end is reported all the same.

    The URL may be that of any server that speaks as Healthchecks does.
    """
    from lastbeat.job import NotStarted, Relay, Tail, run
    from lastbeat.report import BODY_LIMIT, Reporter, Start, Undelivered

    rid, tail = str(uuid.uuid4()), Tail()
    with Relay() as relay:
        beginning = None if no_start else Start(url, timeout, retries, rid)
        suffix, metrics = "fail", None
        try:
            ended = run(command, relay, None if no_output else tail)
            status, suffix, metrics = ended.status, str(ended.status), _metrics(ended)
        except NotStarted as failed:
            _say(str(failed))
            status = failed.status
            tail.add(str(failed).encode(errors="surrogateescape"))
        received = beginning.finish() if beginning else None
        body = tail.last(received.body_limit if received else BODY_LIMIT)
        try:
            receipt = Reporter(url, timeout, retries, relay.pause).send(suffix, rid=rid, metrics=metrics, body=body)
            trouble = receipt.problem and f"the ping was recorded, but not all of it: {receipt.problem}."
        except Undelivered as failed:
            trouble = f"the ping was not delivered: {failed}."
        if trouble and not quiet:
            _say(trouble)
        context.exit(status)


def _metrics(ended: Ended) -> dict[str, float]:
    return {DURATION: round(ended.duration_s, 3), MEMORY: ended.max_memory_bytes}


def _say(sentence: str) -> None:
    # Not through Python's streams: where those cannot be written the exit status would no longer be the command's.
    with suppress(OSError):
        os.write(2, f"lastbeat exec: {sentence}\n".encode(errors="surrogateescape"))


class _Metric(click.ParamType[tuple[str, float]]):
    """NAME=VALUE, as the pair of a name and a number."""

    name = "metric"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, text = str(value).rpartition("=")
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not name or not math.isfinite(number):
            self.fail(f"{value!r} is no metric; give a name and a number, such as rows=1204.", param, ctx)
        return name, number


@click.command()
@click.argument("url", envvar=VARIABLE, required=False, callback=_ping_url)
@click.option("--start", is_flag=True, help="A run begins; its duration is measured to its end.")
@click.option("--fail", is_flag=True, help="The job failed: the monitor is down at once.")
@click.option("--log", is_flag=True, help="Keep the text, change nothing else.")
@click.option("--exit-status", type=click.IntRange(0, 255), metavar="N", help="0 is success, all else a failure: --exit-status $?")
@click.option("--rid", type=click.UUID, metavar="UUID", help="Names the run, so that runs that overlap are timed apart.")
@click.option("--metric", "metrics", type=_Metric(), multiple=True, metavar="NAME=VALUE", help="A number to chart; repeatable.")
@click.option("--message", metavar="TEXT", help="Text to keep with the ping.")
@click.option(
    "--file", type=click.File("rb"), metavar="PATH", help="File whose end (10,000 bytes) to keep with the ping; - is standard input."
)
@_delivery
@click.option("--verbose", is_flag=True, help="Say it when the ping was recorded.")
def ping(
    url: str,
    start: bool,
    fail: bool,
    log: bool,
    exit_status: int | None,
    rid: uuid.UUID | None,
    metrics: tuple[tuple[str, float], ...],
    message: str | None,
    file: IO[bytes] | None,
    timeout: float,
    retries: int,
    verbose: bool,
) -> None:
    """Send one ping to a monitor's ping URL: the job ran and succeeded, unless an option says otherwise.

    \b
      lastbeat ping https://lastbeat.example.org/ping/<token>
      lastbeat ping --metric rows=1204 --metric seconds=8.4
      ./backup 2>&1 | lastbeat ping --log --file -

    Without URL it is read from LASTBEAT_PING_URL, or from the file named by LASTBEAT_PING_URL_FILE; a command line can be read by other
    users of the machine.

    The exit status is 0 when the ping was recorded, 1 when it was not, 2 when it was asked for wrongly.
    """
    from lastbeat.report import Reporter, Undelivered, server

    suffixes = {"start": start, "fail": fail, "log": log, str(exit_status): exit_status is not None}
    asked = [suffix for suffix, given in suffixes.items() if given]
    if len(asked) > 1:
        raise click.UsageError("A ping is one of --start, --fail, --log and --exit-status, or none of them.")
    if message is not None and file is not None:
        raise click.UsageError("--message and --file both give the text: leave one of them out.")
    body = _end(iter(partial(file.read, 1 << 16), b"") if file else [(message or "").encode(errors="surrogateescape")])
    try:
        receipt = Reporter(url, timeout, retries).send("".join(asked), rid=str(rid) if rid else None, metrics=dict(metrics), body=body)
    except Undelivered as failed:
        raise click.ClickException(f"The ping was not recorded: {failed}.") from None
    if receipt.problem:
        click.echo(f"The ping was recorded, but not all of it: {receipt.problem}.", err=True)
    if verbose:
        click.echo(f"{server(url)} has recorded the ping.")


def _end(text: Iterable[bytes]) -> bytes:
    from lastbeat.job import Tail
    from lastbeat.report import BODY_LIMIT

    tail = Tail()
    for data in text:
        tail.add(data)
    return tail.last(BODY_LIMIT)
