"""A request to a ping URL, what is sent back, and why a ping may be refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from ingest.payload import LOG_LIMIT

TEXT, JSON = "text/plain; charset=utf-8", "application/json"
# What Healthchecks' clients read, and what lets a browser's script ping.
HEADERS = (("Ping-Body-Limit", str(LOG_LIMIT)), ("Access-Control-Allow-Origin", "*"), ("Cache-Control", "no-store"))


class Request(NamedTuple):
    """A request to a ping URL. `headers` have lower-case names; `size` is the body's, which may be more than was read of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    peer: str
    query: str = ""


class Answer(NamedTuple):
    """What is sent back; the body of an answer to HEAD is left out by the server."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = HEADERS


class Refusal(Exception):
    """Nothing is recorded. `sentence` is for people; `headers` go with it, and `more` where it is told in JSON."""

    status = 400
    headers: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class WrongMethod(Refusal):
    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"{method} is no way to ping; use {', '.join(allowed)}")
        self.headers = (("Allow", ", ".join(allowed)),)


class Unknown(Refusal):
    """No monitor is pinged by this URL. Says nothing more, so that nobody learns by guessing."""

    status = 404

    def __init__(self) -> None:
        super().__init__("not found")


class NoSignal(Refusal):
    """The URL is a monitor's, but what follows it means nothing."""

    status = 404

    def __init__(self, word: str) -> None:
        super().__init__(f"not found: {word[:40]!r} is no signal; there are start, fail, log and an exit status from 0 to 255")


class Malformed(Refusal):
    """The sentence begins with what Healthchecks says in this case."""


class Ambiguous(Refusal):
    status = 409

    def __init__(self) -> None:
        super().__init__("ambiguous slug")


class NoRoom(Refusal):
    """A monitor was to be made, and the plan allows no more."""

    status = 403


class Limited(Refusal):
    """Faster than the project's plan allows; `seconds` until a ping is taken."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__("rate limited")
        self.more = {"retryAfter": seconds}
        self.headers = (("Retry-After", str(seconds)),)


class Unstored(Refusal):
    """Our trouble, not the client's: it is to come again."""

    status = 503
    headers = (("Retry-After", "5"),)


def text(status: int, sentence: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, TEXT, sentence.encode(), (*HEADERS, *headers) if headers else HEADERS)


def json(status: int, told: dict[str, Any], *headers: tuple[str, str]) -> Answer:
    return Answer(status, JSON, msgspec.json.encode(told), (*HEADERS, *headers) if headers else HEADERS)
