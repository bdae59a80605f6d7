"""Grafana's part in a query: every query that a dashboard holds, with the macros filled in as Grafana fills them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboards.grafana.panels import Json
from store.model import Ns

MINUTE_MS = 60_000


def filled(query: str, start: Ns, end: Ns, **variables: str) -> str:
    """The query for a range, in buckets of a minute, with one value for each variable."""
    first, last = start // 1_000_000, end // 1_000_000
    macros = {"$timeFilter": f"time >= {first}ms and time <= {last}ms", "$__interval_ms": str(MINUTE_MS), "$__interval": "1m"}
    macros |= {"${__from}": str(first), "${__to}": str(last)}
    macros |= {f"${{{name}:regex}}": _escaped(value) for name, value in variables.items()}
    for macro, value in macros.items():
        query = query.replace(macro, value)
    assert not re.search(r"\$[{\w]", query), query
    return query


def queries(dashboard: Json) -> Iterator[tuple[str, str]]:
    """Where it stands, and its text: of each panel, each annotation and each variable that asks."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']}, {target['refId']}", target["query"]
    for mark in dashboard["annotations"]["list"]:
        yield mark["name"], mark["target"]["query"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]


def _escaped(value: str) -> str:
    """As `escapeRegex` of Grafana: a slash would end the expression in InfluxQL."""
    return re.sub(r"[\\^$*+?.()|[\]{}/]", r"\\\g<0>", value)
