from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from config.settings import SHIPPED_RULES
from rules import rule_files
from rules.rule_files import RuleErrors, nodes, parse, read
from rules.rule_files.groups import SIZE_LIMIT
from store.rule import Compare, Match, Resolve, Rule, Window

MARK = "‸"  # stands, in a text that is refused, before each place that there is a sentence on
GROUP = "groups:\n  - name: g\n    rules:\n"

HOW = "`match: {all: true}` for all monitors, `monitor: NAME`, or `match: {monitors: […], tags: […]}`"
GROUPS = "`groups: [{name: backups, rules: […]}]`"
OPERATORS = 'there are ">", "<", ">=", "<=", "=", "!=" and gt, lt, gte, lte, eq, ne'
TEMPLATE = "a text that begins with `{{` must be quoted, else YAML reads a mapping"
COLON = "this colon cannot be here: the line is indented too far, or a text with `: ` in it must be quoted"
ALIAS = "`*` begins an alias of YAML, which rule files do not have; quote the text, or write out what is meant"
ANCHOR = "`&` begins an anchor of YAML, which rule files do not have; quote the text, or leave the anchor out"
TAG = "`!` begins a tag of YAML, which rule files do not have; quote the text, or leave the tag out"
ESCAPE = "`\\` begins an escape in double quotes, and this is none; use single quotes, or write `\\\\`"
INDENTED = "this is indented like nothing that it could belong to"
LIST_LINE = "a list begins on a line of its own, or is written `[a, b]`; a text that begins with `-` must be quoted"
CRON = "minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC) and day of week (0-7 or SUN-SAT)"
KEYS = "alert, uid, type, match, monitor, project, for, keep_firing_for, consecutive, resolve, labels, annotations, channels"
KEYS_OF_TYPES = (
    "interval, schedule, timezone, grace, on_own_outage, failure_threshold, success_threshold, when, metric, op, value, window, compare, "
    "on_no_data, on_error"
)
ZONE = "the time zone 'Europe/Berln' is not known, did you mean 'Europe/Berlin'?; accepted are names such as 'Europe/Berlin' and 'UTC'"
AGAIN = "over again: group, alert, type and monitors are the same; give one of them a `uid`"
UNITS = "there are y, w, d, h, m, s, ms"
TYPES = "there are heartbeat, status, threshold, absent, unchanged"


def rule(*lines: str, alert: str = "alert: A") -> str:
    """A rule in a file, one key in each line. It goes behind `GROUP`."""
    return f"      - {alert}\n" + "".join(f"        {line}\n" for line in lines)


def one(*lines: str, alert: str = "alert: A") -> str:
    return GROUP + rule(*lines, alert=alert)


def heartbeat(*lines: str) -> str:
    return one("type: heartbeat", "monitor: m", *lines)


def threshold(*lines: str, alert: str = "alert: A") -> str:
    return one("type: threshold", "monitor: m", "metric: v", *lines, alert=alert)


def above(*lines: str) -> str:
    return threshold('op: ">"', "value: 100", *lines)


def windowed(*lines: str) -> str:
    return above("window: {func: mean, over: 10m}", *lines)


def marked(text: str) -> tuple[str, list[str]]:
    """The text without its marks, and where each was: `line:column`, both from 1."""
    places: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        while MARK in line:
            places.append(f"{number + 1}:{line.index(MARK) + 1}")
            line = line.replace(MARK, "", 1)
        lines[number] = line
    return "\n".join(lines), places


# Each text, with a sentence for each of its marks.
YAML: list[tuple[str, ...]] = [
    (threshold("op: ‸>", "value: 1"), 'quote the operator: op: ">"'),
    (threshold("op: ‸>=", "value: 1"), 'quote the operator: op: ">="'),
    (threshold("op: ‸=", "value: 1"), 'quote the operator: op: "="'),
    (threshold("op: ‸!=", "value: 1"), 'quote the operator: op: "!="'),
    (threshold("op: ‸> 100", "value: 1"), 'quote the operator: op: ">"'),
    (threshold("value: 1", "'op': ‸> # more"), 'quote the operator: op: ">"'),
    (above("resolve: {op: ‸!=, value: 3}"), 'quote the operator: op: "!="'),
    (threshold("op: ‸>=", "value: 1", "for: ‸60"), 'quote the operator: op: ">="', "`for: 60` has no unit; write 60s or 1m"),
    (heartbeat("schedule: ‸*/5 * * * *"), ALIAS),
    (one("type: status", "monitor: ‸*nightly"), ALIAS),
    (heartbeat("labels: ‸&l {a: b}", "for: ‸&x 5m"), ANCHOR, ANCHOR),
    (heartbeat("labels: {a: ‸& b}"), ANCHOR),
    (heartbeat("for: ‸!!str 5m", "labels: ‸!x {a: b}"), TAG, TAG),
    (heartbeat("for: ‸!e!x 5m"), TAG),
    (heartbeat("‸<<: {for: 5m}"), "`<<` merges mappings in YAML, which rule files do not do; write out what is meant"),
    (heartbeat("for: 5m", "grace: 1m", "‸for: 6m"), "`for` is there twice, first in line 7; leave one of them out"),
    (heartbeat("labels: {a: b, ‸a: c}"), "`a` is there twice, first in line 7; leave one of them out"),
    (heartbeat("‸[for]: 5m", "? ‸{a: b}", ": c"), "a key must be a text", "a key must be a text"),
    (heartbeat("annotations: {summary: ‸{{ $value }}}"), TEMPLATE),
    (heartbeat("annotations:", "  summary: ‸{{ $labels.monitor }} is down"), TEMPLATE),
    (heartbeat("annotations:", "  summary: ‸{{ $labels['monitor'] }}"), TEMPLATE),
    (heartbeat("annotations:", "  summary: too late‸: by far"), COLON),
    (GROUP + "      - alert: A\n          type‸: heartbeat\n", COLON),
    (GROUP + "‸\t- alert: A\n", "a tab is here where only spaces can be"),
    (heartbeat("annotations: {a: ‸@b}"), "a text that begins with `@` must be quoted"),
    (heartbeat("annotations:", '  summary: ‸"it is', "  b: c"), "this quote is never closed"),
    (heartbeat('annotations: {a: "C:\\‸d"}'), ESCAPE),
    (heartbeat('annotations: {a: "\\x‸zz"}'), ESCAPE),
    (heartbeat('annotations: {a: "\\U‸FFFFFFFF"}'), "this is not YAML: an escape or a number in it is out of range"),
    (heartbeat("for: ‸- 5m"), LIST_LINE),
    (heartbeat("‸grace", "for: 5m"), "this line is no `key: value`"),
    (heartbeat("channels: [a", "for‸: 5m"), "a comma or a `]` is missing before this"),
    (heartbeat("labels: {a: b", "for‸: 5m"), "a comma or a `}` is missing before this"),
    (heartbeat("channels: [").rstrip() + "‸", "the file ends within a `[` or a `{`"),
    (heartbeat("annotations:", '  summary: "it" ‸is'), "the text before this has ended; quote the whole of it"),
    (heartbeat("channels: [a]‸]"), "this `]` closes nothing"),
    (heartbeat("for: ‸}"), "this `}` closes nothing"),
    (heartbeat() + "       ‸for: 5m\n", INDENTED),
    (heartbeat("for: ‸,"), "this is not YAML: expected the node content, but found ','"),
    ("a: [[[[[[[[[[‸[1]]]]]]]]]]]\n", "this is nested too deep for a rule file"),
    ("groups: []\n‸---\ngroups: []\n", "a second document begins here; put it into a file of its own"),
    ("groups: []\r\n# ‸\x07\r\n", "the character U+0007 is not accepted; leave it out"),
    ("# ‸\uf7f0\n", "the character U+F7F0 is not accepted; leave it out"),
    ("# ‸\ud800\n", "the character U+D800 is not accepted; leave it out"),
]

SHAPES: list[tuple[str, ...]] = [
    ("‸- groups\n", f"here must be a mapping, such as {GROUPS}"),
    ("‸groups\n", f"here must be a mapping, such as {GROUPS}"),
    ("version: ‸2\n", "`version: 2` is not known; this Lastbeat reads version 1"),
    ("‸grops: []\n", "`grops` is no key of a rule file, did you mean `groups`?"),
    ("?‸ \n: c\n", "an empty key is here; write what is before the colon, or leave it out"),
    ("‸'': c\n", "an empty key is here; write what is before the colon, or leave it out"),
    ("‸on: push\n", "`on` is no key of a rule file; there are version, groups"),
    ("‸rules: []\n", f"`rules` belongs to a group: {GROUPS}"),
    ("‸alert: A\n", "`alert` belongs to a rule, in `rules`"),
    ("groups: ‸{a: b}\n", f"`groups:` is not accepted; give a list, as in {GROUPS}"),
    ("groups: [‸g]\n", "here must be a mapping, such as `{name: backups, rules: […]}`"),
    ("groups: [‸{rules: []}]\n", "a group needs `name`, as in `name: backups`"),
    ("groups: [{name: g}, {name: ‸g}]\n", "`name: g` is the group in line 1, too; give each its own name"),
    ("groups: [{name: g, ‸type: status}]\n", "`type` belongs to a rule, in `rules`"),
    ("groups: [{name: g, ‸query_offset: 1m}]\n", "`query_offset` is a key of Prometheus that has no meaning here"),
    ("groups: [{name: g, interval: ‸5s}]\n", "`interval: 5s` is not accepted; give 10s to 1d"),
    (
        "groups: [{name: g, rules: ‸3}]\n",
        "`rules: 3` is not accepted; give a list, as in `rules: [{alert: MonitorDown, type: heartbeat, match: {all: true}}]`",
    ),
    (GROUP + "      - ‸MonitorDown\n", "here must be a mapping, such as `{alert: MonitorDown, type: heartbeat, match: {all: true}}`"),
]

RULES: list[tuple[str, ...]] = [
    (
        one("monitor: m", alert="‸‸for: 5m"),
        "a rule needs `type`, as in `type: heartbeat`",
        "a rule needs `alert`, as in `alert: MonitorDown`",
    ),
    (one("type: ‸hartbeat", "monitor: m", "op: nonsense"), f"`type: hartbeat` is not known, did you mean `heartbeat`?; {TYPES}"),
    (
        one("type: ‸push", "monitor: m", "‸xyz: 1"),
        f"`type: push` is not known; {TYPES}",
        f"`xyz` is no key of a rule; there are {KEYS}, {KEYS_OF_TYPES}",
    ),
    (one("type: status", alert="‸alert: A"), f"say which monitors the rule watches: {HOW}"),
    (one("type: status", "match: {all: true}", "‸monitor: m"), "`match` and `monitor` are both there; leave one of them out"),
    (one("type: status", "match: ‸all"), "`match: all` is not accepted; give a mapping, as in `match: {all: true}`"),
    (one("type: status", "match: {all: ‸yes}"), "`all: yes` is not accepted; write true, or leave it out"),
    (
        one("type: status", "match: {all: true, ‸tags: [a]}"),
        "`all: true` selects every monitor, with or without `tags`; leave one of them out",
    ),
    (one("type: status", "match: ‸{except_tags: [a]}"), f"`match` selects nobody; say which monitors the rule watches: {HOW}"),
    (one("type: status", "match: {tags: ‸[]}"), "`tags:` is empty; name somebody, or leave it out"),
    (
        one("type: status", "match: {monitors: ‸['*']}"),
        "`monitors:` has `*`, which is a name like others; all monitors are `match: {all: true}`",
    ),
    (one("type: status", "match: {tags: ‸backup}"), "`tags: backup` is not accepted; give a list, `tags: [backup]`"),
    (one("type: status", "match: {tags: ‸{a: b}}"), "`tags:` is not accepted; give a list, `tags: […]`"),
    (
        one("type: status", "match: {tags: [a, ‸yes]}"),
        '`yes` in `tags` is true or false to YAML; write "yes" in quotes where a text is meant',
    ),
    (one("type: status", "match: {tags: [a, ‸[b]]}"), "this item of `tags` is not accepted; give one value"),
    (one("type: status", "match: {tags: [a], ‸tag: b}"), "`tag` is no key of `match`, did you mean `tags`?"),
    (
        one("type: status", "monitor: m", "‸xyz: 1"),
        f"`xyz` is no key of a rule of type status; there are {KEYS}, when, failure_threshold, success_threshold",
    ),
    (
        one("type: status", "monitor: m", "‸expr: up == 0"),
        "`expr` is a query of Prometheus; here a rule says `type`, and what that type watches for",
    ),
    (one("type: status", "monitor: m", "‸severity: page"), "`severity` belongs to `labels`"),
    (one("type: status", "monitor: m", "‸grace: 5m"), "`grace` is for rules of type heartbeat, and this one is of type status"),
    (heartbeat("‸metric: v"), "`metric` is for rules of type threshold, absent or unchanged, and this one is of type heartbeat"),
    (
        threshold('op: ">"', "value: 1", "‸failure_threshold: 2"),
        "`failure_threshold` is for rules of type heartbeat or status, and this one is of type threshold",
    ),
    (heartbeat("consecutive: 2", "‸failure_threshold: 2"), "`failure_threshold` and `consecutive` are both there; leave one of them out"),
    (
        heartbeat("resolve: {consecutive: 2}", "‸success_threshold: 2"),
        "`success_threshold` and `resolve` are both there; leave one of them out",
    ),
    (heartbeat("channels: ‸ops"), "`channels: ops` is not accepted; give a list, `channels: [ops]`"),
    (heartbeat("‸channels:"), "`channels:` is not accepted; give a list, `channels: […]`"),
    (heartbeat("uid: ‸a b"), "`uid: a b` is not accepted; give letters, digits, `_`, `.` and `-`"),
    (heartbeat("uid: ‸alr_1"), "`uid: alr_1` is not accepted; ids of metric alerts begin with alr_"),
    (heartbeat("project: ‸''"), "`project: ''` is empty; give a text"),
    (heartbeat("‸project:"), "`project:` is empty; give it a value, or leave it out"),
    (heartbeat("project: ‸~"), "`project: ~` is empty; give it a value, or leave it out"),
    (heartbeat("project: ‸[a]"), "`project:` is not accepted; give one value"),
    (heartbeat(f"project: ‸{'x' * 201}"), f"`project: {'x' * 60}…` has 201 characters; at most 200 are accepted"),
    (heartbeat('project: ‸"a\\tb"'), "`project: 'a\\tb'` has a character that cannot be shown; leave it out"),
    (heartbeat("consecutive: ‸0"), "`consecutive: 0` is not accepted; give a whole number from 1 to 1,000"),
    (heartbeat("consecutive: ‸1.5"), "`consecutive: 1.5` is not accepted; give a whole number from 1 to 1,000"),
    (heartbeat("consecutive: ‸'2'"), "`consecutive: '2'` is a text; write the number without quotes"),
    (heartbeat("consecutive: ‸two"), "`consecutive: two` is no number; write one such as 100, -2.5 or 1e3"),
    (
        GROUP + rule("type: status", "monitor: m") + rule("type: status", "match: {monitors: [m]}", "for: 1m", alert="‸alert: A"),
        f"this is the rule at f.yml:4:9 {AGAIN}",
    ),
    (
        GROUP + rule("type: status", "monitor: m", "uid: x") + rule("type: heartbeat", "monitor: n", "uid: x", alert="‸alert: B"),
        "the uid `x` is also that of the rule at f.yml:4:9; give each rule its own",
    ),
]

DURATIONS: list[tuple[str, ...]] = [
    (heartbeat("for: ‸60"), "`for: 60` has no unit; write 60s or 1m"),
    (heartbeat("for: ‸45"), "`for: 45` has no unit; write 45s"),
    (heartbeat("for: ‸'60'"), "`for: '60'` has no unit; write 60s or 1m"),
    (heartbeat("for: ‸1:30"), "`for: 1:30` is 90 to YAML, which counts it in sixties; write 1m30s or 1h30m"),
    (heartbeat("for: ‸5 m"), "`for: 5 m` has a space in it; write 5m"),
    (heartbeat("for: ‸30m1h"), "`for: 30m1h` has its units out of order, or one of them twice; the largest comes first, as in 1h30m"),
    (heartbeat("for: ‸1.5h"), "`for: 1.5h` has a fraction; write whole numbers, as in 1h30m"),
    (heartbeat("for: ‸5min"), f"`for: 5min` has an unknown unit, did you mean `m`?; {UNITS}"),
    (heartbeat("for: ‸1month"), f"`for: 1month` has an unknown unit; {UNITS}"),
    (heartbeat("for: ‸1500ms"), "`for: 1500ms` is no whole number of seconds"),
    (heartbeat("for: ‸-5m"), "`for: -5m` is no duration; write one such as 30s, 5m or 1h30m"),
    (heartbeat("for: ‸''"), "`for: ''` is no duration; write one such as 30s, 5m or 1h30m"),
    (heartbeat("for: ‸2y"), "`for: 2y` is not accepted; give 0s to 366d"),
    (heartbeat("for: ‸no"), "`for: no` is no duration; write one such as 30s, 5m or 1h30m"),
    (heartbeat("interval: ‸0"), "`interval: 0` is not accepted; give 1s to 366d"),
]

HEARTBEATS: list[tuple[str, ...]] = [
    (heartbeat("interval: 1h", "‸schedule: 0 2 * * *"), "`schedule` and `interval` are both there; leave one of them out"),
    (heartbeat("‸timezone: Europe/Berlin"), "`timezone` is that of a `schedule`, and there is none"),
    (heartbeat("schedule: ‸0 2 * *"), f"`schedule: 0 2 * *` is not accepted: a cron expression has five fields, {CRON}; '0 2 * *' has 4"),
    (
        heartbeat("schedule: 0 2 * * *", "timezone: ‸Europe/Berln"),
        f"`timezone: Europe/Berln` is not accepted: {ZONE}",
    ),
    (heartbeat("on_own_outage: ‸fir"), "`on_own_outage: fir` is not known, did you mean `fire`?; there are unverified, fire, ignore"),
    (one("type: status", "monitor: m", "when: ‸success"), "`when: success` is not known; there is fail"),
    (heartbeat("resolve: {‸op: '<', consecutive: 2}"), "`op` is for threshold rules alone, and this is a rule of type heartbeat"),
    (heartbeat("resolve: ‸{}"), "`resolve` says nothing; leave it out"),
    (heartbeat("resolve: ‸2"), "`resolve: 2` is not accepted; give a mapping, as in `resolve: {consecutive: 2}`"),
]

METRICS: list[tuple[str, ...]] = [
    (
        one("type: threshold", "monitor: m", alert="‸‸‸alert: A"),
        "a threshold rule needs `metric`, as in `metric: queue_size`",
        'a threshold rule needs `op`, as in `op: ">"`',
        "a threshold rule needs `value`, as in `value: 100`",
    ),
    (one("type: absent", "monitor: m", "‸metrik: v"), "`metrik` is no key of a rule of type absent, did you mean `metric`?"),
    (one("type: absent", "monitor: m", alert="‸alert: A"), "an absent rule needs `metric`, as in `metric: records_processed`"),
    (
        one("type: unchanged", "monitor: m", "for: 1h", alert="‸alert: A"),
        "an unchanged rule needs `metric`, as in `metric: records_processed`",
    ),
    (
        one("type: unchanged", "monitor: m", "metric: v", alert="‸alert: A"),
        "an unchanged rule needs `for` or `consecutive`, as in `for: 2h`: how long the same value may stay",
    ),
    (
        one("type: unchanged", "monitor: m", "metric: v", "consecutive: ‸1"),
        "`consecutive: 1` is met by every sample; give at least 2, or `for`",
    ),
    (threshold("op: ‸'=>'", "value: 1"), f"`op: '=>'` is no operator, did you mean \">=\"?; {OPERATORS}"),
    (threshold("op: ‸more", "value: 1"), f"`op: more` is no operator; {OPERATORS}"),
    (threshold("op: ‸get", "value: 1"), f"`op: get` is no operator, did you mean `gt`?; {OPERATORS}"),
    (
        threshold("op: gt", "value: ‸'100'"),
        "`value: '100'` is a text, which > cannot compare; write a number without quotes, or the operator = or !=",
    ),
    (threshold("op: gt", "value: ‸010"), "`value: 010` is an octal number to some readers of YAML; write 10 without the leading 0"),
    (threshold("op: gt", "value: ‸1:30"), "`value: 1:30` is 90 to YAML, which counts it in sixties; write the number that is meant"),
    (threshold("op: gt", "value: ‸.inf"), "`value: .inf` is not accepted; give a finite number"),
    (threshold("op: gt", "value: ‸-.NaN"), "`value: -.NaN` is not accepted; give a finite number"),
    (threshold("op: gt", "value: ‸1e999"), "`value: 1e999` is more than a number can be; give a finite one"),
    (threshold("op: gt", "value: ‸0x1F"), "`value: 0x1F` is not accepted; write the number in decimal digits alone"),
    (threshold("op: gt", "value: ‸1_000"), "`value: 1_000` is not accepted; write the number in decimal digits alone"),
    (threshold("op: eq", "value: ‸yes"), '`value: yes` is true or false to YAML; write "yes" in quotes where a text is meant'),
    (
        threshold("op: eq", "value: ‸2026-01-05"),
        '`value: 2026-01-05` is a date to YAML; write "2026-01-05" in quotes where a text is meant',
    ),
    (above("‸compare: {to: 1d}"), "`compare` needs a `window`, as in `window: {func: mean, over: 10m}`"),
    (
        above("‸on_no_data: fire", "‸on_error: fire"),
        "`on_no_data` needs a `window`, as in `window: {func: mean, over: 10m}`",
        "`on_error` needs a `window`, as in `window: {func: mean, over: 10m}`",
    ),
    (windowed("on_no_data: ‸keeep"), "`on_no_data: keeep` is not known, did you mean `keep`?; there are keep, resolve, fire"),
    (windowed("on_error: ‸NoData"), "`on_error: NoData` is not known; there are keep, resolve, fire"),
    (
        threshold("op: eq", "value: ‸text", "window: {func: mean, over: 10m}"),
        "`value: text` is a text, and a window gives a number; write a number, without quotes",
    ),
    (above("window: ‸10m"), "`window: 10m` is not accepted; give a mapping, as in `window: {func: mean, over: 10m}`"),
    (above("window: ‸‸{}"), "`window` needs `func`, as in `func: mean`", "`window` needs `over`, as in `over: 10m`"),
    (
        above("window: {func: ‸avg, over: ‸0}"),
        "`func: avg` is not known, did you mean `mean`?; there are mean, min, max, sum, count, rate, p95",
        "`over: 0` is not accepted; give 1s to 366d",
    ),
    (
        above("window: {func: ‸p99, over: 1m, ‸every: 1m, min_points: ‸0}"),
        "`func: p99` is not known, did you mean `p95`?; there are mean, min, max, sum, count, rate, p95",
        "`every` is no key of `window`, did you mean `over`?",
        "`min_points: 0` is not accepted; give a whole number from 1 to 100,000",
    ),
    (windowed("compare: ‸1d"), "`compare: 1d` is not accepted; give a mapping, as in `compare: {to: 1w}`"),
    (windowed("compare: ‸{}"), "`compare` needs `to`, as in `to: 1w`"),
    (
        windowed("compare: {to: ‸2d, as: ‸percent, min_baseline: ‸-1, ‸min: 3}"),
        "`to: 2d` is not accepted; give 1d or 1w",
        "`as: percent` is not known; there are ratio, difference",
        "`min_baseline: -1` is not accepted; it is a distance from zero, and not less than 0",
        "`min` is no key of `compare`; there are to, as, min_baseline",
    ),
    (above("resolve: ‸{op: '<'}"), "`resolve` with `op` needs `value`, as in `value: 80`"),
    (above("resolve: ‸{value: 80}"), '`resolve` with `value` needs `op`, as in `op: "<="`'),
    (above("resolve: {op: '<', value: ‸'80'}"), "`value: '80'` and the rule's own `value` are a text and a number; give two of a kind"),
    (
        threshold("op: eq", "value: bad", "resolve: {op: '<', value: ‸good}"),
        "`value: good` is a text, which < cannot compare; write a number without quotes, or the operator = or !=",
    ),
    (above("resolve: {op: '<=', value: ‸120}"), "`value: 120` overlaps with the breach: 110 would be > 100 and well again at once"),
    (above("resolve: {op: '>', value: ‸50}"), "`value: 50` overlaps with the breach: 200 would be > 100 and well again at once"),
    (
        threshold("op: eq", "value: bad", "resolve: {op: '=', value: ‸bad}"),
        "`value: bad` overlaps with the breach: 'bad' would be = 'bad' and well again at once",
    ),
    (
        threshold("op: ne", "value: good", "resolve: {op: '!=', value: ‸bad}"),
        "`value: bad` overlaps with the breach: 'neither good nor bad' would be != 'good' and well again at once",
    ),
]

TEXTS: list[tuple[str, ...]] = [
    (heartbeat("labels: ‸[a]"), "`labels:` is not accepted; give a mapping, as in `labels: {severity: critical}`"),
    (heartbeat("labels: {team: ‸yes}"), '`team: yes` is true or false to YAML; write "yes" in quotes where a text is meant'),
    (heartbeat("labels: {team: ‸7}"), '`team: 7` is a number to YAML; write "7" in quotes where a text is meant'),
    (heartbeat("labels: {‸on: call}"), '`on` is true or false to YAML; write "on" in quotes'),
    (heartbeat("labels: {‸my-team: a}"), "`my-team` cannot be a name; it is 1 to 100 letters, digits and _, and begins with no digit"),
    (heartbeat("labels: {‸monitor: a}"), "every alert has a label `monitor` already; give this one another name"),
    (
        heartbeat("labels: {team: ‸'{{ $value }}'}"),
        "`team: '{{ $value }}'` is a template, and labels are taken as they are; templates are for annotations",
    ),
    (
        heartbeat("annotations: ‸down"),
        '`annotations: down` is not accepted; give a mapping, as in `annotations: {summary: "{{ $labels.monitor }} is down"}`',
    ),
    (
        heartbeat("annotations: {summary: ‸'{{ $label.a }}'}"),
        "`summary: '{{ $label.a }}'` is no template: there is no `$label`, did you mean `$labels`?",
    ),
    (
        heartbeat("annotations:", "  summary: ‸|", "    {{ $value|humanise }}"),
        "`summary: '{{ $value|humanise }}\\n'` is no template: there is no filter `humanise`, did you mean `humanize`?",
    ),
    (heartbeat('annotations: {summary: ‸"a\\0b"}'), "`summary: 'a\\x00b'` has a character that cannot be shown; leave it out"),
    (heartbeat('annotations: {summary: ‸"\\ud800"}'), "`summary: '\\ud800'` has a character that cannot be shown; leave it out"),
    (heartbeat("labels: ‸{" + "".join(f"l{n}: x, " for n in range(51)) + "}"), "here are 51 names; at most 50 are accepted"),
    (heartbeat(f"channels: ‸[{'a, ' * 1_001}]"), "`channels:` has 1,001 items; at most 1,000 are accepted"),
    (heartbeat(f"annotations: {{summary: ‸{'x' * 2_001}}}"), f"`summary: {'x' * 60}…` has 2,001 characters; at most 2,000 are accepted"),
]

REFUSED = [*YAML, *SHAPES, *RULES, *DURATIONS, *HEARTBEATS, *METRICS, *TEXTS]


def refusal(text: str, file: str = "f.yml") -> list[str]:
    with pytest.raises(RuleErrors) as caught:
        parse(text, file)
    assert str(caught.value) == "\n".join(str(error) for error in caught.value.errors)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[1][:60])
def test_what_is_refused_is_said_where_it_stands(case: tuple[str, ...]) -> None:
    text, places = marked(case[0])
    assert refusal(text) == [f"f.yml:{place}: {sentence}" for place, sentence in zip(places, case[1:], strict=True)]


def only(text: str) -> Rule:
    """The one rule of the text, but for its hash and its place."""
    (found,) = parse(text).rules
    return replace(found, uid="", file=None, line=None)


def test_a_heartbeat_rule_has_its_own_schedule() -> None:
    text = one(
        "type: heartbeat",
        "match: {tags: [backup, db], except_monitors: [old], except_tags: [test]}",
        'schedule: "0 2 * * *"',
        "timezone: Europe/Berlin",
        "grace: 1h",
        "failure_threshold: 2",
        "success_threshold: 3",
        "on_own_outage: fire",
        "for: 0",
        "keep_firing_for: 5m",
        "channels: [ops, mail]",
        "labels: {severity: critical}",
        'annotations: {summary: "{{ $labels.monitor }}"}',
    )
    assert only(text) == Rule(
        "",
        "heartbeat",
        "A",
        "g",
        Match(tags=("backup", "db"), except_monitors=("old",), except_tags=("test",)),
        cron="0 2 * * *",
        timezone="Europe/Berlin",
        grace=3_600,
        consecutive=2,
        resolve=Resolve(consecutive=3),
        on_own_outage="fire",
        keep_firing=300,
        channels=("ops", "mail"),
        labels={"severity": "critical"},
        annotations={"summary": "{{ $labels.monitor }}"},
    )


def test_a_threshold_rule_has_a_window_and_a_comparison() -> None:
    text = threshold(
        "op: lt",
        "value: 0.5",
        "window: {func: mean, over: 1h, min_points: 5}",
        "compare: {to: 1w, as: difference, min_baseline: 10}",
        'resolve: {op: ">=", value: 0.8, consecutive: 2}',
        "on_no_data: fire",
        "on_error: resolve",
    )
    assert only(text) == Rule(
        "",
        "threshold",
        "A",
        "g",
        Match(monitors=("m",)),
        metric="v",
        operator="<",
        value=0.5,
        window=Window("mean", 3_600, 5),
        compare=Compare(604_800, "difference", 10),
        resolve=Resolve(">=", 0.8, 2),
        on_no_data="fire",
        on_error="resolve",
    )


def test_the_other_types_are_read() -> None:
    everybody = "match: {all: true}"
    assert only(one("type: status", everybody, "when: fail", "project: web")) == Rule("", "status", "A", "g", Match(all=True), "web")
    assert only(one("type: absent", everybody, "metric: v", "for: 2h")) == Rule(
        "", "absent", "A", "g", Match(all=True), metric="v", hold=7_200
    )
    assert only(one("type: unchanged", everybody, "metric: v", "consecutive: 2")) == Rule(
        "", "unchanged", "A", "g", Match(all=True), metric="v", consecutive=2
    )


def test_a_group_lends_its_rules_what_they_have_in_common() -> None:
    text = """\
version: 1
groups:
  - name: workers
    interval: 30s
    project: web
    labels: {team: infra, severity: info}
    rules:
      - {alert: A, type: status, monitor: m, labels: {severity: critical}}
      - {alert: B, type: status, monitor: m, project: shop}
"""
    a, b = parse(text).rules
    assert (a.group, a.every, a.project, a.labels) == ("workers", 30, "web", {"team": "infra", "severity": "critical"})
    assert (b.group, b.every, b.project, b.labels) == ("workers", 30, "shop", {"team": "infra", "severity": "info"})
    assert (a.file, a.line, b.line) == ("rules.yml", 8, 9)


def test_the_sentences_are_the_same_without_the_quick_reader_of_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [marked(text)[0] for text, *_ in REFUSED]
    quick = [refusal(text) for text in texts]
    monkeypatch.setattr(nodes, "_QUICK", yaml.SafeLoader)
    assert [refusal(text) for text in texts] == quick


def test_a_quote_that_is_closed_by_the_next_one_is_looked_for_where_it_begins() -> None:
    begun = 'groups:\n  - name: g\n    rules:\n      - alert: "A\n        type: threshold\n'
    hint = "; the quote of line 4 is closed in this line: is one missing there?"
    assert refusal(begun + '        op: ">"\n') == [
        f"f.yml:6:15: this is not YAML: expected chomping or indentation indicators, but found '\"'{hint}"
    ]
    assert refusal(begun + '        monitor: "x"\n') == [f"f.yml:6:19: the text before this has ended; quote the whole of it{hint}"]
    closed = begun.replace('"A', '"A"')
    assert refusal(closed + '        monitor: "x" y\n') == ["f.yml:6:22: the text before this has ended; quote the whole of it"]
    assert refusal(begun + "        monitor: x\n") == ["f.yml:4:16: this quote is never closed"]


def test_a_file_that_is_wrong_altogether_is_told_about_in_part() -> None:
    said = refusal("".join(f"k{n}: 1\n" for n in range(1_234)))
    assert said[:2] == [
        "f.yml: there are 234 more errors in this file; these come first",
        "f.yml:1:1: `k0` is no key of a rule file; there are version, groups",
    ]
    assert len(said) == 1_001
    assert refusal("".join(f"k{n}: 1\n" for n in range(1_001)))[0] == "f.yml: there is one more error in this file; these come first"


@pytest.mark.parametrize(
    ("written", "operator"),
    [(">", ">"), ("==", "="), ("gt", ">"), ("lt", "<"), ("gte", ">="), ("lte", "<="), ("eq", "="), ("ne", "!="), ("!=", "!=")],
)
def test_operators_have_words(written: str, operator: str) -> None:
    assert only(threshold(f'op: "{written}"', "value: 1")).operator == operator


def test_operators_that_yaml_leaves_alone_need_no_quotes() -> None:
    assert [only(threshold(f"op: {op}", "value: 1")).operator for op in ("<", "<=", "==")] == ["<", "<=", "="]


@pytest.mark.parametrize(
    ("written", "value"),
    [("100", 100.0), ("-2.5", -2.5), ("1e3", 1_000.0), ("+.5", 0.5), ("0", 0.0), ("5.", 5.0), ("complete", "complete"), ("'1'", "1")],
)
def test_values_are_numbers_or_texts_as_they_are_written(written: str, value: float | str) -> None:
    assert only(threshold("op: eq", f"value: {written}")).value == value


def test_nobody_is_another_choice_of_channels_than_none() -> None:
    assert only(heartbeat("channels: []")).channels == ()
    assert only(heartbeat()).channels is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff", "groups:\n", "groups: []\n", "groups:\n  - name: g\n    rules:\n"])
def test_a_file_without_rules_is_no_error(text: str) -> None:
    assert parse(text).rules == ()


def test_a_byte_order_mark_moves_no_column() -> None:
    assert refusal("\ufeffgrops: []\n") == ["f.yml:1:1: `grops` is no key of a rule file, did you mean `groups`?"]


@pytest.mark.parametrize(
    "change",
    [
        ("value: 100", "value: 200"),
        ("value: 100", "value: 100\n        for: 5m\n        labels: {severity: page}\n        annotations: {summary: s}"),
        ("- alert: A\n        type: threshold", "- type: threshold\n        alert: A"),
        ("groups:", "# above\n\ngroups:"),
        ("monitor: m", "match: {monitors: [m]}"),
        ("monitor: m", "match: {monitors: [m, m]}"),
    ],
)
def test_a_uid_outlives_what_does_not_make_it_another_rule(change: tuple[str, str]) -> None:
    (before,), (after,) = parse(above(), "a.yml").rules, parse(above().replace(*change), "b.yml").rules
    assert before.uid == after.uid == "rule_e4a584b7c88bc55d"


@pytest.mark.parametrize(
    "change",
    [
        ("alert: A", "alert: B"),
        ("name: g", "name: h"),
        ("name: g", "name: g\n    project: web"),
        ('type: threshold\n        monitor: m\n        metric: v\n        op: ">"\n        value: 100', "type: status\n        monitor: m"),
        ("monitor: m", "monitor: n"),
        ("monitor: m", "match: {tags: [m]}"),
        ("monitor: m", "match: {monitors: [m], except_tags: [x]}"),
    ],
)
def test_a_uid_is_another_where_the_rule_is(change: tuple[str, str]) -> None:
    changed = above().replace(*change)
    assert changed != above()
    assert parse(above()).rules[0].uid != parse(changed).rules[0].uid


def test_a_uid_that_is_given_is_kept() -> None:
    assert parse(heartbeat("uid: backup-missed.v2")).rules[0].uid == "backup-missed.v2"


def test_a_directory_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "20-b.yaml").write_text(heartbeat())
    (tmp_path / "10-a.yml").write_text(one("type: status", "monitor: m"))
    (tmp_path / "15-none.yml").write_text("")
    for name in (".10-a.yml.swp", ".hidden.yml", "notes.txt"):
        (tmp_path / name).write_text("groups: {")
    (tmp_path / "deeper.yml").mkdir()
    found = read(tmp_path)
    assert found.files == tuple(str(tmp_path / name) for name in ("10-a.yml", "15-none.yml", "20-b.yaml"))
    assert [(rule.type, rule.file) for rule in found.rules] == [("status", found.files[0]), ("heartbeat", found.files[2])]
    assert read(tmp_path / "20-b.yaml").rules == found.rules[1:]
    assert read(tmp_path / "20-b.yaml", tmp_path).rules == (found.rules[1], found.rules[0])


def test_all_errors_of_all_files_come_at_once_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("version: 2\ngrops: []\n")
    (tmp_path / "a.yml").write_text(heartbeat("for: 60", "grace: 5x"))
    (tmp_path / "c.yml").write_bytes(b"groups: []\n# caf\xe9\n")
    (tmp_path / "d.yml").write_bytes(b"\xff\xfeg\0")
    (tmp_path / "e.yml").write_text("#" * (SIZE_LIMIT + 1))
    (tmp_path / "f.yml").write_text(heartbeat())
    (tmp_path / "g.yml").write_text("\n" + heartbeat())
    (tmp_path / "h.yml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "i.yml").symlink_to(tmp_path / "i.yml")
    with pytest.raises(RuleErrors) as caught:
        read(tmp_path, tmp_path / "none.yml")
    assert [str(error).removeprefix(f"{tmp_path}/") for error in caught.value.errors] == [
        "a.yml:7:14: `for: 60` has no unit; write 60s or 1m",
        f"a.yml:8:16: `grace: 5x` has an unknown unit; {UNITS}",
        "b.yml:1:10: `version: 2` is not known; this Lastbeat reads version 1",
        "b.yml:2:1: `grops` is no key of a rule file, did you mean `groups`?",
        "c.yml:2:6: the byte 0xe9 is not UTF-8; save the file as UTF-8",
        "d.yml:1:1: the byte 0xff is not UTF-8; save the file as UTF-8",
        "e.yml: the file is larger than 1 MiB; write several",
        f"g.yml:5:9: this is the rule at {tmp_path}/f.yml:4:9 {AGAIN}",
        "h.yml: cannot be read: No such file or directory",
        "i.yml: cannot be read: Too many levels of symbolic links",
        "none.yml: cannot be read: No such file or directory",
    ]


def test_a_pipe_is_read_as_a_file_is() -> None:
    reading, writing = os.pipe()
    os.write(writing, heartbeat().encode())
    os.close(writing)
    assert len(read(Path(f"/dev/fd/{reading}")).rules) == 1
    os.close(reading)


def test_a_directory_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(RuleErrors) as caught:
        read(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Permission denied"


def test_the_shipped_rules_watch_every_monitor_in_its_own_way() -> None:
    down, failed = read(SHIPPED_RULES).rules
    assert (down.name, down.type, down.match, down.labels) == ("MonitorDown", "heartbeat", Match(all=True), {"severity": "critical"})
    assert (failed.name, failed.type, failed.match, failed.labels) == ("MonitorFailed", "status", Match(all=True), {"severity": "critical"})


def test_the_rule_to_copy_from_in_the_shipped_file_is_right() -> None:
    text = SHIPPED_RULES.read_text()
    copied = "\n".join(line[1:] for line in text[text.index("#  - name: metrics") :].splitlines())
    assert only("groups:\n" + copied).metric == "queue_size"


def test_a_directory_without_files_is_no_set_of_no_rules(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RuleErrors) as caught:
        read(empty)
    assert str(caught.value) == f"{empty}: holds no *.yml and no *.yaml file; where no rules are wanted, one with `groups: []` says so"


def test_every_line_of_the_loader_is_run_by_these_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So no sentence is without its case: one that is added fails here until there is one."""
    folder = str(Path(rule_files.__file__).parent)
    ran: set[tuple[str, int]] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        ran.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        return line(frame, event, _) if frame.f_code.co_filename.startswith(folder) else None

    other = tmp_path / "other"
    other.mkdir()
    before = sys.gettrace()
    sys.settrace(call)
    try:
        for text, *_ in REFUSED:
            refusal(marked(text)[0])
        test_a_heartbeat_rule_has_its_own_schedule()
        test_a_threshold_rule_has_a_window_and_a_comparison()
        test_a_group_lends_its_rules_what_they_have_in_common()
        test_a_directory_is_read_in_the_order_of_its_files(tmp_path)
        test_all_errors_of_all_files_come_at_once_in_their_order(other)
        test_a_directory_without_files_is_no_set_of_no_rules(other)
        test_a_directory_that_cannot_be_listed_is_named(tmp_path, monkeypatch)
        test_a_file_that_is_wrong_altogether_is_told_about_in_part()
        test_a_quote_that_is_closed_by_the_next_one_is_looked_for_where_it_begins()
        refusal("#" * (SIZE_LIMIT + 1))
        parse("")
    finally:
        sys.settrace(before)
    lines = {(str(path), number) for path in Path(folder).glob("*.py") for number in lines_of_functions(path)}
    assert len(lines) > 300
    assert sorted(f"{Path(path).name}:{number}" for path, number in lines - ran) == []


def lines_of_functions(path: Path) -> Iterator[int]:
    """The numbers of the lines that run when functions are called, not when the module is imported."""
    waiting = [constant for constant in compile(path.read_text(), path, "exec").co_consts if isinstance(constant, CodeType)]
    while waiting:
        code = waiting.pop()
        inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        waiting += inner
        if code.co_flags & 0x1:  # optimized, as functions are and class bodies are not
            yield from (number for _, _, number in code.co_lines() if number and number != code.co_firstlineno)
