"""What must be true when all is over, and how a failure is told."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from simulation.oracle import Life
from simulation.rulings import Outage
from store.instant import iso
from store.model import Gap, Ns, Ping
from store.points.embedded import EmbeddedPoints

if TYPE_CHECKING:
    from simulation.play import Play

_LINES = 120
_A_MOMENT = 1_000_000  # nothing takes any time here, but stamps rise
_WHILE = 600 * 10**9


def told(play: Play, sentence: str, monitor: str | None, until: Ns | None) -> str:
    """The sentence, and what happened to the monitor and to all, the newest last; only up to a while after `until`."""
    name = "" if monitor is None else f" monitor {play.names.get(monitor)} ({monitor})"
    lines = [
        f"{iso(at)}  {text}" for at, about, text in play.journal if about in (None, monitor) and (until is None or at < until + _WHILE)
    ]
    head = f"seed {play.seed} ({play.story.kind}, {play.story.workers} workers, batches of {play.story.batch}){name}: {sentence}"
    return "\n".join([head, *([f"… {len(lines) - _LINES} lines"] if len(lines) > _LINES else []), *lines[-_LINES:]])


def all(play: Play) -> None:  # noqa: A001  # audit.all
    states(play)
    outages(play)
    unverified(play)
    deliveries(play)
    points(play)
    the_well(play)
    the_unheard(play)


def states(play: Play) -> None:
    """How each monitor is, and what it waits for."""
    rows = play.view.execute("SELECT monitor_id, status, last_ping_at, expected_at, deadline, run_due, down_since FROM beats").fetchall()
    for monitor, status, *rest in rows:
        life = play.lives[monitor]
        if life.gone:
            continue
        known = [life.last if life.status != "paused" else rest[0], life.expected if life.deadline else rest[1], life.deadline]
        known += [life.run_due, life.down_since]
        if [status, *rest] != [life.status, *known]:
            raise play.fail(f"it is {[status, *rest]}, and should be {[life.status, *known]}", monitor)
    if len(rows) != len(play.lives):
        raise play.fail(f"there are {len(rows)} monitors instead of {len(play.lives)}")


def outages(play: Play) -> None:
    """Each incident once, with its beginning and its end, and every channel told of both."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    query = "SELECT monitor_id, alert_id, cause, opened_at, resolved_at, resolution, id FROM incidents"
    for monitor, *incident in play.view.execute(query):
        found[monitor].append(tuple(incident))
    messages: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    query = "SELECT incident_id, channel_id, sequence, event, state, payload, id FROM outbox WHERE incident_id IS NOT NULL"
    for incident_id, *message in play.view.execute(query):
        messages[incident_id].append(tuple(message))
    for monitor, life in play.lives.items():
        actual = sorted(found[monitor], key=repr)
        wanted = sorted(((o.rule, o.cause, o.opened, o.resolved, o.resolution) for o in life.outages), key=repr)
        if [incident[:-1] for incident in actual] != wanted:
            raise play.fail(f"the incidents are {[i[:-1] for i in actual]}, and should be {wanted}", monitor)
        for outage in life.outages:
            (incident_id,) = (i[-1] for i in actual if (i[0], i[2]) == (outage.rule, outage.opened))
            _messages(play, life, outage, messages.pop(incident_id, []))
    if messages:
        raise play.fail(f"messages about no incident: {messages}")


def _messages(play: Play, life: Life, outage: Outage, rows: list[tuple[Any, ...]]) -> None:
    by_channel: dict[str, dict[int, tuple[Any, ...]]] = defaultdict(dict)
    for channel, sequence, *row in rows:
        if sequence in by_channel[channel]:
            raise play.fail(f"{channel} is told {row[0]} twice of {outage}", life.monitor)
        by_channel[channel][sequence] = tuple(row)
    if set(by_channel) != outage.tells:
        raise play.fail(f"{set(by_channel)} are told of {outage}", life.monitor)
    for channel, told_of in by_channel.items():
        wanted = {1} if outage.resolved is None else {1, 2}
        state = told_of[1][1]
        unheard = state == "dead" or (state == "superseded" and outage.resolved is not None)
        if (set(told_of) != wanted or state == "superseded") and not (unheard and set(told_of) == {1}):
            raise play.fail(f"{channel} is told {sorted(told_of)} of {outage}", life.monitor)
        for sequence, (event, _, payload, _) in told_of.items():
            said = json.loads(payload)
            at = outage.opened if sequence == 1 else outage.resolved
            of_metric = outage.opening == "metric_alert"
            wanted_event, reason = (
                (outage.opening, None if of_metric else outage.cause) if sequence == 1 else (outage.closing, outage.resolution)
            )
            assert at is not None
            if (event, said["timestamp"], said["details"].get("reason")) != (wanted_event, iso(at), reason):
                raise play.fail(f"{channel} is told {event} {said} of {outage}", life.monitor)


def unverified(play: Play) -> None:
    """Of every gap each default channel is told once, with all whom nobody can vouch for."""
    gaps = {record.at: record for records in play.records.values() for record in records if isinstance(record, Gap)}
    wanted: dict[Ns, set[str]] = defaultdict(set)
    for life in play.lives.values():
        for turn in life.turns:
            if turn.after == "unverified" and turn.at not in life.ignored:
                wanted[turn.at].add(life.monitor)
    expected = sorted((iso(gaps[at].end), sorted(who), channel) for at, who in wanted.items() for channel in play.defaults)
    query = "SELECT channel_id, payload FROM outbox WHERE event = 'monitors_unverified'"
    actual = []
    for channel, payload in play.view.execute(query):
        said = json.loads(payload)
        actual.append((said["timestamp"], sorted(monitor["id"] for monitor in said["details"]["monitors"]), channel))
    if any(life.gone for life in play.lives.values()):
        return  # who was deleted at that moment is not named
    if sorted(actual) != expected:
        raise play.fail(f"told of unverified monitors: {sorted(actual)}, it should be: {expected}")


def deliveries(play: Play) -> None:
    """Whatever was to be said has arrived or is known to be dead; in order, and repeated under its own id only."""
    query = "SELECT id, channel_id, incident_id, sequence, state, created_at, carried_by FROM outbox ORDER BY number"
    rows = {row[0]: row for row in play.view.execute(query)}
    dead = {(row[1], row[2], row[3]) for row in rows.values() if row[4] == "dead"}
    for channel in play.channels:
        receiver = play.ground.senders.receivers[channel.config["url"]]
        bodies: dict[str, dict[str, Any]] = {}
        heard: set[tuple[str, int]] = set()
        carried: dict[str, list[str]] = defaultdict(list)
        for row in rows.values():
            if row[6] is not None and row[1] == channel.id:
                carried[row[6]].append(row[2])
        for delivery in receiver.taken:
            if delivery.id not in rows or rows[delivery.id][1] != channel.id:
                raise play.fail(f"{channel.name} got {delivery}, which was not for it")
            if bodies.setdefault(delivery.id, delivery.payload) != delivery.payload:
                raise play.fail(f"{channel.name} got another message under the same id: {delivery}")
            heard.update((incident, 1) for incident in carried[delivery.id])
            if delivery.incident is not None:
                sequence = rows[delivery.id][3]
                if sequence == 2 and (delivery.incident, 1) not in heard:
                    raise play.fail(f"{channel.name} heard of the end of {delivery.incident} before it heard of the incident")
                heard.add((delivery.incident, sequence))
        for notice_id, channel_id, incident_id, sequence, state, created_at, carrier in rows.values():
            if channel_id != channel.id or state == "superseded":
                continue
            if state not in ("sent", "dead"):
                raise play.fail(f"{notice_id} for {channel.name} is {state} after all is well again")
            if carrier is not None:
                if state != rows[carrier][4]:
                    raise play.fail(f"{notice_id} for {channel.name} is {state}, and {carrier} that told of it {rows[carrier][4]}")
                continue
            if state == "sent" and notice_id not in bodies:
                raise play.fail(f"{notice_id} is called sent, and {channel.name} never got it")
            needless = state == "dead" and not _hopeless(play, channel.config["url"], notice_id, created_at)
            if needless and (incident_id is None or (channel_id, incident_id, sequence - 1) not in dead):
                raise play.fail(f"{notice_id} for {channel.name} was given up without need")


def _hopeless(play: Play, url: str, notice_id: str, created_at: Ns) -> bool:
    receiver = play.ground.senders.receivers[url]
    if notice_id in receiver.refused:
        return True
    failed_at = receiver.failed_at.get(notice_id)
    return failed_at is not None and (play.stepped or failed_at - created_at > 23 * 3_600 * 10**9)


def points(play: Play) -> None:
    """Every ping that was acknowledged is in the points, once, with what it carried and how long its run took."""
    store = EmbeddedPoints(play.ground.root / "points.db")
    acknowledged: dict[str, list[Ping]] = defaultdict(list)
    for records in play.records.values():
        for record in records:
            if isinstance(record, Ping):
                acknowledged[record.monitor].append(record)
    for monitor, pings in acknowledged.items():
        kept = {ping.at: ping for ping in store.pings(monitor, limit=1_000_000)}
        if len(kept) != len(pings):
            raise play.fail(f"{len(kept)} of {len(pings)} pings are in the points", monitor)
        for ping in pings:
            seconds = play.lives[monitor].seconds.get(ping.at)
            numbers = ping.numbers if seconds is None else {"duration_s": seconds} | ping.numbers
            there = kept[ping.at]
            if (there.kind, there.numbers, there.texts, there.rid, there.duration) != (ping.kind, numbers, ping.texts, ping.rid, seconds):
                raise play.fail(f"{there} is in the points for {ping}, which took {seconds} s", monitor)
    store.close()


def the_well(play: Play) -> None:
    """Whose job kept to its schedule was never called down, whatever happened to us."""
    for monitor, life in play.lives.items():
        if play.jobs[monitor].mood != "well":
            continue
        for turn in life.turns:
            # A clock that is wrong has other slots than the job's.
            if turn.after != "down" or turn.at in life.doubted or (play.stepped and life.schedule.cron is not None):
                continue
            if turn.at < (play.forgot_at or play.ended_at):
                raise play.fail(f"its job is well, and it was called down at {iso(turn.at)} ({turn.reason})", monitor, turn.at)


def the_unheard(play: Play) -> None:
    """Whoever pinged when nobody listened did so within a gap that is on record."""
    if play.stepped or play.forgot_at is not None:
        return
    gaps = [record for records in play.records.values() for record in records if isinstance(record, Gap)]
    for at, monitor in play.lost:
        if not any(gap.start - _A_MOMENT <= at <= gap.end + _A_MOMENT for gap in gaps):
            raise play.fail(f"what it sent at {iso(at)} was not heard, and no gap says so", monitor, at)
