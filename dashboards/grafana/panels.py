"""Panels and dashboards as JSON, made with grafanalib and brought up to schema 39 (Grafana 11 to 13). Only this module knows grafanalib.

grafanalib stopped in 2024 at an old schema; a few things it cannot say are put in as raw JSON, and `_modern` mends its output.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafanalib import core
from grafanalib._gen import DashboardEncoder
from grafanalib.influxdb import InfluxDBTarget

from dashboards.grafana import units
from dashboards.grafana.influxql import Query
from store.points import STATUS_NUMBERS

Json = dict[str, Any]

DATASOURCE: Final = {"type": "influxdb", "uid": "lastbeat-influxql"}
_WIDTH: Final = 24
_RANGES: Final = ("6h", "24h", "72h")
_SCHEMA: Final = 39
_STATUS_COLORS: Final = {"new": "blue", "up": "green", "down": "red", "paused": "text", "unverified": "orange"}
# What grafanalib writes and Grafana's schema no longer has.
_GONE: Final = {"__inputs", "gnetId", "hideControls", "rows", "sharedCrosshair", "style", "version"}
_GONE_FROM_PANELS: Final = {
    *("cacheTimeout", "columns", "color", "editable", "error", "fontSize", "height", "hideTimeOverride"),
    *("mappings", "minSpan", "span", "timeFrom", "timeShift"),
}
_GONE_FROM_VARIABLES: Final = {"auto", "auto_count", "auto_min", "tagValuesQuery", "tagsQuery", "useTags"}


def curve(
    title: str,
    queries: Sequence[Query],
    *,
    size: tuple[int, int] = (12, 8),
    unit: str = "none",
    lines: Sequence[float] = (),
    overrides: Sequence[Json] = (),
    repeat: str | None = None,
    description: str = "",
) -> Any:
    """Smooth lines over time; `lines` are thresholds. `repeat`: a variable, whose every value gets a panel of its own."""
    return core.TimeSeries(
        **_place(title, queries, size, description),
        unit=unit,
        lineInterpolation="smooth",
        lineWidth=2,
        fillOpacity=8,
        stacking={"mode": "none", "group": "A"},
        tooltipMode="multi",
        tooltipSort="desc",
        legendCalcs=["min", "mean", "max", "lastNotNull"],
        thresholds=_steps(dict.fromkeys(sorted(set(lines)), "red"), "transparent"),
        thresholdsStyleMode="line" if lines else "off",
        overrides=list(overrides),
        interval="1m",
        maxDataPoints=432,
        repeat=core.Repeat("h", repeat, 2) if repeat else core.Repeat(),
        extraJson={"options": {"legend": {"showLegend": True}, "tooltip": {"hideZeros": False}}},
    )


def bars(title: str, queries: Sequence[Query], *, size: tuple[int, int] = (12, 8), description: str = "") -> Any:
    """Stacked bars over time."""
    panel = curve(title, queries, size=size, description=description)
    panel.drawStyle, panel.lineWidth, panel.fillOpacity, panel.legendCalcs = "bars", 0, 80, ["mean", "max"]
    panel.stacking = {"mode": "normal", "group": "A"}
    return panel


def timeline(title: str, query: Query, *, size: tuple[int, int], names: Mapping[str, str] | None = None) -> Any:
    """One row a monitor, coloured by its status. `names`: what is read instead of the series' own, by those."""
    return core.StateTimeline(
        **_place(title, [query], size, ""),
        showValue="never",
        mappings=[_STATUSES],
        overrides=[override("byName", monitor_id, displayName=name) for monitor_id, name in (names or {}).items()],
        extraJson={"options": {"perPage": 25, "legend": {"showLegend": True, "calcs": []}, "tooltip": {"sort": "none"}}},
    )


def figure(
    title: str, query: Query, *, color: str, limit: float = 1, size: tuple[int, int] = (6, 4), unit: str = "none", description: str = ""
) -> Any:
    """One number; it turns from green to `color` from `limit` on."""
    return core.Stat(
        **_place(title, [query], size, description),
        format=unit,
        reduceCalc="lastNotNull",
        graphMode="none",
        colorMode="background",
        noValue="unknown",
        color={"mode": "thresholds"},
        thresholds=_steps({limit: color}, "green"),
        extraJson={"options": {"percentChangeColorMode": "standard", "showPercentChange": False, "wideLayout": True}},
    )


def table(title: str, query: Query, *, size: tuple[int, int], overrides: Sequence[Json] = (), hidden: str | None = None, empty: str) -> Any:
    """Rows of a query, without the column `hidden`; `empty` is what stands there when it finds none."""
    return core.Table(
        **_place(title, [query], size, ""),
        transformations=[{"id": "organize", "options": {"excludeByName": {hidden: True}}}] if hidden else [],
        overrides=list(overrides),
        extraJson={
            "options": {"frameIndex": 0, "cellHeight": "sm"},
            "fieldConfig": {"defaults": {"noValue": empty, "custom": {"inspect": False, "cellOptions": {"type": "auto"}}}},
        },
    )


def override(matcher: str, options: str, **properties: Any) -> Json:
    """Properties for the series that match; a dot in a property's id is written as two underscores."""
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": matcher, "options": options}, "properties": listed}


def band(prefix: str = "") -> list[Json]:
    """Draws the series `max` and `min` as a band around the mean; `prefix`: an expression for what stands before these words."""
    # The renaming comes last, after whatever looks at the prefix: the band is filled down to a series of exactly this name.
    return [
        override("byRegexp", f"/^{prefix}mean$/", displayName="mean"),
        override("byRegexp", f"/^{prefix}max$/", displayName="max", custom__fillBelowTo="min", custom__lineWidth=0, custom__fillOpacity=12),
        override("byRegexp", f"/^{prefix}min$/", displayName="min", custom__lineWidth=0, custom__fillOpacity=0),
    ]


def guessed_units() -> list[Json]:
    return [override("byRegexp", pattern, unit=unit) for pattern, unit in units.patterns(" (mean|max|min)")]


def called(names: Mapping[str, str], detail_uid: str) -> Json:
    """The column `monitor` of a table: names instead of ids, each a link to that monitor."""
    texts = {monitor_id: {"text": name, "index": index} for index, (monitor_id, name) in enumerate(names.items())}
    link = {"title": "Open", "url": f"/d/{detail_uid}?var-monitor=${{__value.raw}}&${{__url_time_range}}", "targetBlank": False}
    return override("byName", "monitor", mappings=[{"type": "value", "options": texts}], links=[link])


def choice(name: str, label: str, values: Mapping[str, str]) -> Any:
    """A variable with fixed values, each with the text that people choose it by; the first one is chosen."""
    first = [{"selected": True, "text": text, "value": value} for value, text in values.items()][:1]
    query = ", ".join(text.replace(",", "\\,") + f" : {value}" for value, text in values.items())
    return core.Template(
        name=name, label=label, query=query, type="custom", options=first or [{"selected": False, "text": "", "value": ""}]
    )


def found(name: str, label: str, query: str) -> Any:
    """A variable whose values the store is asked for whenever the time range changes; all of them are chosen."""
    return core.Template(
        name=name, label=label, query=query, dataSource=DATASOURCE, refresh=2, sort=1, multi=True, includeAll=True, default="$__all"
    )


def turn(name: str, color: str, query: str) -> Json:
    """An annotation: a mark at each moment that the query finds."""
    target = {
        "refId": "Anno",
        "rawQuery": True,
        "textEditor": True,
        "fromAnnotations": True,
        "queryType": "tags",
        "resultFormat": "time_series",
    }
    columns = {"textColumn": "name", "tagsColumn": "", "titleColumn": "", "timeEndColumn": ""}
    return {"name": name, "datasource": DATASOURCE, "enable": True, "iconColor": color, "target": {**target, **columns, "query": query}}


def dashboard(
    uid: str, title: str, panels: Sequence[Any], *, variables: Sequence[Any] = (), annotations: Sequence[Json] = (), description: str
) -> Json:
    """The whole document, with its panels laid out from left to right in their order."""
    _lay_out(panels)
    links = [_link(f"{length[:-1]} h", f"/d/{uid}?from=now-{length}&to=now", includeVars=True, keepTime=False) for length in _RANGES]
    others = core.DashboardLink(type="dashboards", title="Lastbeat", tags=["lastbeat"], asDropdown=True, keepTime=True)
    made = core.Dashboard(
        title=title,
        uid=uid,
        description=description,
        tags=["lastbeat"],
        panels=list(panels),
        annotations=core.Annotations(list=list(annotations)),
        templating=core.Templating(list=list(variables)),
        links=[others, *links],
        graphTooltip=2,
        refresh="1m",
        time=core.Time("now-6h", "now"),
        timezone="browser",
        editable=False,
        schemaVersion=_SCHEMA,
    )
    return _modern(json.loads(json.dumps(made.auto_panel_ids(), cls=DashboardEncoder)))


def _link(title: str, uri: str, **more: bool) -> Any:
    return core.DashboardLink(type="link", title=title, uri=uri, icon="external link", **more)


def _place(title: str, queries: Sequence[Query], size: tuple[int, int], description: str) -> Json:
    targets = [
        InfluxDBTarget(
            query=query.text, alias=query.alias, refId=ref, datasource=DATASOURCE, format="table" if query.table else "time_series"
        )
        for query, ref in zip(queries, string.ascii_uppercase, strict=False)
    ]
    width, height = size
    grid = core.GridPos(h=height, w=width, x=0, y=0)
    return {"title": title, "targets": targets, "dataSource": DATASOURCE, "gridPos": grid, "description": description or None}


def _lay_out(panels: Sequence[Any]) -> None:
    x = y = height = 0
    for panel in panels:
        grid = panel.gridPos
        if x + grid.w > _WIDTH:
            x, y, height = 0, y + height, 0
        grid.x, grid.y = x, y
        x, height = x + grid.w, max(height, grid.h)


def _steps(colors: dict[float, str], below: str) -> list[Json]:
    return [{"color": below, "value": None}, *({"color": color, "value": value} for value, color in colors.items())]


_STATUSES: Final[Json] = {
    "type": "value",
    "options": {
        str(number): {"text": status, "color": _STATUS_COLORS[status], "index": number} for status, number in STATUS_NUMBERS.items()
    },
}


def _modern(made: Json) -> Json:
    """Today's schema: what is gone left out, what is new put in."""
    panels = [_without(panel, _GONE_FROM_PANELS) for panel in made["panels"]]
    for panel in panels:
        for target in panel["targets"]:
            del target["measurement"]
    variables = [_variable(variable) for variable in made["templating"]["list"]]
    ranges = [{"display": f"Last {length[:-1]} hours", "from": f"now-{length}", "to": "now"} for length in _RANGES]
    picker = {"hidden": False, "refresh_intervals": ["10s", "30s", "1m", "5m", "15m"], "quick_ranges": ranges}
    now = {"fiscalYearStartMonth": 0, "weekStart": "", "preload": False, "liveNow": False, "timepicker": picker}
    document = _without(made, _GONE) | now | {"panels": panels, "templating": {"list": variables}}
    return {**_without_nulls(document), "id": None}


def _variable(made: Json) -> Json:
    kept = _without(made, _GONE_FROM_VARIABLES)
    current = _without(made["current"], {"tags"})
    if not current.get("text"):
        return _without(kept, {"current"})
    if made["multi"]:
        current |= {"text": ["All"], "value": [current["value"]]}
    return kept | {"current": current}


def _without(of: Json, names: set[str]) -> Json:
    return {name: value for name, value in of.items() if name not in names}


def _without_nulls(of: Any) -> Any:
    if isinstance(of, list):
        return [_without_nulls(one) for one in of]
    if not isinstance(of, dict) or of.keys() == {"color", "value"}:  # the lowest step of thresholds has no value, and says so
        return of
    return {name: _without_nulls(value) for name, value in of.items() if value is not None}
