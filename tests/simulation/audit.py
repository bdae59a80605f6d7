"""What must be true when all is over."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, NamedTuple

from simulation.oracle import Life
from simulation.rulings import Outage
from simulation.scene import Scene
from store.instant import iso
from store.model import SECOND, Channel, Gap, Ns, Ping
from store.points.embedded import EmbeddedPoints

_A_MOMENT = SECOND // 1_000  # nothing takes any time here, but stamps rise
_LATE = 23 * 3_600 * SECOND


class Row(NamedTuple):
    """One of the outbox."""

    id: str
    channel: str
    incident: str | None
    sequence: int
    event: str
    state: str
    payload: dict[str, Any]
    created_at: Ns
    carrier: str | None


def everything(scene: Scene) -> None:
    rows = _rows(scene)
    states(scene)
    outages(scene, rows)
    unverified(scene, rows)
    for channel in scene.channels:
        deliveries(scene, channel, {row.id: row for row in rows if row.channel == channel.id})
    points(scene)
    the_well(scene)
    the_unheard(scene)
    the_jumps(scene)


def _rows(scene: Scene) -> list[Row]:
    query = "SELECT id, channel_id, incident_id, sequence, event, state, payload, created_at, carried_by FROM outbox ORDER BY number"
    found = scene.view.execute(query).fetchall()
    return [Row._make([*row[:6], json.loads(row[6]), *row[7:]]) for row in found]


def states(scene: Scene) -> None:
    """How each monitor is, and what it waits for."""
    rows = scene.view.execute("SELECT monitor_id, status, last_ping_at, expected_at, deadline, run_due, down_since FROM beats").fetchall()
    if len(rows) != len(scene.lives):
        raise scene.fail(f"there are {len(rows)} monitors instead of {len(scene.lives)}")
    for monitor, *actual in rows:
        life = scene.lives[monitor]
        last = actual[1] if life.status == "paused" else life.last
        expected = actual[2] if life.deadline is None else life.expected
        wanted = [life.status, last, expected, life.deadline, life.run_due, life.down_since]
        if actual != wanted and not life.gone:
            raise scene.fail(f"it is {actual}, and should be {wanted}", monitor)


def outages(scene: Scene, rows: list[Row]) -> None:
    """Each incident once, with its beginning and its end, and every channel told of both."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    query = "SELECT monitor_id, alert_id, cause, opened_at, resolved_at, resolution, id FROM incidents"
    for monitor, *incident in scene.view.execute(query):
        found[monitor].append(tuple(incident))
    messages: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.incident is not None:
            messages[row.incident].append(row)
    for monitor, life in scene.lives.items():
        actual = sorted(found[monitor], key=repr)
        wanted = sorted(((o.rule, o.cause, o.opened, o.resolved, o.resolution) for o in life.outages), key=repr)
        if [incident[:-1] for incident in actual] != wanted:
            raise scene.fail(f"the incidents are {[i[:-1] for i in actual]}, and should be {wanted}", monitor)
        for outage in life.outages:
            (incident_id,) = (i[-1] for i in actual if (i[0], i[2]) == (outage.rule, outage.opened))
            _all_are_told(scene, life, outage, messages.pop(incident_id, []))
    if messages:
        raise scene.fail(f"messages about no incident: {messages}")


def _all_are_told(scene: Scene, life: Life, outage: Outage, rows: list[Row]) -> None:
    by_channel: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        if row.sequence in by_channel[row.channel]:
            raise scene.fail(f"{row.channel} is told {row.event} twice of {outage}", life.monitor)
        by_channel[row.channel][row.sequence] = row
    if set(by_channel) != outage.tells:
        raise scene.fail(f"{set(by_channel)} are told of {outage}", life.monitor)
    for channel, said in by_channel.items():
        whole = {1} if outage.resolved is None else {1, 2}
        state = said[1].state if 1 in said else "missing"
        unheard = state == "dead" or (state == "superseded" and outage.resolved is not None)
        if (set(said) != whole or state == "superseded") and not (unheard and set(said) == {1}):
            raise scene.fail(f"{channel} is told {[(row.sequence, row.state) for row in said.values()]} of {outage}", life.monitor)
        for row in said.values():
            _is_right(scene, life, outage, row)


def _is_right(scene: Scene, life: Life, outage: Outage, row: Row) -> None:
    event, at, reason = outage.closing, outage.resolved, outage.resolution
    if row.sequence == 1:
        event, at, reason = outage.opening, outage.opened, None if outage.opening == "metric_alert" else outage.cause
    assert at is not None
    if (row.event, row.payload["timestamp"], row.payload["details"].get("reason")) != (event, iso(at), reason):
        raise scene.fail(f"{row.channel} is told {row.payload} of {outage}", life.monitor)


def unverified(scene: Scene, rows: list[Row]) -> None:
    """Of every gap each default channel is told once, with all whom nobody can vouch for."""
    if any(life.gone for life in scene.lives.values()):
        return  # who is deleted by then is not named
    gaps = {record.at: record for records in scene.records.values() for record in records if isinstance(record, Gap)}
    left: dict[Ns, set[str]] = defaultdict(set)
    for life in scene.lives.values():
        for turn in life.turns:
            if turn.after == "unverified" and turn.at not in life.ignored:
                left[turn.at].add(life.monitor)
    wanted = sorted((iso(gaps[at].end), sorted(who), channel) for at, who in left.items() for channel in scene.defaults)
    actual = [
        (row.payload["timestamp"], sorted(one["id"] for one in row.payload["details"]["monitors"]), row.channel)
        for row in rows
        if row.event == "monitors_unverified"
    ]
    if sorted(actual) != wanted:
        raise scene.fail(f"told of unverified monitors: {sorted(actual)}, it should be: {wanted}")


def deliveries(scene: Scene, channel: Channel, rows: dict[str, Row]) -> None:
    """Whatever was for the channel has arrived or is known to be dead; in order, and repeated under its own id only."""
    arrived = _arrived(scene, channel, rows)
    dead = {(row.incident, row.sequence) for row in rows.values() if row.state == "dead"}
    for row in rows.values():
        if row.state not in ("sent", "dead", "superseded"):
            raise scene.fail(f"{row.id} for {channel.name} is {row.state} after all is well again")
        if row.carrier is not None and row.state != rows[row.carrier].state:
            raise scene.fail(f"{row.id} for {channel.name} is {row.state}, and what tells of it is {rows[row.carrier].state}")
        if row.state == "sent" and (row.carrier or row.id) not in arrived:
            raise scene.fail(f"{row.id} is called sent, and {channel.name} never got it")
        follows_a_dead_one = row.incident is not None and (row.incident, row.sequence - 1) in dead
        if row.state == "dead" and row.carrier is None and not follows_a_dead_one and not _hopeless(scene, channel, row):
            raise scene.fail(f"{row.id} for {channel.name} was given up without need")


def _arrived(scene: Scene, channel: Channel, rows: dict[str, Row]) -> set[str]:
    """The ids of what the channel got."""
    bodies: dict[str, dict[str, Any]] = {}
    heard: set[str | None] = set()  # the incidents that it knows of
    for delivery in scene.ground.senders.receivers[channel.config["url"]].taken:
        if delivery.id not in rows:
            raise scene.fail(f"{channel.name} got {delivery}, which was not for it")
        if bodies.setdefault(delivery.id, delivery.payload) != delivery.payload:
            raise scene.fail(f"{channel.name} got another message under the same id: {delivery}")
        heard.update(row.incident for row in rows.values() if row.carrier == delivery.id)
        if rows[delivery.id].sequence == 2 and delivery.incident not in heard:
            raise scene.fail(f"{channel.name} heard of the end of {delivery.incident} before it heard of the incident")
        heard.add(delivery.incident)
    return set(bodies)


def _hopeless(scene: Scene, channel: Channel, row: Row) -> bool:
    receiver = scene.ground.senders.receivers[channel.config["url"]]
    failed_at = receiver.failed_at.get(row.id)
    too_old = failed_at is not None and (scene.stepped or failed_at - row.created_at > _LATE)
    return row.id in receiver.refused or too_old


def points(scene: Scene) -> None:
    """Every ping that was acknowledged is in the points, once, with what it carried and how long its run took."""
    store = EmbeddedPoints(scene.ground.root / "points.db")
    acknowledged: dict[str, list[Ping]] = defaultdict(list)
    for records in scene.records.values():
        for record in records:
            if isinstance(record, Ping):
                acknowledged[record.monitor].append(record)
    for monitor, pings in acknowledged.items():
        kept = {ping.at: ping for ping in store.pings(monitor, limit=1_000_000)}
        if len(kept) != len(pings):
            raise scene.fail(f"{len(kept)} of {len(pings)} pings are in the points", monitor)
        for ping in pings:
            seconds = scene.lives[monitor].seconds.get(ping.at)
            numbers = ping.numbers if seconds is None else {"duration_s": seconds} | ping.numbers
            there = kept[ping.at]
            if (there.kind, there.numbers, there.texts, there.rid, there.duration) != (ping.kind, numbers, ping.texts, ping.rid, seconds):
                raise scene.fail(f"{there} is in the points for {ping}, which took {seconds} s", monitor)
    store.close()


def the_well(scene: Scene) -> None:
    """Whose job kept to its schedule was never called down, whatever happened to us."""
    until = scene.ended_at
    assert until is not None
    for monitor, life in scene.lives.items():
        # A clock that is wrong has other slots than the job's.
        if scene.jobs[monitor].mood != "well" or (scene.stepped and life.schedule.cron is not None):
            continue
        for turn in life.turns:
            if turn.after == "down" and turn.at < until and turn.at not in life.doubted:
                raise scene.fail(f"its job is well, and it was called down at {iso(turn.at)} ({turn.reason})", monitor, turn.at)
        for outage in life.outages:
            if outage.unjust and outage.opened < until:
                raise scene.fail(f"its job is well, and {outage.rule} fired at {iso(outage.opened)}", monitor, outage.opened)


def the_unheard(scene: Scene) -> None:
    """Whoever pinged when nobody listened did so within a gap that is on record."""
    if scene.stepped:
        return
    gaps = [record for records in scene.records.values() for record in records if isinstance(record, Gap)]
    for at, monitor in scene.unheard:
        if not any(gap.start - _A_MOMENT <= at <= gap.end + _A_MOMENT for gap in gaps):
            raise scene.fail(f"what it sent at {iso(at)} was not heard, and no gap says so", monitor, at)


def the_jumps(scene: Scene) -> None:
    """What the clock was put forward by is on record, once, whoever ran then."""
    if scene.put_back:
        return  # then ours was ahead, and had not so far to jump
    jumped, wanted = scene.jumped(), sum(step for step in scene.steps if step > 2 * SECOND)
    if abs(jumped - wanted) > SECOND * len(scene.steps):  # a small step is none, and may be part of another
        raise scene.fail(f"the clock was put forward by {wanted / SECOND} s in all, and {jumped / SECOND} s are on record")
