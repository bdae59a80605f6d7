"""Labels and annotations: names and texts. Labels are taken as they are, annotations are templates."""

from __future__ import annotations

import re
from typing import Final

from rules import annotation
from rules.rule_files.fields import Fields
from rules.rule_files.nodes import Scalar
from rules.rule_files.scalars import Read, Unfit, name, prose

LABEL_LIMIT: Final = 1_000
ANNOTATION_LIMIT: Final = 2_000
NAMES_LIMIT: Final = 50


_NAME: Final = r"[a-zA-Z_][a-zA-Z0-9_]{0,99}"


def read_labels(owner: Fields) -> dict[str, str]:
    fields = owner.nested("labels", "labels: {severity: critical}")
    if fields is None:
        return {}
    for key in annotation.GIVEN:
        if key in fields:
            fields.complain_of_key(key, f"every alert has a label `{key}` already; give this one another name")
    return _texts(fields, _label)


def read_annotations(owner: Fields) -> dict[str, str]:
    fields = owner.nested("annotations", 'annotations: {summary: "{{ $labels.monitor }} is down"}')
    return {} if fields is None else _texts(fields, _annotation)


def _texts(fields: Fields, read: Read[str]) -> dict[str, str]:
    if len(fields.names()) > NAMES_LIMIT:
        fields.complaints.add(fields.place, f"here are {len(fields.names()):,} names; at most {NAMES_LIMIT} are accepted")
        return {}
    for key in fields.names():
        if not re.fullmatch(_NAME, key.text):
            fields.complaints.add(
                key.place, f"`{key.shown()}` cannot be a name; it is 1 to 100 letters, digits and _, and begins with no digit"
            )
        elif key.meaning() is not None:
            fields.complaints.add(key.place, f'`{key.text}` is {key.meaning()} to YAML; write "{key.text}" in quotes')
    taken = {key.text: fields.take(key.text, read) for key in fields.names()}
    return {key: text for key, text in taken.items() if text is not None}


def _label(scalar: Scalar) -> str:
    text = name(LABEL_LIMIT)(scalar)
    if "{{" in text:
        raise Unfit("is a template, and labels are taken as they are; templates are for annotations")
    return text


def _annotation(scalar: Scalar) -> str:
    text = prose(ANNOTATION_LIMIT)(scalar)
    sentence = annotation.check(text)
    if sentence is not None:
        raise Unfit(f"is no template: {sentence}")
    return text
