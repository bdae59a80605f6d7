"""What jobs send in a trial: rows of pings, and of the numbers and texts that they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from rules.rule_files.fields import Fields
from rules.rule_files.scalars import Read
from rules.rule_files.timespan import YEAR, duration
from rules.trials import notation
from rules.trials.notation import Row, row_of
from rules.trials.people import who
from rules.trials.trial import Watched
from store.model import SECOND, Kind, Ns, Ping

_EXAMPLE: Final = "{monitor: w1, every: 60s, values: {queue_size: '10 150x2 _ 70'}}"
_MOST: Final = 1_000_000  # pings of a test
_LONGEST: Final = 10 * YEAR
_KEYS: Final = ("monitor", "every", "from", "pings", "values", "texts")
_ELSEWHERE: Final = {"series": "is of promtool; here say `monitor`, and `values: {key: '…'}`", "interval": "is written `every`"}
_PINGS: Final[Read[Row[Kind]]] = row_of(notation.pings)

T = TypeVar("T")


def read(trial: Fields, watched: Mapping[str, Watched]) -> tuple[Ping, ...]:
    """The pings in the order of their times; those of one moment in the order of the file."""
    found: list[Ping] = []
    for node in trial.nodes("input", f"input: [{_EXAMPLE}]"):
        fields = Fields.of(node, trial.complaints, _EXAMPLE)
        if fields is not None and len(found) <= _MOST:
            found += _signals(fields, watched)
    if len(found) > _MOST:
        trial.complain_of_key("input", f"these are more than {_MOST:,} pings; write several tests")
    return tuple(sorted(found, key=lambda ping: ping.at))


def _signals(fields: Fields, watched: Mapping[str, Watched]) -> Iterator[Ping]:
    fields.only(_KEYS, "an input", _ELSEWHERE)
    fields.require("every", "an input", "every: 60s")
    monitor = who(fields, watched)
    every, first = fields.take("every", duration(1)), fields.take("from", duration())
    kinds: Row[Kind] | None = fields.take("pings", _PINGS)
    numbers = _rows(fields, "values", "values: {queue_size: '10 150x2'}", notation.numbers)
    texts = _rows(fields, "texts", "texts: {phase: 'copying idle'}", notation.texts)
    if monitor is None or every is None:
        return
    if kinds is None and "pings" not in fields:
        kinds = _carriers(numbers, texts)
        if not any(key in fields for key in ("values", "texts")):
            fields.complaints.add(fields.place, "this input sends nothing; give it `pings: '1x4'`, or `values: {key: '10 150x2'}`")
    _carried(fields, kinds or (), numbers, texts)
    if kinds and (first or 0) + (len(kinds) - 1) * every > _LONGEST:
        fields.complain("every", f"makes the last of {len(kinds):,} samples come after more than 10 years")
        return
    for turn, kind in enumerate(kinds or ()):
        if kind is not None:
            at: Ns = ((first or 0) + turn * every) * SECOND
            yield Ping(at, watched[monitor].monitor.id, kind, _at(numbers, turn), _at(texts, turn))


def _rows(fields: Fields, key: str, example: str, read: notation.Reading[T]) -> dict[str, Row[T]]:
    rows = fields.nested(key, example)
    if rows is None:
        return {}
    taken = {metric.text: rows.take(metric.text, row_of(read)) for metric in rows.names()}
    return {metric: row for metric, row in taken.items() if row is not None}


def _carriers(*rows: Mapping[str, Row[T]]) -> Row[Kind]:
    """A success at each turn at which there is something to carry."""
    every = [row for of_kind in rows for row in of_kind.values()]
    turns = max(map(len, every), default=0)
    carrier: Kind = "success"
    return tuple(carrier if any(turn < len(row) and row[turn] is not None for row in every) else None for turn in range(turns))


def _carried(fields: Fields, kinds: Row[Kind], *rows: Mapping[str, Row[T]]) -> None:
    for key, of_kind in zip(("values", "texts"), rows, strict=True):
        for metric, row in of_kind.items():
            lost = next((turn for turn, value in enumerate(row) if value is not None and _missing(kinds, turn)), None)
            if lost is not None:
                sentence = f"`{metric}` has a sample number {lost + 1}, and no ping of `pings` comes at that turn to carry it"
                fields.complain_of_key(key, sentence)


def _missing(kinds: Row[Kind], turn: int) -> bool:
    return turn >= len(kinds) or kinds[turn] is None


def _at(rows: Mapping[str, Row[T]], turn: int) -> dict[str, T]:
    samples = ((metric, row[turn] if turn < len(row) else None) for metric, row in rows.items())
    return {metric: sample for metric, sample in samples if sample is not None}
