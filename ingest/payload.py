"""What a ping's body says: metrics, a log, nothing, or something that is refused with a sentence. A pure function of (body, type).

Decided where the contract leaves room: a body of white space alone is no body (`echo | curl -d @-`). A byte order mark before JSON is
ignored, as RFC 8259 allows. NUL becomes U+FFFD in logs and text values, because PostgreSQL cannot keep it; all other characters stay as
they came, and whoever shows them escapes them.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from store.measured import MEASURED

MAX_BODY: Final = 1 << 20
METRICS_LIMIT: Final = 1_024
LOG_LIMIT: Final = 10_000
KEY_LIMIT: Final = 64
KEYS_LIMIT: Final = 100


class Problem(msgspec.Struct, frozen=True):
    """Why a body was refused: the status of the answer, and a sentence for people."""

    status: Literal[400, 413]
    sentence: str


class Payload(msgspec.Struct, frozen=True):
    """What a ping carries. Metrics are taken whole or not at all: where there is a `problem`, there are none."""

    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    log: str | None = None
    problem: Problem | None = None

    def keys(self) -> set[str]:
        """The keys of its metrics."""
        return {*self.numbers, *self.texts}


NOTHING: Final = Payload()


def read(body: bytes, content_type: str) -> Payload:
    """What `body` says; never raises. A JSON `content_type` asks for metrics, any other keeps as log what cannot be metrics."""
    if not body or body.isspace():
        return NOTHING
    if len(body) > MAX_BODY:
        return too_large(len(body))
    wanted = _is_json(content_type)
    if len(body) <= METRICS_LIMIT:
        payload = _quick(body) or (strict(body) if wanted or _looks_like_object(body) else None)
        if payload is not None and (wanted or payload.problem is None):
            return payload
    elif wanted:
        return _refused(f"the metrics have {len(body):,} bytes; at most {METRICS_LIMIT:,} are accepted", status=413)
    return Payload(log=_log(body))


def from_query(pairs: Sequence[str]) -> Payload:
    """Numbers that are written `name:value`, as in `?metric=count:5&metric=duration:1.2`. A name may have colons of its own."""
    size = sum(len(pair.encode(errors="replace")) for pair in pairs)
    if size > METRICS_LIMIT:
        return _refused(f"the metrics in the query have {size:,} bytes; at most {METRICS_LIMIT:,} are accepted", status=413)
    found = _Pairs()
    for pair in pairs:
        key, colon, literal = pair.rpartition(":")
        if not colon or not _NUMBER.fullmatch(literal.strip()):
            return _refused(f"the metric {_shown(pair)} is not a name, a colon and a number, as in metric=count:5")
        found.append((key.strip(), _number(literal)))
    sentence = _objection(found)
    return _refused(sentence) if sentence else _sorted_out(found)


def together(body: Payload, query: Payload) -> Payload:
    """What the body and the query of one ping bring. Either's problem refuses the metrics of both; the log stays."""
    problem = body.problem or query.problem
    # `lastbeat exec` measures every command; a command that prints these numbers has measured for itself.
    added = {key: number for key, number in query.numbers.items() if key not in MEASURED or key not in body.numbers}
    twice = next((key for key in added if key in body.numbers or key in body.texts), None)
    if problem is None and twice is not None:
        problem = Problem(400, f"the key {_shown(twice)} comes twice, in the body and in the query; send each key once")
    if problem is not None:
        return Payload(log=body.log, problem=problem)
    return Payload(body.numbers | added, body.texts, body.log)


def milliseconds(literal: str) -> Payload:
    """Uptime Kuma's `ping=`: how long something took, as the metric `ping_ms`. Like there, what follows the number does not matter."""
    match = _NUMBER.match(literal.strip())
    if match is None:
        return NOTHING
    number = _number(match[0])
    if isinstance(number, _Unfit) or not 0 <= number <= _LONGEST_MS:
        return _refused(f"ping={_cut(literal)} is no number of milliseconds from 0 to {_LONGEST_MS:,.0f}")
    return Payload({"ping_ms": number})


def kept(text: str) -> str | None:
    """A text of the query as a log; None where it says nothing."""
    return _log(text.encode(errors="replace")) if text and not text.isspace() else None


def too_large(size: int) -> Payload:
    """The answer to a body of `size` bytes that nobody needs to read: over `MAX_BODY`, whatever its type."""
    return _refused(f"the body has {size:,} bytes; at most {MAX_BODY:,} are accepted", status=413)


def kept_body(refused: Payload, body: bytes, content_type: str) -> Payload:
    """What is `refused`, with its body as log unless that was sent as metrics: a command may print JSON without knowing that it is read."""
    if refused.log is not None or _is_json(content_type) or not body or body.isspace():
        return refused
    return Payload(log=_log(body), problem=refused.problem)


def too_many_keys(limit: int = KEYS_LIMIT) -> Problem:
    """The answer to metrics that would give one monitor more than `limit` distinct keys."""
    return Problem(400, f"the metrics bring new keys, but a monitor has at most {limit}; send keys that it has, or ping a second monitor")


def strict(body: bytes) -> Payload:
    """Metrics by the book, each refusal with its sentence. `read` comes here for what its quick way does not vouch for."""
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        text = body.decode()
        found = json.loads(text, object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number, parse_constant=_Unfit)
    except UnicodeDecodeError as error:
        return _refused(f"the body is not UTF-8: byte 0x{body[error.start]:02x} at position {error.start}; send JSON encoded as UTF-8")
    except json.JSONDecodeError as error:
        near = f"near {_shown(text[error.pos :])}" if error.pos < len(text) else "at its end"
        return _refused(f"the body is not JSON: {error.msg} at character {error.pos}, {near}")
    except RecursionError:
        return _refused("the metrics are nested too deeply to read; send one flat object of numbers and strings")
    if not isinstance(found, _Pairs):
        return _refused(f'the metrics are {_kind(found)}; send one flat object such as {{"duration_ms": 1234}}')
    sentence = _objection(found)
    return _refused(sentence) if sentence else _sorted_out(found)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object as they came, a key that comes twice included."""


class _Unfit(str):
    """A number as it was written that no finite float can hold: `NaN`, `1e999`."""

    __slots__ = ()


_NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST_MS: Final = 1e11
_decoder: Final = msgspec.json.Decoder(dict[str, float | str])


def _quick(body: bytes) -> Payload | None:
    """The metrics where all is well beyond doubt (`strict` would say the same), else None."""
    try:
        found = _decoder.decode(body)
    except ValueError:
        return None
    count = len(found)
    # msgspec lets the last of two equal keys win. Each member needs a colon, and all but one a comma: where there are no more of
    # either than keys were found, no key came twice. Text that holds both sends a body the strict way, that is all.
    if count > KEYS_LIMIT or (body.count(b":") != count and body.count(b",") >= count):
        return None
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    for key, value in found.items():
        if not 0 < len(key) <= KEY_LIMIT or not key.isprintable():
            return None
        if isinstance(value, float):
            numbers[key] = value
        else:
            texts[key] = _without_nul(value)
    return Payload(numbers, texts)


def _objection(pairs: _Pairs) -> str | None:
    if len(pairs) > KEYS_LIMIT:
        return f"the metrics have {len(pairs)} keys; at most {KEYS_LIMIT} are accepted"
    seen: set[str] = set()
    for key, value in pairs:
        if not 0 < len(key) <= KEY_LIMIT or not key.isprintable():
            return f"the key {_shown(key)} is not accepted; a key is 1 to {KEY_LIMIT} printable characters, this one has {len(key)}"
        if key in seen:
            return f"the key {_shown(key)} comes twice; send each key once"
        seen.add(key)
        if isinstance(value, _Unfit):
            return f"the value of {_shown(key)} is {_cut(value)}; accepted are finite numbers up to 1.797e308 either side of zero"
        if not isinstance(value, float | str):
            return f"the value of {_shown(key)} is {_kind(value)}; accepted are JSON numbers and strings"
        if isinstance(value, str) and not _is_unicode(value):
            return f"the value of {_shown(key)}, {_shown(value)}, has half of a surrogate pair; send whole characters"
    return None


def _sorted_out(pairs: _Pairs) -> Payload:
    numbers = {key: value for key, value in pairs if isinstance(value, float)}
    return Payload(numbers, {key: _without_nul(value) for key, value in pairs if isinstance(value, str)})


def _number(literal: str) -> float | _Unfit:
    number = float(literal)
    return number if math.isfinite(number) else _Unfit(literal)


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def _looks_like_object(body: bytes) -> bool:
    return body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _log(body: bytes) -> str:
    """The last `LOG_LIMIT` bytes as text, without the rest of a character that the cut went through."""
    start = max(0, len(body) - LOG_LIMIT)
    if start:
        for _ in range(3):
            start += start < len(body) and body[start] & 0xC0 == 0x80
    return _without_nul(body[start:].decode(errors="replace"))


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _Pairs():
            return "an object"
        case list():
            return "an array"
        case _Unfit():
            return _cut(value)
        case str():
            return f"the string {_shown(value)}"
        case _:
            return f"the number {value:g}"


def _shown(text: str) -> str:
    return repr(_cut(text))  # escapes what would break a terminal, a header or a store


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _refused(sentence: str, status: Literal[400, 413] = 400) -> Payload:
    return Payload(problem=Problem(status, sentence))
