"""The head of a request, read strictly. A proxy in front of us decides by it where the request ends, and must not read it otherwise than
we do: what is repeated, misspelt or ambiguous is refused, never guessed at.
"""

from __future__ import annotations

import re
from typing import Protocol

MAX_LINES = 100
MAX_BYTES = 65_536

NAME = r"[!#$%&'*+.0-9A-Z^_`a-z|~-]+"
LENGTH = re.compile(r"[0-9]{1,15}")
_FIRST_LINE = re.compile(NAME + r" [!-~\x80-\xff]+ HTTP/1\.[01]\r\n")
_LINE = re.compile(rf"({NAME}):([^\r\n\x00]*)\r\n")
_ONCE = ("content-length", "host", "transfer-encoding")


class Stream(Protocol):
    def readline(self, limit: int, /) -> bytes: ...


class BadHead(ValueError):
    """A sentence for whoever sent it."""


def check_first_line(line: str) -> None:
    # What stands in a line is not repeated: the sentence is logged, and a ping's URL and an API key are secrets.
    if not _FIRST_LINE.fullmatch(line):
        raise BadHead("the first line is not a method, a target and HTTP/1.0 or HTTP/1.1, one space apart, before CR LF")


def read_head(stream: Stream, version: str) -> bytes:
    """The lines behind the first one, up to and with the blank one, without the spaces that mean nothing.

    Raises BadHead where the blank line is missing or a line can be understood in two ways, OSError where the client is too slow.
    """
    lines: list[str] = []
    headers: dict[str, str] = {}
    size = 0
    while (line := stream.readline(MAX_BYTES - size + 1).decode("latin-1")) != "\r\n":
        size += len(line)
        match = _LINE.fullmatch(line)
        if size > MAX_BYTES or len(lines) == MAX_LINES:
            raise BadHead(f"the head is larger than {MAX_LINES} lines or {MAX_BYTES} bytes")
        if not line:
            raise BadHead("the head ends before its blank line")
        if match is None:
            raise BadHead(f"header line {len(lines) + 1} is not a name, a colon and a value before CR LF")
        name, value = match[1].lower(), match[2].strip(" \t")
        if name in headers and name in _ONCE:
            raise BadHead(f"the header {match[1]} is there twice")
        headers[name] = value
        lines.append(f"{match[1]}: {value}\r\n")
    _check_length(headers, version)
    return "".join([*lines, "\r\n"]).encode("latin-1")


def _check_length(headers: dict[str, str], version: str) -> None:
    """That the body has one length, said in one way."""
    length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None and not LENGTH.fullmatch(length):
        raise BadHead(f"Content-Length: {length[:80]!r} is no number of bytes")
    if encoding is None:
        return
    if encoding.lower() != "chunked":
        raise BadHead(f"Transfer-Encoding: {encoding[:80]!r} is not known here, only chunked")
    if length is not None or version == "HTTP/1.0":
        raise BadHead("Transfer-Encoding cannot stand beside Content-Length, nor in HTTP/1.0")
