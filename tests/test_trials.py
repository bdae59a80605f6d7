"""Tests of rules in YAML files: what is read, what is refused, and how they go."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent, indent

import pytest

from rules import trials
from rules.rule_files import RuleErrors
from rules.trials.comparison import Outcome, performed
from store.instant import from_iso
from store.model import SECOND

RULES = """\
groups:
  - name: g
    interval: 30s
    labels: {team: infra}
    rules:
      - {alert: Deep, type: threshold, match: {tags: [worker]}, metric: queue, op: ">", value: 100, consecutive: 2,
         labels: {severity: warning}, annotations: {summary: "{{ $labels.monitor }} has {{ $value }}"}}
      - {alert: Busy, type: threshold, monitor: w1, metric: load, window: {func: mean, over: 2m}, op: ">", value: 5,
         on_error: resolve, channels: [ops]}
      - {alert: Late, type: heartbeat, match: {all: true, except_tags: [worker]}, grace: 5m, channels: [ops, mail]}
      - {alert: Failed, type: status, match: {tags: [worker]}}
      - {alert: Stuck, type: unchanged, match: {tags: [worker]}, metric: phase, consecutive: 3}
"""
W1 = "monitors: [{name: w1, tags: [worker], interval: 60s, grace: 30s}]"


class Folder:
    """A directory with rule files, in which tests are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "rules.yml").write_text(RULES)

    def write(self, *tests: str) -> Path:
        file = self.path / "t.yml"
        file.write_text("rule_files: [rules.yml]\ntests:\n" + "".join(_item(test) for test in tests))
        return file

    def outcome(self, test: str) -> Outcome:
        found = trials.read(self.write("name: one\n" + dedent(test)))
        return performed(found.trials[0], found.rules)

    def ends(self, test: str) -> list[str]:
        """What came otherwise."""
        return [f"{one.what}: expected {one.expected}, got {one.got}" for one in self.outcome(test).failures]

    def refusals(self, text: str) -> list[str]:
        file = self.path / "t.yml"
        file.write_text(text)
        with pytest.raises(RuleErrors) as refused:
            trials.read(file)
        return [str(error).removeprefix(f"{self.path}/") for error in refused.value.errors]

    def refused(self, *lines: str) -> list[str]:
        """Of a test that is otherwise sound; the given lines begin at line 4."""
        return self.refusals("rule_files: [rules.yml]\ntests:\n  - name: one\n" + "".join(f"    {line}\n" for line in lines))


def _item(test: str) -> str:
    body = indent(dedent(test), "    ")
    return "  - " + body[4:] + ("" if body.endswith("\n") else "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_test_that_comes_as_expected_has_no_failures(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{monitor: w1, every: 60s, values: {{queue: '10 150x1 90'}}}}]
        expect:
          - {{at: 0s, alert: Deep, state: ok}}
          - {{at: 1m, alert: Deep, monitor: w1, state: pending, value: 150}}
          - {{at: 2m, alert: Deep, state: firing, labels: {{severity: warning, team: infra, alertname: Deep}}}}
          - {{at: 2m, alert: Deep, annotations: {{summary: w1 has 150}}}}
          - {{at: 3m, alert: Deep, state: ok}}
          - {{at: 3m, status: up}}
        expect_notifications:
          - kind: fire
            at: 2m
            alert: Deep
            monitor: w1
            value: 150
            channels: [default]
            annotations: {{summary: w1 has 150}}
            event: metric_alert
          - {{kind: resolve, at: 3m, alert: Deep, reason: recovered, labels: {{team: infra}}}}
        """)
        == []
    )


def test_what_comes_otherwise_is_said_field_by_field(folder: Folder) -> None:
    outcome = folder.outcome(f"""
        {W1}
        input: [{{every: 60s, values: {{queue: '10 150x1 90'}}}}]
        expect:
          - {{at: 2m, alert: Deep, state: pending, value: 151, labels: {{severity: page, team: infra, new: x}}}}
          - {{at: 2m, status: down}}
          - {{at: 2m, alert: Late, state: firing}}
        expect_notifications:
          - {{kind: fire, at: 1m, alert: Deep, channels: [ops, mail]}}
        """)
    assert [(one.place.line, one.what, one.expected, one.got) for one in outcome.failures] == [
        (8, "at 2m, Deep of w1", "state pending", "state firing"),
        (8, "at 2m, Deep of w1", "value 151", "value 150"),
        (8, "at 2m, Deep of w1", "labels.severity 'page'", "labels.severity 'warning'"),
        (8, "at 2m, Deep of w1", "labels.new 'x'", "labels.new none"),
        (9, "at 2m, w1", "status down", "status up"),
        (10, "at 2m, Late of w1", "state firing", "Late does not watch w1"),
        (12, "at 2m, fire Deep of w1", "at 1m", "at 2m"),
        (12, "at 2m, fire Deep of w1", "channels ops, mail", "channels default"),
        (3, "nothing more was to be told", "nothing", "at 3m, resolve Deep of w1"),
    ]
    assert [line.text for line in outcome.timeline] == [
        "w1: new → up (ping)",
        "w1: Deep ok → pending (150)",
        "w1: Deep pending → firing (150)",
        "told default: fire Deep of w1",
        "w1: Deep firing → ok (90)",
        "told default: resolve Deep of w1",
    ]


def test_notifications_are_all_that_are_told_in_their_order(folder: Folder) -> None:
    told = "{monitors}\ninput: [{{every: 60s, values: {{queue: '150x1 9 150x1 9'}}}}]\nexpect_notifications: [{expected}]\n"
    fire, resolve = "{kind: fire, at: 1m}", "{kind: resolve, at: 2m}"
    again, over = "{kind: fire, at: 4m}", "{kind: resolve, at: 5m}"

    def ends(*expected: str) -> list[str]:
        return folder.ends(told.format(monitors=W1, expected=", ".join(expected)))

    assert ends(fire, resolve, again, over) == []
    assert ends(fire, resolve, over) == ["nothing more was to be told: expected nothing, got at 4m, fire Deep of w1"]
    assert ends(fire, resolve, again, over, fire) == ["at 1m, fire: expected that people are told, got they are not"]
    assert ends("{kind: fire, at: 0s}", fire, resolve, again, over) == ["at 0s, fire: expected that people are told, got they are not"]
    assert ends("{kind: fire, at: 1m, reason: x}", resolve, again, over) == ["at 1m, fire Deep of w1: expected reason x, got reason none"]
    assert len(ends()) == 4


def test_a_silence_can_be_expected_to_last(folder: Folder) -> None:
    silent = f"{W1}\ninput: [{{every: 60s, pings: 1x2}}]\nexpect_notifications: []\n"
    assert folder.ends(silent) == []
    assert folder.ends(silent + "end: 3m30s") == [
        "nothing more was to be told: expected nothing, got at 3m30s, fire monitor_down of w1"
    ]  # what is due at the end is due


def test_an_outage_that_no_rule_is_about_is_told_without_an_alert(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 60s, pings: '1 _x5 1'}}]
        expect: [{{at: 1m15s, status: late}}, {{at: 2m, status: down}}]
        expect_notifications:
          - {{kind: fire, at: 1m30s, alert: null, event: monitor_down, monitor: w1, reason: missed}}
          - {{kind: resolve, at: 6m, alert: null, event: monitor_up}}
        """)
        == []
    )


def test_a_rule_that_is_the_monitors_own_outage_fires_with_it(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 60s, pings: '1 0 1'}}]
        expect:
          - {{at: 0s, alert: Failed, state: ok}}
          - {{at: 1m, alert: Failed, state: firing, labels: {{team: infra}}}}
          - {{at: 2m, alert: Failed, state: ok}}
        expect_notifications: [{{kind: fire, alert: Failed, at: 1m}}, {{kind: resolve, alert: Failed, event: monitor_up, at: 2m}}]
        """)
        == []
    )


def test_a_channel_that_a_rule_names_hears_it_and_the_monitors_own_does_not(folder: Folder) -> None:
    assert (
        folder.ends("""
        monitors: [{name: nightly, schedule: "0 2 * * *", grace: 1m, channels: [night]}]
        start: 2026-03-29T02:00:00Z
        input: [{every: 24h, pings: 1}]
        end: 24h6m
        expect: [{at: 24h2m, status: down}, {at: 24h4m, alert: Late, state: ok}]
        expect_notifications: [{kind: fire, alert: Late, at: 24h5m, channels: [mail, ops]}]
        """)
        == []
    )


def test_texts_are_sent_too(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 60s, from: 30s, texts: {{phase: 'copyingx3 idle'}}}}]
        expect: [{{at: 2m29s, alert: Stuck, state: pending}}, {{at: 2m30s, alert: Stuck, state: firing, value: copying}}]
        expect_notifications: [{{kind: fire, alert: Stuck, value: copying}}, {{kind: resolve, at: 4m30s}}]
        """)
        == []
    )


def test_pings_carry_what_comes_at_their_turn(folder: Folder) -> None:
    found = trials.read(
        folder.write(
            f"name: one\n{W1}\nend: 10m\nexpect_notifications: []\n"
            "input: [{every: 60s, pings: 'start 1 _ 0', values: {queue: '_ 7 _ 8'}, texts: {phase: '_ a'}},\n"
            "  {every: 45s, values: {load: '1 _ 2'}}]\n"
        )
    )
    sent = [(ping.at // SECOND, ping.kind, ping.numbers, ping.texts) for ping in found.trials[0].pings]
    assert sent == [
        (0, "start", {}, {}),
        (0, "success", {"load": 1.0}, {}),
        (60, "success", {"queue": 7.0}, {"phase": "a"}),
        (90, "success", {"load": 2.0}, {}),
        (180, "fail", {"queue": 8.0}, {}),
    ]


def test_windows_are_evaluated_on_the_interval_of_their_group(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 20s, values: {{load: '1x5 9x20'}}}}]
        expect:
          - {{at: 2m59s, alert: Busy, state: ok}}
          - {{at: 3m30s, alert: Busy, state: firing, value: 7.6666666667}}
        expect_notifications: [{{kind: fire, alert: Busy, at: 3m30s, channels: [ops]}}]
        """)
        == []
    )


def test_a_store_that_is_away_is_told_of_and_rules_do_as_they_say(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 20s, values: {{load: '9x60'}}}}]
        events: [{{at: 5m, datasource_down: 5m}}]
        expect:
          - {{at: 5m59s, alert: Busy, state: firing}}
          - {{at: 6m, alert: Busy, state: ok}}
          - {{at: 10m, alert: Busy, state: firing}}
        expect_notifications:
          - {{kind: fire, at: 30s, alert: Busy}}
          - {{kind: resolve, at: 6m, alert: Busy, reason: error}}
          - {{kind: notice, at: 6m, event: rules_datasource_failing, alert: null, monitors: []}}
          - {{kind: fire, at: 10m, alert: Busy}}
          - {{kind: notice, at: 10m, event: rules_datasource_recovered}}
        """)
        == []
    )


def test_a_server_that_is_started_anew_has_forgotten_how_often_its_store_was_away(folder: Folder) -> None:
    away = f"{W1}\ninput: [{{every: 20s, pings: 1x60}}]\nevents: [{{at: 5m, datasource_down: 5m}}, {{at: 5m45s, restart: true}}]\n"
    failing, recovered = "event: rules_datasource_failing", "event: rules_datasource_recovered"
    # It looks at the interval of 5m30s once more, and then at those of 6m and 6m30s.
    told = f"expect_notifications: [{{kind: notice, at: 6m30s, {failing}}}, {{kind: notice, at: 10m, {recovered}}}]"
    assert folder.ends(away + told) == []


def test_one_outage_may_follow_another(folder: Folder) -> None:
    events = "events: [{at: 1m30s, server_down: 1m}, {at: 2m30s, restart: true}, {at: 2m31s, server_down: 5s}]"
    assert folder.ends(f"{W1}\ninput: [{{every: 60s, pings: 1x10}}]\n{events}\nexpect_notifications: []") == []


def test_what_a_server_that_is_down_does_not_hear_is_lost_and_rare_jobs_are_unverified_together(folder: Folder) -> None:
    jobs = "{name: b, interval: 2h, grace: 1m}, {name: a, interval: 2h, grace: 1m}, {name: often, interval: 60s, grace: 0s}"
    outcome = folder.outcome(f"""
        monitors: [{jobs}]
        input:
          - {{monitor: a, every: 2h, pings: '1x2'}}
          - {{monitor: b, every: 2h, pings: '1x2'}}
          - {{monitor: often, every: 60s, pings: '1x240'}}
        events: [{{at: 119m30s, server_down: 2m}}]
        expect:
          - {{at: 120m30s, monitor: a, status: late}}
          - {{at: 122m, monitor: a, status: unverified}}
          - {{at: 122m, monitor: often, status: up}}
        expect_notifications:
          - {{kind: notice, at: 121m30s, event: monitors_unverified, monitors: [b, a], channels: [default]}}
        """)
    assert outcome.failures == ()
    assert "the server is down for 2m, and 4 pings are lost" in [line.text for line in outcome.timeline]


def test_the_clock_put_forward_makes_nobody_late_and_put_back_changes_nothing(folder: Folder) -> None:
    steady = "monitors: [{name: m, interval: 60s, grace: 30s}]\ninput: [{every: 60s, pings: 1x20}]\nexpect_notifications: []\n"
    assert folder.ends(steady + "events: [{at: 5m10s, clock_step: +1h}]") == []
    assert folder.ends(steady + "events: [{at: 5m10s, clock_step: -1h}, {at: 9m, clock_step: +1h}]") == []
    # The job stops with the step: it is missed on the new clock, one interval and its grace after the step.
    stopped = (
        "monitors: [{name: m, interval: 60s, grace: 30s}]\ninput: [{every: 60s, pings: 1x5}]\nevents: [{at: 5m10s, clock_step: +1h}]\n"
    )
    assert folder.ends(stopped + "expect: [{at: 6m39s, status: late}, {at: 6m40s, status: down}]") == []


def test_a_delay_makes_alarms_later_and_invents_none(folder: Folder) -> None:
    delayed = "monitors: [{name: m, interval: 60s, grace: 10s}]\nevents: [{at: 90s, ingest_delay: 40s}, {at: 10m, ingest_delay: 0s}]\n"
    assert folder.ends(delayed + "input: [{every: 60s, pings: 1x20}]\nexpect_notifications: []") == []
    late = delayed + "input: [{every: 60s, pings: '1 1 1 _x20 1'}]\n"
    # Its deadline is at 190 s, and is known 40 s later.
    told = "expect_notifications: [{kind: fire, alert: Late, at: 8m40s}, {kind: resolve, at: 23m}]"
    assert folder.ends(late + "expect: [{at: 3m49s, status: late}, {at: 3m50s, status: down}]\n" + told) == []


def test_who_is_paused_is_not_judged_until_resumed(folder: Folder) -> None:
    assert (
        folder.ends(f"""
        {W1}
        input: [{{every: 60s, pings: '1x2 _x20 1', values: {{queue: '150x2'}}}}]
        events: [{{at: 2m30s, pause: w1}}, {{at: 20m, resume: w1}}]
        expect: [{{at: 10m, status: paused}}, {{at: 10m, alert: Deep, state: ok}}, {{at: 21m, status: up}}]
        expect_notifications:
          - {{kind: fire, alert: Deep, at: 1m}}
          - {{kind: resolve, alert: Deep, at: 2m30s, reason: paused}}
          - {{kind: fire, alert: null, at: 21m30s}}
          - {{kind: resolve, at: 23m}}
        """)
        == []
    )


def test_two_monitors_can_be_told_of_at_one_moment(folder: Folder) -> None:
    assert (
        folder.ends("""
        monitors: [{name: z, tags: [worker], interval: 60s}, {name: a, tags: [worker], interval: 60s}]
        input: [{monitor: a, every: 60s, pings: 0}, {monitor: z, every: 60s, pings: 0}]
        expect_notifications: [{kind: fire, monitor: z}, {kind: fire, monitor: a}]
        """)
        == []
    )


def test_summer_time_is_kept_by_the_dates_of_a_test(folder: Folder) -> None:
    # In Berlin clocks go from 2:00 to 3:00 on that day, so 4:00 comes 23 hours after the 4:00 of the day before.
    assert (
        folder.ends("""
        start: 2026-03-28T03:00:00Z
        monitors: [{name: m, schedule: "0 4 * * *", timezone: Europe/Berlin, grace: 10m}]
        input: [{every: 23h, pings: '1 _ _'}]
        expect: [{at: 23h9m, status: late}, {at: 23h10m, status: down}]
        """)
        == []
    )


def test_a_trial_costs_what_happens_in_it_and_not_how_long_it_lasts(folder: Folder) -> None:
    began = time.process_time()
    yearly = "monitors: [{name: m, interval: 30d, grace: 1h}]\ninput: [{every: 30d, pings: '1x10 _'}]\nend: 366d\n"
    assert (
        folder.ends(yearly + "expect: [{at: 300d, status: up}, {at: 330d2h, status: down}, {at: 366d, alert: Late, state: firing}]") == []
    )
    assert time.process_time() - began < 1


def test_the_start_of_a_test_is_its_date(folder: Folder) -> None:
    (one,) = trials.read(folder.write(f"name: one\nstart: 2026-03-29T00:00:00Z\n{W1}\nexpect_notifications: []\nend: 1h")).trials
    assert (one.start, one.end) == (from_iso("2026-03-29T00:00:00Z"), 3_600 * SECOND)


SOUND = ("monitors: [{name: w1, interval: 60s}]", "expect_notifications: []")
VERBS = "restart, server_down, clock_step, ingest_delay, datasource_down, pause or resume"


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        # monitors
        (("monitors: [{nam: w1}]", SOUND[1]), ["t.yml:4:17: `nam` is no key of a monitor, did you mean `name`?"]),
        (("monitors: [{name: a, maxRunTime: 1h}]", SOUND[1]), ["t.yml:4:26: `maxRunTime` is written `max_run_time`"]),
        (("monitors: [{name: a, interval: 60}]", SOUND[1]), ["t.yml:4:36: `interval: 60` has no unit; write 60s or 1m"]),
        (
            ("monitors: [{name: a, interval: 1d, schedule: '0 2 * * *'}]", SOUND[1]),
            ["t.yml:4:26: `interval` and `schedule` are both there; leave one of them out"],
        ),
        (("monitors: [{name: a}, {name: a}]", SOUND[1]), ["t.yml:4:27: there are two monitors `a`; give each its own name"]),
        (
            ("monitors: []", "expect_notifications: []"),
            ["t.yml:4:5: `monitors` has none; a test that watches nobody must not look as if all was well"],
        ),
        (
            ("monitors:", "expect_notifications: []"),
            ["t.yml:4:5: `monitors` has none; a test that watches nobody must not look as if all was well"],
        ),
        (("monitors: [w1]", SOUND[1]), ["t.yml:4:16: here must be a mapping, such as `{name: w1, interval: 60s, grace: 30s}`"]),
        (
            ("monitors: [{name: a, grace: 30s, start_by: 60s}]", SOUND[1]),
            [
                (
                    "t.yml:4:48: `start_by: 60s` is not accepted: within 60 s is later than the grace period of 30 s, "
                    "in which the run must have succeeded"
                )
            ],
        ),
        (
            ("monitors: [{name: a, slug: 'Not A Slug'}]", SOUND[1]),
            ["t.yml:4:32: `slug: 'Not A Slug'` is not accepted: a slug is 1 to 100 of a-z, 0-9, - and _"],
        ),
        ((SOUND[1],), ["t.yml:3:5: a test needs `monitors`, as in `monitors: [{name: w1, interval: 60s}]`"]),
        # input
        ((*SOUND, "input: [{values: {q: 1}}]"), ["t.yml:6:13: an input needs `every`, as in `every: 60s`"]),
        ((*SOUND, "input: [{every: 60s, values: {q: 1,2}}]"), ["t.yml:6:40: `2:` is empty; give it a value, or leave it out"]),
        (
            (*SOUND, "input: [{every: 60s, values: {q: '1,2'}}]"),
            ["t.yml:6:38: `q: '1,2'` has `1,2`; samples have spaces between them, and no commas"],
        ),
        ((*SOUND, "input: [{every: 60s, monitor: w2, pings: 1}]"), ["t.yml:6:35: `monitor: w2` is no monitor of this trial; there is w1"]),
        (
            (*SOUND, "input: [{every: 60s, pings: '1 _', values: {q: '1 2'}}]"),
            ["t.yml:6:40: `q` has a sample number 2, and no ping of `pings` comes at that turn to carry it"],
        ),
        (
            (*SOUND, "input: [{every: 60s}]"),
            ["t.yml:6:13: this input sends nothing; give it `pings: '1x4'`, or `values: {key: '10 150x2'}`"],
        ),
        (
            ("monitors: [{name: a}, {name: b}]", SOUND[1], "input: [{every: 60s, pings: 1}]"),
            ["t.yml:6:13: say which monitor is meant, as in `monitor: a`"],
        ),
        (
            (*SOUND, "input: [{series: x, every: 60s, pings: 1}]"),
            ["t.yml:6:14: `series` is of promtool; here say `monitor`, and `values: {key: '…'}`"],
        ),
        (
            (*SOUND, "input: [{every: 366d, pings: 1x11}]"),
            ["t.yml:6:21: `every: 366d` makes the last of 12 samples come after more than 10 years"],
        ),
        (
            (*SOUND, f"input: [{', '.join(['{every: 1s, pings: 1x99999}'] * 11)}]"),
            ["t.yml:6:5: these are more than 1,000,000 pings; write several tests"],
        ),
        # events
        (
            (*SOUND, "events: [{at: 1m, silence: w1}]"),
            ["t.yml:6:23: `silence` is nothing that Lastbeat has today; `pause: MONITOR` is the nearest"],
        ),
        (
            (*SOUND, "events: [{at: 1m, channel_fail: ops}]"),
            [
                (
                    "t.yml:6:23: `channel_fail` would change nothing here: what people are told is written down at once, "
                    "and waits until its channel takes it"
                )
            ],
        ),
        ((*SOUND, "events: [{at: 1m}]"), [f"t.yml:6:14: say what happens: {VERBS}"]),
        ((*SOUND, "events: [{restart: true}]"), ["t.yml:6:14: an event needs `at`, as in `{at: 4m30s, server_down: 10m}`"]),
        ((*SOUND, "events: [{at: 1m, restart: yes}]"), ["t.yml:6:32: `restart: yes` is not accepted; write true, or leave it out"]),
        ((*SOUND, "events: [{at: 1m, clock_step: -1s}]"), ["t.yml:6:35: `clock_step: -1s` is not accepted; give 2s to 366d"]),
        ((*SOUND, "events: [{at: 1m, clock_step: 5}]"), ["t.yml:6:35: `clock_step: 5` has no unit; write 5s"]),
        (
            (*SOUND, "events: [{at: 1m, restart: true, server_down: 5m}]"),
            ["t.yml:6:38: `restart` and `server_down` are two events; write each in a mapping of its own"],
        ),
        (
            (*SOUND, "events: [{at: 2m, restart: true}, {at: 1m, server_down: 5m}]"),
            ["t.yml:6:14: this is while the one in line 6 lasts; let one end before the other begins"],
        ),
        (
            (*SOUND, "events: [{at: 2m, ingest_delay: 3m}]"),
            [
                (
                    "t.yml:6:14: rules on windows, evaluated every 30s, wait for 2m30s at the longest; give a shorter delay, "
                    "or leave those rules out of this trial"
                )
            ],
        ),
        ((*SOUND, "events: [{at: 2m, pause: w3}]"), ["t.yml:6:30: `pause: w3` is no monitor of this trial; there is w1"]),
        # expect
        ((SOUND[0],), ["t.yml:3:5: this test expects nothing; give it `expect`, or `expect_notifications: []` for silence"]),
        (
            (SOUND[0], "expect: [{at: 1m, alert: Dep, state: ok}]"),
            ["t.yml:5:30: `alert: Dep` is no alert of this trial, did you mean `Deep`?"],
        ),
        (
            (SOUND[0], "expect: [{at: 1m, alert: Deep, state: resolved}]"),
            ["t.yml:5:43: `state: resolved` is not known, did you mean `ok`?; there are ok, pending, firing, recovering"],
        ),
        (
            (SOUND[0], "expect: [{at: 1m, alert: Deep}]"),
            ["t.yml:5:14: say what is expected of the alert, as in `{at: 3m, alert: QueueTooDeep, monitor: w1, state: firing}`"],
        ),
        (
            (SOUND[0], "expect: [{at: 1m, status: up, state: ok}]"),
            ["t.yml:5:35: `state` is of an alert, and `status` of a monitor; expect each by itself"],
        ),
        (
            (SOUND[0], "expect: [{eval_time: 1m, alert: Deep, state: ok}]"),
            [
                "t.yml:5:14: an expectation needs `at`, as in `{at: 3m, alert: QueueTooDeep, monitor: w1, state: firing}`",
                "t.yml:5:15: `eval_time` is written `at`",
            ],
        ),
        (
            (SOUND[0], "expect_notifications: [{kind: fired, summary: x}]"),
            [
                "t.yml:5:35: `kind: fired` is not known, did you mean `fire`?; there are fire, resolve, notice",
                "t.yml:5:42: `summary` belongs to `annotations`",
            ],
        ),
        (
            (*SOUND, "end: 1s", "events: [{at: 2s, restart: true}]"),
            ["t.yml:6:10: `end: 1s` is before the last that happens, or is expected"],
        ),
        ((*SOUND, "start: tomorrow"), ["t.yml:6:12: `start: tomorrow` is no time; write it as 2026-03-29T00:00:00Z"]),
        ((*SOUND, "start: 1969-12-31"), ["t.yml:6:12: `start: 1969-12-31` is too far away; give a year from 1971 to 2199"]),
        ((*SOUND, "interval: 1m"), ["t.yml:6:5: `interval` is said for each input, as `every`"]),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(folder: Folder, lines: tuple[str, ...], errors: list[str]) -> None:
    assert sorted(folder.refused(*lines)) == errors


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("", ["t.yml: is empty; a test file is a mapping, such as `{rule_files: [rules.d/*.yml], tests: […]}`"]),
        ("- a", ["t.yml:1:1: here must be a mapping, such as `{rule_files: [rules.d/*.yml], tests: […]}`"]),
        ("rule_files: [rules.yml]\ntests: []", ["t.yml:2:1: `tests` has none; a file that tests nothing must not look as if all was well"]),
        (
            "rule_files: []\ntests: []",
            [
                "t.yml:1:13: `rule_files:` names none; give the rules that are tested, as in `rule_files: [rules.d/*.yml]`",
                "t.yml:2:1: `tests` has none; a file that tests nothing must not look as if all was well",
            ],
        ),
        ("tests: [", ["t.yml:1:9: the file ends within a `[` or a `{`"]),
        (
            "rule_files: [rules.yml]\ngroups: []\nevaluation_interval: 1m\ntests: []",
            [
                "t.yml:2:1: `groups` belongs to rule files, which `rule_files` names",
                "t.yml:3:1: `evaluation_interval` is the `interval` of each group of rules",
                "t.yml:4:1: `tests` has none; a file that tests nothing must not look as if all was well",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_said(folder: Folder, text: str, errors: list[str]) -> None:
    assert sorted(folder.refusals(text)) == errors


def test_two_tests_of_one_name_are_refused(folder: Folder) -> None:
    test = "{name: one, monitors: [{name: a}], expect_notifications: []}"
    assert folder.refusals(f"rule_files: [rules.yml]\ntests:\n  - {test}\n  - {test}\n") == [
        "t.yml:4:5: the test in line 3 has the same name; give each its own"
    ]


def test_a_pattern_that_selects_no_file_is_refused(folder: Folder) -> None:
    test = "tests: [{name: one, monitors: [{name: a}], expect_notifications: []}]\n"
    (error,) = folder.refusals(f"rule_files: [rules.yml, other/*.yml]\n{test}")
    assert error == f"t.yml:1:25: `other/*.yml` in `rule_files` selects no file; it is looked for from {folder.path} on"


def test_rule_files_with_errors_are_said_with_their_own_places(folder: Folder) -> None:
    (folder.path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: A}]}]")
    errors = folder.refusals("rule_files: ['*les.yml']\ntests:\n  - {name: one}\n")
    assert [error.split(": ")[0] for error in errors] == ["rules.yml:1:28", "rules.yml:1:28"]


def test_rule_files_may_be_given_by_absolute_patterns_and_lie_in_folders_of_any_name(tmp_path: Path) -> None:
    odd = tmp_path / "[a]*"
    odd.mkdir()
    (odd / "r.yml").write_text(RULES)
    test = "{name: one, monitors: [{name: a}], expect_notifications: []}"
    for pattern in ("r.yml", f"{tmp_path}/?a]?/r*.yml"):
        (odd / "t.yml").write_text(f"rule_files: ['{pattern}']\ntests: [{test}]")
        assert len(trials.read(odd / "t.yml").rules) == 5
