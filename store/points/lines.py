"""Points as lines of InfluxDB's line protocol: what is written, exactly, and how a label of the store reads again.

Numbers are floats always, so that no value of a key can conflict with an earlier one; numbers and texts are different measurements for
the same reason. Every line carries its stamp. What the protocol cannot carry in a tag (control characters, a backslash before a
separator) is percent-encoded, and `%` itself with it, so each label reads back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote

from store.model import Ping, Transition
from store.points import METRIC, PING, STATE, STATUS_NUMBERS, TEXT

_UNSAFE = re.compile(r"[%\\\x00-\x1f\x7f]")
_SEPARATOR = re.compile(r"([,= ])")


def label(text: str) -> str:
    """The tag value that stands for a monitor or a key, as queries name it."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)


def text_of(label: str) -> str:
    """The text that was given to `label`."""
    return unquote(label)


def ping_lines(ping: Ping) -> list[str]:
    """One line for the ping, and one for each of its numbers and texts; all of them bear its stamp."""
    monitor, at = _tag(ping.monitor), ping.at
    lines = [f"{PING},kind={ping.kind},monitor={monitor} n=1{_particulars(ping)} {at}"]
    lines += [f"{METRIC},metric={_tag(key)},monitor={monitor} value={float(value)!r} {at}" for key, value in ping.numbers.items()]
    lines += [f"{TEXT},metric={_tag(key)},monitor={monitor} text={_quoted(text)} {at}" for key, text in ping.texts.items()]
    return lines


def state_line(transition: Transition) -> str:
    name = transition.to_status
    return f'{STATE},monitor={_tag(transition.monitor_id)} status={STATUS_NUMBERS[name]},name="{name}" {transition.at}'


def encoded(lines: Iterable[str]) -> bytes:
    """The body of a request. Lone surrogates cannot arrive, but a single one would refuse the whole batch for ever."""
    return "\n".join(lines).encode(errors="replace")


def source_of(ping: Ping) -> str | None:
    """Address and user agent in one field, the first without spaces; None where neither is known."""
    agent = "" if ping.user_agent is None else f" {ping.user_agent}"
    return f"{ping.remote_addr or ''}{agent}" or None


def from_source(source: str | None) -> tuple[str | None, str | None]:
    """Address and user agent, as they were given to `source_of`."""
    address, space, agent = (source or "").partition(" ")
    return address or None, agent if space else None


def _particulars(ping: Ping) -> str:
    fields = "" if ping.duration is None else f",duration={float(ping.duration)!r}"
    if ping.exit_status is not None:
        fields += f",exit={float(ping.exit_status)!r}"
    for name, text in (("rid", ping.rid), ("log", ping.log), ("problem", ping.problem), ("source", source_of(ping))):
        if text is not None:
            fields += f",{name}={_quoted(text)}"
    return fields


@lru_cache(maxsize=65_536)
def _tag(text: str) -> str:
    return _SEPARATOR.sub(r"\\\1", label(text))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
