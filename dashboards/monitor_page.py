"""One monitor: how it is, its charts, its latest pings, and all that can be done to it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request
from sqlalchemy import Connection

from dashboards.axis import HOUR
from dashboards.chart import BUCKETS, Chart, Frame, Limit, draw
from dashboards.fresh import fragment
from dashboards.outages import downs, uptime
from dashboards.site import RANGES, Site, chosen_range
from dashboards.snippets import first_ping, snippets
from rules import runs, watch
from rules import schedule as schedules
from rules import status as status_rules
from rules.hearers import meant
from rules.watch import Watch
from store.control import channels, history, metric_keys, rule_set
from store.instant import iso
from store.model import (
    DURATION,
    SECOND,
    Beat,
    Channel,
    Incident,
    MetricKey,
    Monitor,
    Ns,
    Ping,
    Plan,
    Project,
    Run,
    Schedule,
    ShownStatus,
    Transition,
)
from store.points import PointsError
from store.rule import Rule

_DAY: Ns = 24 * HOUR
_CHARTS = 12
_PINGS = 20
_ALERTS = 200


@dataclass(frozen=True)
class Facts:
    """All that the page tells about a monitor, but for the values of its charts. `told`: the channels that hear when it falls silent;
    `notified`: those of its own, or the project's. `trouble`: why its history cannot be read now;
    `behind`: why the newest part of it is missing.
    """

    now: Ns
    monitor: Monitor
    project: Project
    beat: Beat
    keys: list[MetricKey]
    alerts: list[Watch]
    channels: dict[str, Channel]
    told: list[str]
    notified: list[str]
    transitions: list[Transition]
    incidents: list[Incident]
    pings: list[Ping]
    plan: Plan
    refused: tuple[int, Ns] | None
    trouble: str | None
    behind: str | None
    range: str
    refused_rules: list[str]

    @property
    def status(self) -> ShownStatus:
        return status_rules.shown(self.beat, self.now)

    @property
    def span(self) -> Ns:
        return RANGES[self.range] * HOUR

    @property
    def bucket(self) -> Ns:
        return self.span // BUCKETS

    @property
    def numbers(self) -> list[MetricKey]:
        return [key for key in self.keys if isinstance(key.value, float)]

    @property
    def texts(self) -> list[MetricKey]:
        return [key for key in self.keys if isinstance(key.value, str)]

    def hearers(self, alert: Watch) -> list[str]:
        """The channels that the alert tells, by name."""
        known = {channel.name: channel.id for channel in self.channels.values()} | {i: i for i in self.channels}
        ids = meant(alert.rule, self.notified, known)
        return [self.channels[i].name for i in (self.notified if ids is None else ids) if i in self.channels]

    def uptime(self, days: int) -> float | None:
        return uptime(self.transitions, self.now - days * _DAY, self.now)

    @property
    def running(self) -> list[Run]:
        return runs.running(self.beat.runs, self.now)

    @property
    def overlong(self) -> list[Run]:
        return runs.overlong(self.beat.runs, self.now)

    @property
    def last_run(self) -> MetricKey | None:
        """How long the newest run took whose start was reported, or that measured itself."""
        return next((key for key in self.numbers if key.key == DURATION), None)

    @property
    def failure(self) -> Ping | None:
        """The newest failure that the job itself reported, among the latest pings."""
        return next((ping for ping in self.pings if ping.kind == "fail"), None)

    @property
    def too_short(self) -> Ping | None:
        """The success that ended its run too soon and so began the present outage, among the latest pings."""
        return next((ping for ping in self.pings if ping.kind == "success" and ping.at == self.beat.down_since), None)

    @property
    def next_expected(self) -> Ns | None:
        return status_rules.expected_at(self.beat)

    @property
    def waits_for_start(self) -> bool:
        return status_rules.waits_for_start(self.beat, self.monitor.schedule)

    @property
    def last_outage(self) -> Incident | None:
        return next((incident for incident in self.incidents if incident.alert_id is None), None)


def routes(blueprint: Blueprint, site: Site) -> None:
    @blueprint.get("/m/<monitor_id>")
    def monitor(monitor_id: str) -> Response:
        return page(site, monitor_id)

    @blueprint.get("/m/<monitor_id>/live")
    def monitor_live(monitor_id: str) -> Response:
        with site.control.read() as connection:
            facts = _facts(site, connection, monitor_id)
        zone = site.reader_zone()
        # The charts move on with the clock, one bucket at a time, even where nothing new arrives.
        seen = (facts.status, facts.now // facts.bucket, _without_now(facts), str(zone), "all" in request.args)
        return _remembering(fragment(seen, lambda: render_template("monitor_live.html", **_context(site, facts))), facts.range)

    @blueprint.get("/m/<monitor_id>/metrics.csv")
    def metrics_csv(monitor_id: str) -> Response:
        with site.control.read() as connection:
            facts = _facts(site, connection, monitor_id)
        key = request.args.get("key", "")
        if key not in {known.key for known in facts.numbers}:
            abort(404, "This monitor has no such number.")
        return _csv(site, facts, key)


def page(site: Site, monitor_id: str, code: int = 200, **form: Any) -> Response:
    """The whole page; `form` holds what an invalid form said and the sentences about it, to be shown again."""
    with site.control.read() as connection:
        facts = _facts(site, connection, monitor_id)
    url, push_url = site.ping_url(facts.monitor.token), site.push_url(facts.monitor.token)
    slug_url = site.slug_url(facts.project, facts.monitor.slug) if facts.monitor.slug else None
    ways = {"ping_url": url, "slug_url": slug_url, "snippets": snippets(url, push_url), "first_ping": first_ping(url)}
    body = render_template("monitor.html", **_context(site, facts), **ways, ranges=list(RANGES), **form)
    return _remembering(make_response(body, code), facts.range)


def alert_form(site: Site, monitor_id: str, code: int = 200, **form: Any) -> Response:
    """The form for an alert by itself, as `page` shows it."""
    with site.control.read() as connection:
        facts = _facts(site, connection, monitor_id)
    return make_response(render_template("monitor_alert_form.html", facts=facts, now=facts.now, zone=site.reader_zone(), **form), code)


def _facts(site: Site, connection: Connection, monitor_id: str) -> Facts:
    now = site.clock()
    monitor, beat = site.watched(connection, monitor_id)
    project = site.owner(connection, monitor)
    told = watch.told_of_silence(connection, [monitor])[monitor.id]
    pings, trouble = _pings(site, monitor)
    return Facts(
        now=now,
        monitor=monitor,
        project=project,
        beat=beat,
        keys=metric_keys.find(connection, monitor.id)[0],
        alerts=watch.of_monitor(connection, monitor)[:_ALERTS],
        channels={channel.id: channel for channel in channels.find(connection, monitor.project_id, limit=1000)[0]},
        told=told,
        notified=channels.notified(connection, {monitor.id: monitor.project_id})[monitor.id],
        transitions=history.of_monitor(connection, monitor.id, now - 30 * _DAY, now + 1),
        incidents=history.incidents_of(connection, monitor.id),
        pings=pings,
        plan=site.plan(project),
        refused=site.refusals(monitor.id),
        trouble=trouble,
        behind=None if trouble else site.behind(),
        range=chosen_range(younger_than_6h=now - monitor.created_at < 6 * HOUR),
        refused_rules=rule_set.refused(connection),
    )


def _pings(site: Site, monitor: Monitor) -> tuple[list[Ping], str | None]:
    # How a monitor is, and every button, must not depend on the store of its history.
    try:
        return site.points.pings(monitor.id, limit=_PINGS, since=monitor.created_at), None
    except PointsError as error:
        return [], _sentence(site, error)


def _sentence(site: Site, error: PointsError) -> str:
    return site.behind() or f"{str(error).rstrip('.')}."


def _without_now(facts: Facts) -> tuple[object, ...]:
    return tuple(value for name, value in vars(facts).items() if name != "now")


def _context(site: Site, facts: Facts) -> dict[str, Any]:
    try:
        drawn = _charts(site, facts)
    except PointsError as error:  # it went away after it had given the pings
        facts, drawn = replace(facts, trouble=_sentence(site, error), behind=None), []
    return {
        "facts": facts,
        "now": facts.now,
        "zone": site.reader_zone(),
        "charts": drawn,
        "every": "all" in request.args,
        "runs_limit": runs.LIMIT,
        "is_new": facts.beat.last_ping_at is None,
    }


def _charts(site: Site, facts: Facts) -> list[Chart]:
    if facts.trouble:
        return []
    shown = facts.numbers if "all" in request.args else facts.numbers[:_CHARTS]
    frame = Frame(
        start=facts.now - facts.span,
        end=facts.now,
        width=facts.bucket,
        interval=_rhythm(facts.monitor.schedule, facts.now),
        zone=site.reader_zone(),
        downs=tuple(downs(facts.transitions, facts.now)),
    )
    values = site.points.buckets(facts.monitor.id, [key.key for key in shown], frame.start, frame.end + 1, frame.width)
    return [draw(key.key, values[key.key], frame, _limits(facts.alerts, key.key), float(key.value)) for key in shown]


def _limits(known: Sequence[Watch], key: str) -> list[Limit]:
    # What a window compares with another one is no value of the metric.
    drawn = [one for one in known if one.rule.metric == key and one.rule.compare is None]
    return [
        Limit(one.rule.operator, float(one.rule.value), one.state == "firing")
        for one in drawn
        if one.rule.operator is not None and isinstance(one.rule.value, int | float) and _is_a_value(one.rule)
    ]


def _is_a_value(rule: Rule) -> bool:
    """Whether the threshold is in the metric's own measure, and not in that of a sum, a count or a rate."""
    return rule.window is None or rule.window.func in ("mean", "min", "max", "p95")


def _rhythm(schedule: Schedule, now: Ns) -> Ns:
    """The longest regular pause between pings; a day where it cannot be computed, which the page says."""
    if schedule.cron is None:
        return schedule.interval * SECOND
    try:
        return _longest_pause(schedule, now)
    except ValueError:
        return _DAY


def _longest_pause(schedule: Schedule, now: Ns) -> Ns:
    """Over a cron schedule: the longest of its next week of slots."""
    longest, at = 0, schedules.expected_after(schedule, now)
    for _ in range(7):
        following = schedules.expected_after(schedule, at)
        longest, at = max(longest, following - at), following
    return longest


def _remembering(reply: Response, shown: str) -> Response:
    if request.args.get("range") == shown:
        reply.set_cookie("range", shown, max_age=365 * 86400, samesite="Lax", httponly=True)
    return reply


def _csv(site: Site, facts: Facts, key: str) -> Response:
    buckets = site.points.buckets(facts.monitor.id, [key], facts.now - facts.span, facts.now + 1, facts.bucket)[key]
    text = io.StringIO()
    out = csv.writer(text)
    # A spreadsheet would run a key that begins like a formula.
    out.writerow(["time", f"'{key}" if key[0] in "=+-@\t\r" else key, "min", "max", "count"])
    out.writerows([iso(b.at), b.avg, b.min, b.max, b.count] for b in buckets)
    reply = make_response(text.getvalue())
    reply.headers["Content-Type"] = "text/csv; charset=utf-8"
    reply.headers["Content-Disposition"] = 'attachment; filename="metrics.csv"'
    return reply
