"""All dashboards, from the monitors there are and their thresholds: the same facts give the same documents, in the same order."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from dashboards.grafana.detail import detail, own_detail
from dashboards.grafana.overview import overview
from dashboards.grafana.panels import Json
from dashboards.grafana.wellbeing import wellbeing
from store.model import Alert

OVERVIEW: Final = "lastbeat-overview"
DETAIL: Final = "lastbeat-monitor"
ITSELF: Final = "lastbeat-health"
# Each of them is a file that Grafana reads again and again, so a large installation gets only so many of its own accord.
MOST_OWN: Final = 500


def dashboards(monitors: Mapping[str, str], alerts: Mapping[str, Sequence[Alert]], asked: Collection[str] = ()) -> dict[str, Json]:
    """The documents by uid, from names and alerts by monitor id. `asked`: who gets a dashboard of its own even without thresholds."""
    names = labels(monitors)
    made = {OVERVIEW: overview(OVERVIEW, DETAIL, names), DETAIL: detail(DETAIL, names), ITSELF: wellbeing(ITSELF)}
    for monitor_id in owners(names, alerts, asked):
        uid = own_uid(monitor_id)
        made[uid] = own_detail(uid, monitor_id, names[monitor_id], thresholds(alerts.get(monitor_id, ())))
    return made


def own_uid(monitor_id: str) -> str:
    return f"lastbeat-{monitor_id}"


def owners(names: Mapping[str, str], alerts: Mapping[str, Sequence[Alert]], asked: Collection[str]) -> list[str]:
    """Who gets a dashboard of its own: those asked for, and the first `MOST_OWN` of those with thresholds."""
    with_lines = [monitor_id for monitor_id in names if thresholds(alerts.get(monitor_id, ()))][:MOST_OWN]
    return [monitor_id for monitor_id in names if monitor_id in {*with_lines, *asked}]


def thresholds(alerts: Sequence[Alert]) -> dict[str, list[float]]:
    """The thresholds that are numbers, by metric key."""
    found: dict[str, list[float]] = {}
    for alert in alerts:
        if not isinstance(alert.threshold, str):
            found.setdefault(alert.metric_key, []).append(float(alert.threshold))
    return found


def labels(monitors: Mapping[str, str]) -> dict[str, str]:
    """What people read instead of an id, by id, in the order of the alphabet: unique, on one line and without Grafana's signs."""
    plain = {monitor_id: _one_line(name) for monitor_id, name in monitors.items()}
    many = Counter(plain.values())
    unique = {monitor_id: name if many[name] == 1 else f"{name} ({monitor_id})" for monitor_id, name in plain.items()}
    return dict(sorted(unique.items(), key=lambda item: (item[1].casefold(), item[0])))


def _one_line(name: str) -> str:
    # A dollar begins a variable in titles and choices, and there is no escape for it.
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in name).strip().replace("$", "＄")
