"""The generated dashboards as documents: Grafana's own types accept them, and what no type can say is checked here."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from conftest import require

from dashboards.grafana.generated import MOST_OWN, dashboards, labels, own_uid
from dashboards.grafana.overview import MOST_NAMED
from dashboards.grafana.panels import Json
from dashboards.grafana.units import patterns, unit
from store.model import Alert, Operator

TYPES = Path(__file__).parent / "typecheck"
NASTY = ["Nightly backup", "a, b : c", "same", "same", "$monitor [[x]] ${y}", "two\nlines", "  'quoted' \"twice\" \\ ", "日本語", ":", ","]
MONITORS = {f"mon_{n:016x}": name for n, name in enumerate(NASTY)}
FIRST, SECOND, *_ = MONITORS


def alert(monitor_id: str, key: str, threshold: float | str, operator: Operator = ">") -> Alert:
    return Alert("alr_1", monitor_id, key, operator, threshold, None, 1, 0, 0)


ALERTS = {FIRST: [alert(FIRST, "took_ms", 900.0), alert(FIRST, "took_ms", 20.0, "<"), alert(FIRST, "it's \\ a key", 0.5)]}
MADE = dashboards(MONITORS, ALERTS)


def types_refuse(folder: Path, documents: dict[str, Json]) -> dict[str, str]:
    """The first complaint of TypeScript about each document that does not fit Grafana's types, by its name."""
    tsc = require(str(TYPES / "node_modules/.bin/tsc"))
    for name in ("dashboard.ts", "tsconfig.json"):
        shutil.copy(TYPES / name, folder)
    (folder / "node_modules").symlink_to(TYPES / "node_modules")
    beginning = "import type { CheckedDashboard } from './dashboard';\nexport const d: CheckedDashboard ="
    for name, document in documents.items():
        (folder / f"check-{name}.ts").write_text(f"{beginning} {json.dumps(document, indent=1)};\n")
    said = subprocess.run([tsc, "--project", "."], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    complaints: dict[str, str] = {}
    for name, complaint in re.findall(r"^check-(.+?)\.ts\S* (error .*)$", said.stdout, re.MULTILINE):
        complaints.setdefault(name, complaint)
    assert bool(complaints) == bool(said.returncode), said.stdout
    return complaints


@pytest.mark.server
def test_grafanas_own_types_accept_every_dashboard(tmp_path: Path) -> None:
    empty = {f"empty-{uid}": document for uid, document in dashboards({}, {}).items()}
    assert types_refuse(tmp_path, MADE | empty) == {}


Change = Callable[[Json, list[Json]], Any]
MUTANTS: dict[str, Change] = {
    "interpolation": lambda d, p: p[-1]["fieldConfig"]["defaults"]["custom"].update(lineInterpolation="smoooth"),
    "fill": lambda d, p: p[-1]["fieldConfig"]["defaults"]["custom"].update(fillOpacity="12"),
    "custom-key": lambda d, p: p[-1]["fieldConfig"]["defaults"]["custom"].update(lineWitdh=1),
    "tooltip": lambda d, p: p[-1]["options"]["tooltip"].update(mode="all"),
    "option-key": lambda d, p: p[-1]["options"].update(legnd={}),
    "threshold": lambda d, p: p[-1]["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(value="null"),
    "steps": lambda d, p: p[-1]["fieldConfig"]["defaults"]["thresholds"].update(steps={}),
    "matcher": lambda d, p: p[-1]["fieldConfig"]["overrides"][0]["matcher"].pop("id"),
    "direction": lambda d, p: p[-1].update(repeatDirection="x"),
    "position": lambda d, p: p[0]["gridPos"].update(w="24"),
    "panel-key": lambda d, p: p[0].update(colour="red"),
    "panel-type": lambda d, p: p[0].update(type="graph"),
    "panel-datasource": lambda d, p: p[0].update(datasource="Lastbeat InfluxDB"),
    "panels": lambda d, p: d.update(panels={}),
    "target-key": lambda d, p: p[0]["targets"][0].update(rawQurey=True),
    "target-format": lambda d, p: p[0]["targets"][0].update(resultFormat="tables"),
    "table-cell": lambda d, p: next(one for one in p if one["type"] == "table")["options"].update(cellHeight="tiny"),
    "variable": lambda d, p: d["templating"]["list"][0].update(type="custm"),
    "refresh": lambda d, p: d["templating"]["list"][1].update(refresh=7),
    "link": lambda d, p: d["links"][0].update(type="url"),
    "annotation": lambda d, p: d["annotations"]["list"][0].update(enable="yes"),
    "range": lambda d, p: d["timepicker"]["quick_ranges"][0].pop("to"),
    "picker": lambda d, p: d["timepicker"].update(refreshIntervals=[]),
    "time": lambda d, p: d.update(time="now-6h"),
    "tooltips": lambda d, p: d.update(graphTooltip=9),
    "title": lambda d, p: d.update(title=5),
    "schema": lambda d, p: d.update(schemaVersion="39"),
    "key": lambda d, p: d.update(sharedCrosshair=True),
}


@pytest.mark.server
def test_grafanas_own_types_find_each_mistake(tmp_path: Path) -> None:
    mutants = {}
    for name, change in MUTANTS.items():
        mutants[name] = copy.deepcopy(MADE["lastbeat-monitor"])
        change(mutants[name], mutants[name]["panels"])
    assert set(MUTANTS) - set(types_refuse(tmp_path, mutants)) == set()


def panels() -> Iterator[tuple[str, Json]]:
    for uid, document in MADE.items():
        for panel in document["panels"]:
            yield f"{uid}: {panel['title']}", panel


@pytest.mark.parametrize("document", MADE.values(), ids=list(MADE))
def test_ids_letters_and_places_are_each_given_once(document: Json) -> None:
    ids = [panel["id"] for panel in document["panels"]]
    assert ids == list(range(1, len(ids) + 1))
    assert document["id"] is None
    for panel in document["panels"]:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == ["A", "B", "C"][: len(letters)]
        assert panel["targets"]
    for one, other in combinations((panel["gridPos"] for panel in document["panels"]), 2):
        assert one["x"] + one["w"] <= 24
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_addresses_and_titles_are_unique_stable_and_short_enough() -> None:
    assert list(MADE) == ["lastbeat-overview", "lastbeat-monitor", "lastbeat-health", own_uid(FIRST)]
    assert [document["uid"] for document in MADE.values()] == list(MADE)
    assert len({document["title"] for document in MADE.values()}) == len(MADE)
    assert max(map(len, MADE)) <= 40  # Grafana takes no longer ones


def test_the_same_facts_give_the_same_documents() -> None:
    assert json.dumps(dashboards(dict(reversed(MONITORS.items())), ALERTS)) == json.dumps(MADE)


def test_every_query_is_bounded_in_time() -> None:
    for where, panel in panels():
        for target in panel["targets"]:
            assert re.search(
                r"\$timeFilter|\btime >= \$\{__from\}ms - 90d AND time <= \$\{__to\}ms|time > now\(\) - \d+[md]", target["query"]
            ), where
    for document in MADE.values():
        for mark in document["annotations"]["list"]:
            assert "$timeFilter" in mark["target"]["query"]
        for variable in document["templating"]["list"]:
            assert variable["type"] == "custom" or "time > now() - 72h" in variable["query"]


def test_curves_are_smooth_with_a_band_and_shared_tooltips() -> None:
    (metric,) = [panel for panel in MADE["lastbeat-monitor"]["panels"] if panel["title"] == "$metric"]
    assert (metric["repeat"], metric["repeatDirection"], metric["maxPerRow"]) == ("metric", "h", 2)
    assert metric["fieldConfig"]["defaults"]["custom"]["lineInterpolation"] == "smooth"
    assert [target["alias"] for target in metric["targets"]] == ["$tag_metric mean", "$tag_metric max", "$tag_metric min"]
    properties = {rule["matcher"]["options"]: rule["properties"] for rule in metric["fieldConfig"]["overrides"]}
    assert {"id": "custom.fillBelowTo", "value": "min"} in properties["/^.* max$/"]
    assert {"id": "displayName", "value": "min"} in properties["/^.* min$/"]
    assert {document["graphTooltip"] for document in MADE.values()} == {2}


@pytest.mark.parametrize("document", MADE.values(), ids=list(MADE))
def test_six_hours_a_day_and_three_days_are_one_click_away(document: Json) -> None:
    assert [one["from"] for one in document["timepicker"]["quick_ranges"]] == ["now-6h", "now-24h", "now-72h"]
    links = [link["url"] for link in document["links"] if link["type"] == "link"]
    assert links == [f"/d/{document['uid']}?from=now-{length}&to=now" for length in ("6h", "24h", "72h")]
    assert document["time"] == {"from": "now-6h", "to": "now"}


def test_thresholds_are_lines_in_a_panel_of_their_metric() -> None:
    own = MADE[own_uid(FIRST)]
    took = next(panel for panel in own["panels"] if panel["title"] == "took_ms")
    steps = [(step["value"], step["color"]) for step in took["fieldConfig"]["defaults"]["thresholds"]["steps"]]
    assert steps == [(None, "transparent"), (20.0, "red"), (900.0, "red")]
    assert took["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"] == {"mode": "line"}
    assert took["fieldConfig"]["defaults"]["unit"] == "ms"
    odd = next(panel for panel in own["panels"] if panel["title"] == "it's \\ a key")
    assert "\"metric\" = 'it\\'s %5C a key'" in odd["targets"][0]["query"]


def test_who_has_thresholds_or_is_asked_for_gets_a_dashboard_of_its_own() -> None:
    crowd = {f"mon_{n:04}": f"m{n:04}" for n in range(MOST_OWN + 2)}
    first, *_, last = crowd
    all_of_them = {monitor_id: [alert(monitor_id, "v", 1.0)] for monitor_id in crowd}
    text_only = dashboards(crowd, {first: [alert(first, "state", "broken", "=")]})
    assert list(text_only) == ["lastbeat-overview", "lastbeat-monitor", "lastbeat-health"]
    assert len(dashboards(crowd, all_of_them)) == 3 + MOST_OWN
    assert own_uid(last) in dashboards(crowd, all_of_them, [last])


def chosen_by(query: str) -> dict[str, str]:
    """The choices that Grafana reads from a variable of fixed values, by text: its own two expressions."""
    pairs = [re.match(r"^\s*(.+)\s:\s(.+)$", one.replace("\\,", ",")) for one in re.findall(r"(?:\\,|[^,])+", query)]
    return {pair[1]: pair[2].strip() for pair in pairs if pair}


def test_people_choose_monitors_by_name() -> None:
    variable = MADE["lastbeat-monitor"]["templating"]["list"][0]
    choices = chosen_by(variable["query"])
    assert list(choices.values()) == list(labels(MONITORS))
    assert choices["Nightly backup"] == FIRST
    assert choices["a, b : c"] == SECOND
    assert {"same (mon_0000000000000002)", "same (mon_0000000000000003)", "two lines"} <= set(choices)
    assert not [name for name in choices if "$" in name]
    assert variable["current"]["value"] == next(iter(choices.values()))
    timeline = next(panel for panel in MADE["lastbeat-overview"]["panels"] if panel["type"] == "state-timeline")
    called = {rule["matcher"]["options"]: rule["properties"][0]["value"] for rule in timeline["fieldConfig"]["overrides"]}
    assert called == labels(MONITORS)


def test_the_overview_names_the_first_thousand_and_the_choice_all() -> None:
    crowd = dashboards({f"mon_{n:05}": f"m{n:05}" for n in range(MOST_NAMED + 1)}, {})
    named = next(panel for panel in crowd["lastbeat-overview"]["panels"] if panel["type"] == "state-timeline")["fieldConfig"]["overrides"]
    assert len(named) == MOST_NAMED
    choices = chosen_by(crowd["lastbeat-monitor"]["templating"]["list"][0]["query"])
    assert (len(choices), choices["m01000"]) == (MOST_NAMED + 1, "mon_01000")
    (status,) = [target for panel in crowd["lastbeat-monitor"]["panels"] if panel["title"] == "Status" for target in panel["targets"]]
    assert status["alias"] == "${monitor:text}"


@pytest.mark.parametrize(
    ("key", "guessed"),
    [
        ("took_ms", "ms"),
        ("took_s", "s"),
        ("Took_Seconds", "s"),
        ("size_bytes", "bytes"),
        ("net_bytes_per_s", "binBps"),
        ("requests_per_s", "ops"),
        ("disk_pct", "percent"),
        ("hit_ratio", "percentunit"),
        ("rows_total", "short"),
        ("cpu_c", "celsius"),
        ("status", "none"),
        ("ms", "none"),
    ],
)
def test_the_unit_is_guessed_from_the_name(key: str, guessed: str) -> None:
    assert unit(key) == guessed
    fitting = [of for pattern, of in patterns(" mean") if re.search(pattern[1:-2], f"{key} mean", re.IGNORECASE)]
    assert ["none", *fitting][-1] == guessed  # of several Grafana takes the last
