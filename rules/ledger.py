"""Loads the cases of some monitors and saves what became of them: state, history and outgoing messages in the caller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Connection

from rules import annotation, book
from rules.case import Case, Word
from rules.hearers import Hearers
from store.control import alerts, channels, durations, metric_keys, monitors, outbox, standings, verdicts
from store.instant import iso
from store.model import Gap, Monitor, Notice, Ns, new_id
from store.rule import Rule

_given_up = Counter("lastbeat_runs_given_up", "Runs that are timed no more, because too many of their monitor go on at once.")

_TOGETHER = 500  # monitors asked for in one query
_LISTED = 100  # monitors named in one grouped message; the count tells of the rest


def load(connection: Connection, monitor_ids: Collection[str]) -> dict[str, Case]:
    """The cases of those monitors that exist, by monitor id."""
    ids = list(monitor_ids)
    written, found = book.current(connection), monitors.among(connection, ids)
    thresholds, stood = alerts.of_monitors(connection, ids), standings.of_monitors(connection, ids)
    down = [beat.incident_id for _, beat in found.values() if beat.incident_id is not None]
    causes = verdicts.causes(connection, down) if down else {}
    cases = {}
    for monitor_id, (monitor, beat) in found.items():
        rules = [*written.of(monitor), *map(book.rule_of, thresholds.get(monitor_id, ()))]
        cases[monitor_id] = Case(monitor, beat, rules, stood.get(monitor_id, {}), causes.get(beat.incident_id or ""))
    return cases


def watching(connection: Connection, monitor: Monitor) -> list[Rule]:
    """The rules that watch a monitor as it is given here, metric alerts among them."""
    thresholds = alerts.of_monitors(connection, [monitor.id]).get(monitor.id, ())
    return [*book.current(connection).of(monitor), *map(book.rule_of, thresholds)]


def save(connection: Connection, cases: Iterable[Case], base_url: str, now: Ns, *, held: Callable[[Word], bool] | None = None) -> None:
    """Write what has changed in the cases and all they caused. `base_url` leads the links in messages.

    `held`: which words are not to be said before they are let out; None: none.
    """
    every = list(cases)
    verdicts.save_beats(connection, {case.monitor.id: case.beat for case in every if case.beat != case.loaded})
    standings.save(connection, [standing for case in every for standing in case.moved.values()])
    verdicts.add_transitions(connection, [t for case in every for t in case.transitions])
    verdicts.save_incidents(connection, [i for case in every for i in case.opened], [c for case in every for c in case.closed])
    durations.save(connection, {at: seconds for case in every for at, seconds in case.durations.items()})
    _given_up.inc(sum(case.given_up for case in every))
    metric_keys.save(connection, [(case.monitor.id, key) for case in every for key in case.keys.values()])
    over = [closure.incident_id for case in every for closure in case.closed]
    if over:
        outbox.supersede(connection, over)
    talking = [case for case in every if case.words]
    if not talking:
        return
    if held is None:
        outbox.add(connection, _notices(connection, talking, base_url, now))
    else:
        outbox.add(connection, _notices(connection, talking, base_url, now, lambda word: not held(word)))
        outbox.add(connection, _notices(connection, talking, base_url, now, held), held=True)


def say_unverified(connection: Connection, gap: Gap, base_url: str, now: Ns) -> None:
    """Tell each project once which of its monitors nobody can vouch for after our outage; not of those whose rule does not care."""
    left = verdicts.unverified_by(connection, gap)
    ignoring = [rule for rule in book.current(connection).rules if rule.on_own_outage == "ignore"]
    if ignoring:
        left = _without_ignored(connection, left, book.Book(ignoring))
    about = {
        project_id: {
            "from": iso(gap.start),
            "to": iso(gap.end),
            "reason": gap.reason,
            "count": len(names),
            "text": _unverified(len(names), gap),
            "monitors": [{"id": monitor_id, "name": name} for name, monitor_id in names[:_LISTED]],
        }
        for project_id, names in left.items()
    }
    tell_projects(connection, "monitors_unverified", about, gap.end, base_url, now)


def _unverified(number: int, gap: Gap) -> str:
    who = "A monitor" if number == 1 else f"{number:,} monitors"
    return f"{who} could not be verified: Lastbeat was not listening from {iso(gap.start)} to {iso(gap.end)}."


def _without_ignored(
    connection: Connection, left: Mapping[str, list[tuple[str, str]]], ignoring: book.Book
) -> dict[str, list[tuple[str, str]]]:
    found = {}
    for project_id, names in left.items():
        known: dict[str, monitors.Watched] = {}
        for start in range(0, len(names), _TOGETHER):
            known |= monitors.among(connection, [monitor_id for _, monitor_id in names[start : start + _TOGETHER]])
        cared_for = [one for one in names if one[1] not in known or not ignoring.of(known[one[1]].monitor)]
        if cared_for:
            found[project_id] = cared_for
    return found


def tell_projects(connection: Connection, event: str, about: Mapping[str, dict[str, Any]], at: Ns, base_url: str, now: Ns) -> None:
    """Say something that is about no single monitor, once, in each project. `about`: details, by project."""
    notices = []
    for project_id, channel_ids in channels.spokesmen(connection, list(about)).items():
        body = message(event, None, about[project_id], at, base_url)
        notices += [_notice(event, None, 0, channel_id, body, now) for channel_id in channel_ids]
    outbox.add(connection, notices)


def grouped(event: str, channel_id: str, payloads: Sequence[dict[str, Any]], number: int, base_url: str, now: Ns) -> Notice:
    """One notice that tells a channel of several outages: `number` of them, of which the first ones are here."""
    listed = [payload["monitor"] | {"downSince": payload["details"].get("downSince")} for payload in payloads]
    details = {"count": number, "monitors": listed, "text": f"{number} monitors fell silent at once, and were not heard again."}
    return _notice(event, None, 0, channel_id, message(event, None, details, now, base_url), now)


def message(event: str, monitor: Monitor | None, details: dict[str, Any], at: Ns, base_url: str) -> dict[str, Any]:
    """The JSON that receivers get, but for what belongs to one delivery (`id`, `incidentId`, `sequence`)."""
    about = None if monitor is None else {"id": monitor.id, "name": monitor.name, "url": f"{base_url}/m/{monitor.id}"}
    return {"event": event, "timestamp": iso(at), "monitor": about, "details": details}


def _notices(
    connection: Connection, cases: list[Case], base_url: str, now: Ns, which: Callable[[Word], bool] = lambda _: True
) -> list[Notice]:
    """One notice for each word and each channel that is to hear it. Who heard of an incident is told of its end."""
    hearers = _hearers(connection, cases)
    notices: list[Notice] = []
    for case in cases:
        for word in filter(which, case.words):
            body = message(word.event, case.monitor, word.details | annotated(word, case.monitor), word.at, base_url)
            for channel, known_as in hearers.of(word, case.monitor).items():
                said = body | {"details": body["details"] | known_as}
                notices.append(_notice(word.event, word.incident_id, 1 if word.opens else 2, channel, said, now))
    return notices


def annotated(word: Word, monitor: Monitor) -> dict[str, Any]:
    """What the rule adds to what is said: its name, its labels, and its annotations with the values put in."""
    rule = word.rule
    if rule is None or not rule.name:
        return {}
    known = word.details
    given = (rule.name, monitor.name, monitor.id, rule.type, rule.metric or "", known.get("lastPingAt") or "never", known.get("reason", ""))
    labels = dict(zip(annotation.GIVEN, given, strict=True)) | rule.labels
    return {"alert": rule.name, "labels": rule.labels, "annotations": annotation.render(rule.annotations, labels, word.value)}


def _hearers(connection: Connection, cases: list[Case]) -> Hearers:
    projects = {case.monitor.id: case.monitor.project_id for case in cases}
    words = [word for case in cases for word in case.words]
    begun = outbox.told(connection, [word.incident_id for word in words if not word.opens])
    told = {i: {channel: _known_as(heard) for channel, heard in by_channel.items()} for i, by_channel in begun.items()}
    opened = {incident.id for case in cases for incident in case.opened}
    again = [word.incident_id for word in words if word.opens and word.incident_id not in opened]
    told |= {i: {channel: {} for channel in to} for i, to in outbox.addressed(connection, again).items()}
    named = any(word.rule is not None and word.rule.channels for word in words)
    known = channels.named(connection, sorted(set(projects.values()))) if named else {}
    return Hearers(channels.notified(connection, projects), known, told)


def _known_as(begun: Mapping[str, Any]) -> dict[str, Any]:
    """By what a receiver knows the alert whose beginning it was told of: its end must go by the same, whatever the rule is called now."""
    return {name: begun["details"][name] for name in ("alert", "labels") if name in begun["details"]}


def _notice(event: str, incident_id: str | None, sequence: int, channel_id: str, body: dict[str, Any], now: Ns) -> Notice:
    notice_id = new_id("msg")
    payload = body | {"id": notice_id, "incidentId": incident_id, "sequence": sequence}
    return Notice(notice_id, channel_id, incident_id, sequence, event, payload, created_at=now)
