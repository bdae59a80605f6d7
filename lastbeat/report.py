"""Pings, sent to a Lastbeat or to any server that speaks as Healthchecks does.

Only the standard library is imported: a job waits for this module to load. No sentence of it shows a ping URL, which is a secret.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from http.client import HTTPException, RemoteDisconnected, responses
from typing import Any, Final, NamedTuple
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit, urlunsplit
from urllib.request import HTTPErrorProcessor, OpenerDirector, Request, build_opener

TIMEOUT: Final = 10.0  # seconds for one request
RETRIES: Final = 2
START_TIMEOUT: Final = 5.0  # seconds; the end of a job waits for the start that is under way
LONGEST_PAUSE: Final = 30.0  # seconds between two tries
BODY_LIMIT: Final = 10_000  # bytes that are sent where the server does not say how many it keeps
READ: Final = 2_048  # bytes of an answer that are read at most

_TEMPORARY: Final = (408, 425, 429)  # and all from 500 on
# Healthchecks' hosted service says these with status 200.
_NOT_RECORDED: Final = {b"OK (not found)": 404, b"OK (rate limited)": 429}


class Undelivered(Exception):
    """A ping that was not recorded; says why in a sentence without the secret.

    `permanent`: trying again is no use. `retry_after`: seconds the server asked us to wait.
    """

    def __init__(self, sentence: str, *, permanent: bool = False, retry_after: float = 0) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.retry_after = retry_after


class Receipt(NamedTuple):
    """What the server says about a ping that it recorded: how many bytes of a body it keeps, and what it refused of this one."""

    body_limit: int = BODY_LIMIT
    problem: str | None = None


class Answer(NamedTuple):
    """An answer as it came: `headers` have lower-case names, `body` is its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check(url: str) -> None:
    """ValueError with a sentence, without the URL, where this cannot be a ping URL."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(
            "The ping URL cannot be used; give the monitor's as it is shown, such as https://lastbeat.example.org/ping/<token>."
        )


def server(url: str) -> str:
    """As much of a URL as may be shown: scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def address(url: str, suffix: str = "", rid: str | None = None, metrics: Mapping[str, float] | None = None) -> str:
    """Where one ping goes. `suffix` is `start`, `fail`, `log`, an exit status, or nothing: success. What the URL asks already stays."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{suffix}" if suffix else parts.path
    asked = [("rid", rid)] if rid else []
    asked += [("metric", f"{name}:{_number(value)}") for name, value in (metrics or {}).items()]
    query = "&".join(filter(None, (parts.query, urlencode(asked, safe=":"))))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return True


class Reporter:
    """Sends the pings of one monitor, whose `url` has passed `check`.

    A try takes `timeout` seconds at most, and is followed by up to `retries` more. `pause` waits that many seconds in between, and returns
    whether it is worth another try.
    """

    def __init__(
        self,
        url: str,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        pause: Callable[[float], bool] = _slept,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._retries = retries
        self._pause = pause
        self._headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "lastbeat"}

    def send(self, suffix: str = "", *, rid: str | None = None, metrics: Mapping[str, float] | None = None, body: bytes = b"") -> Receipt:
        """Return when the ping is recorded; Undelivered when it is not and will not be."""
        url = address(self._url, suffix, rid, metrics)
        request = Request(url, body, self._headers, method="POST")  # noqa: S310  # `check` lets nothing but HTTP pass
        tries = 0
        while True:
            try:
                return receipt(self._url, self._within_timeout(request))
            except Undelivered as failed:
                wait = max(2.0**tries, failed.retry_after)
                # A server that asks for more time than we have is not asked again before that time.
                if failed.permanent or tries == self._retries or wait > LONGEST_PAUSE or not self._pause(wait):
                    raise
                tries += 1

    def _within_timeout(self, request: Request) -> Answer:
        """One try. It has a thread of its own because a name's lookup, and an answer that drips, know no timeout."""
        outcome: list[Answer | Undelivered] = []
        thread = threading.Thread(target=lambda: outcome.append(self._tried(request)), daemon=True)
        thread.start()
        thread.join(self._timeout)
        found = outcome[0] if outcome else self._unreachable(TimeoutError())
        if isinstance(found, Undelivered):
            raise found
        return found

    def _tried(self, request: Request) -> Answer | Undelivered:
        try:
            with _opener().open(request, timeout=self._timeout) as reply:
                return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read(READ))
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a host or a proxy whose name cannot be one
            return self._unreachable(error)

    def _unreachable(self, error: Exception) -> Undelivered:
        return Undelivered(f"{server(self._url)} cannot be reached: {_reason(error, self._timeout)}")


class _AsTheyCome(HTTPErrorProcessor):
    """Every answer is a result. No status raises, and no redirect is followed: that would turn a POST into a GET without its body."""

    def http_response(self, request: Request, response: Any) -> Any:
        return response

    https_response = http_response


@cache
def _opener() -> OpenerDirector:
    """Made when it is needed and once: on newer Pythons it reads the machine's certificates."""
    return build_opener(_AsTheyCome)


class Start:
    """The start ping, sent beside the command so that no server can delay it."""

    def __init__(self, url: str, timeout: float, retries: int, rid: str) -> None:
        self._over = threading.Event()
        self._receipt: Receipt | None = None
        reporter = Reporter(url, min(timeout, START_TIMEOUT), retries, lambda seconds: not self._over.wait(seconds))
        self._thread = threading.Thread(target=self._send, args=(reporter, rid), daemon=True)
        self._thread.start()

    def _send(self, reporter: Reporter, rid: str) -> None:
        # The end tells more: where that gets through nothing is amiss, and where it does not, its reason is shown.
        with suppress(Undelivered):
            self._receipt = reporter.send("start", rid=rid)

    def finish(self) -> Receipt | None:
        """Wait for the try that is under way, that it may not arrive after the end, and make no more; what came of it."""
        self._over.set()
        self._thread.join()
        return self._receipt


def receipt(url: str, answer: Answer) -> Receipt:
    """What an answer means: a receipt, or Undelivered. Pure."""
    status = _NOT_RECORDED.get(answer.body, answer.status)
    told = _told(url, answer.body)
    if 200 <= status < 300:
        return Receipt(_body_limit(answer.headers))
    if told.get("ping") == "recorded":
        return Receipt(_body_limit(answer.headers), told.get("error", "the body was refused"))
    raise Undelivered(
        f"{server(url)} answered {status}{_hint(status, answer.headers, told)}",
        permanent=status < 500 and status not in _TEMPORARY,
        retry_after=_retry_after(answer.headers),
    )


def _hint(status: int, headers: Mapping[str, str], told: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        return f", a redirect to {server(headers.get('location', ''))}; give the ping URL that is meant"
    if status == 404:
        return ": it knows no such monitor; check the ping URL"
    reason = told.get("error") or responses.get(status, "").lower()
    return f": {reason}" if reason else ""


def _told(url: str, body: bytes) -> dict[str, str]:
    """The texts of a JSON answer, none where it is something else. One that repeats the secret is left out."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    secrets = [part for part in urlsplit(url).path.split("/") if len(part) >= 8]
    texts = {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}
    return {
        name: text[:200].rstrip(".") for name, text in texts.items() if text.isprintable() and not any(part in text for part in secrets)
    }


def _body_limit(headers: Mapping[str, str]) -> int:
    said = headers.get("ping-body-limit", "")
    return int(said) if said.isdecimal() and len(said) < 16 else BODY_LIMIT


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds; 0 where nothing is asked. The form with a date is for pages that move house, and is not read."""
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() and len(said) < 16 else 0


def _reason(error: BaseException, timeout: float) -> str:
    cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, BaseException) else error
    match cause:
        case TimeoutError():
            return f"no answer within {timeout:g} s"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({cause.verify_message})"
        case ssl.SSLError():
            return f"no TLS with it ({(cause.reason or 'handshake failed').lower().replace('_', ' ')})"
        case socket.gaierror():
            return "its name is not known"
        case RemoteDisconnected():
            return "it closed the connection without an answer"
        case OSError() if cause.strerror:
            return cause.strerror.lower()
        case _:
            return type(cause).__name__  # its text may hold the URL
