"""`lastbeat rules replay`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import Program, installed
from world import START

from rules import actions
from rules.accept import accept
from rules.definitions import AlertDefinition
from store.control import gaps, monitors, projects
from store.model import SECOND, Gap, Monitor, Ping, Schedule
from store.points.embedded import EmbeddedPoints
from store.rule import Match, Rule

# START is 22:13:20.
DEEP = 'groups: [{name: g, rules: [{alert: Deep, type: threshold, match: {tags: [worker]}, metric: q, op: ">", value: 100}]}]\n'
NOTES = [
    "A monitor's settings of then are not kept: today's are used, with its pauses and the server's outages as they were.",
    "are not kept any more (LASTBEAT_RETENTION_DAYS).",
]
SPAN = ("--from", "2023-11-14T22:13:20Z", "--to", "2023-11-14T22:33:20Z")


class House(Program):
    """A program on a data directory in which two jobs have a past."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.points = EmbeddedPoints(data / "points.db")
        (self.project,) = self.projects().values()
        self.w1 = self.monitor("mon_1", "w1", "worker")
        self.w2 = self.monitor("mon_2", "w2", "worker")
        for minute in range(20):
            self.ping(self.w1, minute, 150.0 if minute in (5, 6, 12) else 9.0)
            if minute < 10:
                self.ping(self.w2, minute, 9.0)

    def monitor(self, monitor_id: str, name: str, tag: str, project: str = "") -> Monitor:
        made = Monitor(monitor_id, project or self.project.id, name, f"slug-{name}", (tag,), Schedule(60, 30), monitor_id, START, START)
        with self.control.begin() as connection:
            monitors.add(connection, made)
        return made

    def ping(self, monitor: Monitor, minute: float, value: float) -> None:
        self.points.write([Ping(START + round(minute * 60) * SECOND, monitor.id, numbers={"q": value})])

    def lines(self, *arguments: str) -> list[str]:
        lines = self.run("rules", "replay", *arguments).splitlines()
        note, retention = self.complained.splitlines()
        assert (note, retention[-len(NOTES[1]) :]) == (NOTES[0], NOTES[1])
        return lines

    def close(self) -> None:
        self.points.close()
        self.control.close()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)
    Path("rules.yml").write_text(DEEP)
    installed(tmp_path / "data").control.close()
    one = House(tmp_path / "data")
    yield one
    one.close()


def test_what_rules_of_a_file_would_have_said_is_told_in_order_and_summed_up(program: House) -> None:
    assert program.lines(*SPAN, "--rules", "rules.yml") == [
        "2023-11-14T22:13:20.000Z  w1: new → up (ping)",
        "2023-11-14T22:13:20.000Z  w2: new → up (ping)",
        "2023-11-14T22:18:20.000Z  w1: Deep ok → firing (150)",
        "2023-11-14T22:20:20.000Z  w1: Deep firing → ok (9)",
        "2023-11-14T22:23:50.000Z  w2: up → down (missed)",
        "2023-11-14T22:25:20.000Z  w1: Deep ok → firing (150)",
        "2023-11-14T22:26:20.000Z  w1: Deep firing → ok (9)",
        "",
        "30 pings of 2 monitors in 20 min:",
        "  Deep: would have fired 2 times on 1 monitor (longest 2 min).",
        (
            "  Outages that no rule is about: would have fired 1 time on 1 monitor (longest 9 min 30 s); "
            "it still fires on 1 monitor at the end."
        ),
    ]


def test_without_files_it_is_about_what_is_in_force_and_the_alerts(program: House) -> None:
    down = Rule("r_down", "heartbeat", "Down", match=Match(all=True), file="x.yml", line=1)
    other = Rule("r_other", "status", "Other", match=Match(tags=("nobody",)), file="x.yml", line=9)
    with program.control.begin() as connection:
        accept(connection, [down, other], "", START)
        fields = AlertDefinition().load({"metricKey": "q", "operator": ">=", "threshold": 9, "consecutiveTriggers": 3})
        actions.add_alert(connection, program.w2, fields, START)
    assert program.lines(*SPAN)[-4:] == [
        "30 pings of 2 monitors in 20 min:",
        "  Down: would have fired 1 time on 1 monitor (longest 9 min 30 s); it still fires on 1 monitor at the end.",
        "  Other: watches none of these monitors.",
        "  q >= 9: would have fired 1 time on 1 monitor (longest 18 min); it still fires on 1 monitor at the end.",
    ]
    assert program.lines(*SPAN, "--rules", "rules.yml")[-2].startswith("  Deep: ")


def test_what_fired_already_at_the_beginning_is_said(program: House) -> None:
    later = ("--from", "2023-11-14T22:18:50Z", "--to", "2023-11-14T22:33:20Z", "--rules", "rules.yml", "--monitor", "w1")
    assert program.lines(*later)[-1] == (
        "  Deep: would have fired 1 time on 1 monitor (longest 2 min), and fired already at the beginning on 1 monitor."
    )
    short = ("--from", "2023-11-14T22:18:50Z", "--to", "2023-11-14T22:19:00Z", "--rules", "rules.yml", "--monitor", "slug-w1")
    assert program.lines(*short) == [
        "0 pings of 1 monitor in 10 s:",
        "  Deep: fired already at the beginning on 1 monitor, and would not have fired again; it still fires on 1 monitor at the end.",
    ]


def test_who_was_silent_all_the_time_is_waited_for_from_the_ping_before(program: House) -> None:
    silent = ("--from", "2023-11-14T22:23:45Z", "--to", "2023-11-14T22:33:20Z", "--rules", "rules.yml", "--monitor", "w2")
    assert program.lines(*silent)[0] == "2023-11-14T22:23:50.000Z  w2: up → down (missed)"


def test_outages_of_the_server_and_pauses_are_taken_into_account(program: House) -> None:
    end = START + 1_000 * SECOND
    with program.control.begin() as connection:
        gaps.add(connection, Gap(end, START + 600 * SECOND, end, "restart"))
        actions.pause(connection, program.w1, "", START + 290 * SECOND)
    said = program.lines(*SPAN, "--rules", "rules.yml")
    assert "2023-11-14T22:31:30.000Z  w2: up → down (missed)" in said  # one interval and its grace after the gap
    assert "2023-11-14T22:18:10.000Z  w1: up → paused (paused)" in said
    assert said[-3:-1] == [
        "30 pings of 2 monitors in 20 min, in which the server was not listening 1 time:",
        "  Deep: would not have fired.",
    ]


def test_rules_for_a_project_are_for_its_monitors_alone(program: House) -> None:
    with program.control.begin() as connection:
        shop = projects.create(connection, "shop", "unlimited", START)
    program.monitor("mon_3", "till", "worker", shop.id)
    Path("rules.yml").write_text(DEEP.replace("name: g,", "name: g, project: shop,"))
    assert program.lines(*SPAN, "--rules", "rules.yml", "--project", "shop") == [
        "0 pings of 1 monitor in 20 min:",
        "  Deep: would not have fired.",
    ]
    assert program.lines(*SPAN, "--rules", "rules.yml", "--project", "default")[-2] == "  Deep: watches none of these monitors."


def test_json_has_the_same(program: House) -> None:
    found = program.json("rules", "replay", *SPAN, "--rules", "rules.yml", "--monitor", "mon_1")
    assert found == {
        "from": "2023-11-14T22:13:20.000Z",
        "to": "2023-11-14T22:33:20.000Z",
        "monitors": 1,
        "pings": 20,
        "gaps": 0,
        "transitions": [
            {
                "at": "2023-11-14T22:13:20.000Z",
                "monitor": {"id": "mon_1", "name": "w1"},
                "from": "new",
                "to": "up",
                "reason": "ping",
            }
        ],
        "rules": [
            {
                "alert": "Deep",
                "uid": found["rules"][0]["uid"],
                "watched": 1,
                "fired": 2,
                "longestSeconds": 120,
                "firings": [
                    {
                        "monitor": {"id": "mon_1", "name": "w1"},
                        "from": "2023-11-14T22:18:20.000Z",
                        "to": "2023-11-14T22:20:20.000Z",
                        "value": 150,
                        "reason": None,
                    },
                    {
                        "monitor": {"id": "mon_1", "name": "w1"},
                        "from": "2023-11-14T22:25:20.000Z",
                        "to": "2023-11-14T22:26:20.000Z",
                        "value": 150,
                        "reason": None,
                    },
                ],
            }
        ],
    }
    assert json.loads(program.said) == found


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--from", "yesterday"), 2, "'yesterday' is no time; write it as 2026-11-23T03:04:05Z, 7d or 24h ago."),
        (("--from", "7"), 2, "'7' is no time; write it as 2026-11-23T03:04:05Z, 7d or 24h ago."),
        (("--from", "400d"), 2, "'400d' is too long ago; give up to 366d, or write out the time itself."),
        (("--from", "999999999999y ago"), 2, "'999999999999y ago' is too long ago; give up to 366d, or write out the time itself."),
        (("--from", "0001-01-01"), 2, "'0001-01-01' is outside the years 1970 to 2262."),
        (("--from", "7d", "--to", "9999-12-31"), 2, "'9999-12-31' is outside the years 1970 to 2262."),
        (("--from", "now", "--to", "1h"), 2, "--from must be before --to."),
        (("--from", "7d", "--to", "8d ago"), 2, "--from must be before --to."),
        (("--from", "7d", "--monitor", "w11"), 1, "There is no monitor 'w11'; did you mean 'w1'?"),
        (("--from", "7d", "--project", "shop"), 1, "There is no project 'shop'; `lastbeat project list` shows those there are."),
    ],
)
def test_what_cannot_be_replayed_is_refused(program: House, arguments: tuple[str, ...], status: int, sentence: str) -> None:
    assert program.refused("rules", "replay", *arguments, status=status).endswith(sentence)


def test_rule_files_with_errors_are_not_replayed(program: House) -> None:
    Path("rules.yml").write_text("groups: [{name: g, rules: [{alert: A, type: statu, match: {all: true}}]}]")
    program.run("rules", "replay", "--from", "7d", "--rules", "rules.yml", status=2)
    assert program.complained.startswith("rules.yml:1:45: `type: statu` is not known")
    program.run("rules", "replay", "--from", "7d", "--rules", "rules.yml", "--json", status=2)
    assert [error["line"] for error in json.loads(program.said)["errors"]] == [1]


def test_a_directory_without_rule_files_is_not_replayed(program: House) -> None:
    Path("rules.d").mkdir()
    program.run("rules", "replay", "--from", "7d", "--rules", "rules.d", status=2)
    assert program.complained.startswith("rules.d: holds no *.yml and no *.yaml file; ")


def test_numbers_are_shown_whole(program: House) -> None:
    program.ping(program.w1, 19.5, 1_234_567.5)
    assert "2023-11-14T22:32:50.000Z  w1: Deep ok → firing (1234567.5)" in program.lines(*SPAN, "--rules", "rules.yml")


def test_a_recent_past_is_all_there(program: House) -> None:
    program.run("rules", "replay", "--from", "1h30m ago")
    assert program.complained.splitlines() == NOTES[:1]
    assert program.said.splitlines()[0] == "0 pings of 2 monitors in 1 h 30 min:"


def test_all_of_the_past_can_be_asked_for(program: House) -> None:
    assert program.lines("--from", "1970-01-01", "--to", "2023-11-14T22:33:20Z", "--rules", "rules.yml")[-3].startswith(
        "30 pings of 2 monitors"
    )
