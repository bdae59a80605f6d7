"""What the URL of a ping says beside whose it is: which signal, of which run, with which numbers. Pure functions of its parts."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from ingest.answer import Malformed, NoSignal
from store.model import Kind

_WORDS: Final[dict[str, Kind]] = {"start": "start", "fail": "fail", "log": "log"}
_EXIT: Final = re.compile(r"[0-9]{1,300}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Signal(NamedTuple):
    """What the job says. `exit_status` where it gave one."""

    kind: Kind = "success"
    exit_status: int | None = None


SUCCESS: Final = Signal()
LOG: Final = Signal("log")


def signal(word: str | None) -> Signal:
    """The signal that the last word of the URL stands for. Raises NoSignal, or Malformed for an exit status that no process has."""
    if word is None:
        return SUCCESS
    if word in _WORDS:
        return Signal(_WORDS[word])
    if not _EXIT.fullmatch(word):
        raise NoSignal(word)
    status = int(word)
    if status > 255:
        raise Malformed(f"invalid url format: {word[:40]} is no exit status; give one from 0 to 255")
    return Signal("fail" if status else "success", status)


class Query(NamedTuple):
    """The query of a ping. `metrics` as they came, each `name:value`."""

    rid: str | None = None
    metrics: tuple[str, ...] = ()


NO_QUERY: Final = Query()


def query(text: str) -> Query:
    """Raises Malformed where `rid` is no UUID."""
    if not text:
        return NO_QUERY
    asked = fields(text)
    (rid, *_) = asked.get("rid") or (None,)
    if rid is not None and not _UUID.fullmatch(rid):
        raise Malformed(f"invalid uuid format: rid is {rid[:40]!r}; give a UUID such as 1b4e28ba-2fa1-4d21-883f-0016d3cca427")
    # In small letters, so that it is one run however a client writes it.
    return Query(None if rid is None else rid.lower(), tuple(asked.get("metric", ())))


def creates(text: str) -> bool:
    """Whether a monitor that is not there is to be made."""
    return fields(text).get("create") == ["1"]


def fields(text: str) -> dict[str, list[str]]:
    """The values of each name in a query, in their order; never raises."""
    return parse_qs(text, keep_blank_values=True, errors="replace")
