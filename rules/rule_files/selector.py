"""Which monitors a rule watches, as it is written: `monitor: nightly`, or `match: {tags: [backup], except_monitors: [old]}`."""

from __future__ import annotations

from typing import Final

from rules.rule_files.fields import Fields
from rules.rule_files.scalars import name, true
from store.rule import Match

HOW: Final = "`match: {all: true}` for all monitors, `monitor: NAME`, or `match: {monitors: […], tags: […]}`"
_EXAMPLE: Final = "match: {all: true}"
_LISTS: Final = ("monitors", "tags", "except_monitors", "except_tags")


def read(rule: Fields) -> Match:
    if "match" in rule and "monitor" in rule:
        rule.complain_of_key("monitor", "`match` and `monitor` are both there; leave one of them out")
    elif "match" not in rule and "monitor" not in rule:
        rule.complaints.add(rule.place, f"say which monitors the rule watches: {HOW}")
    monitor = rule.take("monitor", name())
    if monitor is not None:
        return Match(monitors=(monitor,))
    match = rule.nested("match", _EXAMPLE)
    return Match() if match is None else _read(match)


def _read(match: Fields) -> Match:
    match.only(["all", *_LISTS], "`match`")
    everybody = match.take("all", true)
    lists = {key: match.take_all(key, name()) for key in _LISTS}
    for key, names in lists.items():
        if names == ():
            match.complain(key, "is empty; name somebody, or leave it out")
        elif names and "*" in names:
            match.complain(key, "has `*`, which is a name like others; all monitors are `match: {all: true}`")
    some = [key for key in ("monitors", "tags") if key in match]
    if everybody and some:
        match.complain_of_key(some[0], f"`all: true` selects every monitor, with or without `{some[0]}`; leave one of them out")
    elif "all" not in match and not some:
        match.complaints.add(match.place, f"`match` selects nobody; say which monitors the rule watches: {HOW}")
    return Match(all=bool(everybody), **{key: names or () for key, names in lists.items()})
