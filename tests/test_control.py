from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from world import START, World

from rules import status
from store.control import channels, migrate, monitors, outbox, projects, settings, verdicts
from store.control.tables import metadata
from store.model import SECOND, Beat, Gap, Notice, ShownStatus, Transition, new_id


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.close()


def test_the_migrations_build_the_tables(world: World) -> None:
    with world.control.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_migration_is_the_one_that_the_code_knows() -> None:
    assert ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).get_current_head() == migrate.HEAD


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "control.db")
    database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.commit()
    database.close()
    with pytest.raises(migrate.TooNew, match="newer version of Lastbeat"):
        migrate.migrate(tmp_path / "control.db")


def test_the_database_is_for_its_owner_alone_and_durable(world: World, tmp_path: Path) -> None:
    assert (tmp_path / "control.db").stat().st_mode & 0o777 == 0o600
    with world.control.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_transaction_that_raises_leaves_nothing(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.control.begin() as connection:
        settings.put(connection, "name", "value")
        raise ZeroDivisionError
    with world.control.read() as connection:
        assert settings.get(connection, "name") is None


def test_a_key_opens_its_project_and_is_kept_only_as_a_hash(world: World, tmp_path: Path) -> None:
    key = projects.new_key()
    with world.control.begin() as connection:
        made = projects.add_key(connection, world.project.id, "first", key, START)
        assert projects.add_key(connection, world.project.id, "again", key, START) == made
        assert projects.by_key(connection, key) == (world.project, made)
        assert projects.by_key(connection, key + "x") is None
    world.control.close()
    assert key.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("control.db*"))


BEATS = [
    Beat(),
    Beat("up", 1, START + 10, START + 20),
    Beat("up", 1, START - 1, START + 20),
    Beat("down", 1, START - 10, None, START - 5),
    Beat("paused", 1, START - 10),
    Beat("unverified", 1, START + 5, START + 10),
]
UNWELL = Beat("up", 1, START - 1, START + 20, health="its zone is gone")


def test_filters_and_counts_see_the_status_that_people_see(world: World) -> None:
    jobs = {world.monitor(name=f"m{n}").id: beat for n, beat in enumerate([*BEATS, UNWELL])}
    with world.control.begin() as connection:
        verdicts.save_beats(connection, jobs)
        counts: dict[str, int] = {}
        for wanted in get_args(ShownStatus):
            found, total = monitors.find(connection, world.project.id, START, status=wanted)
            assert {w.monitor.id for w in found} == {i for i, beat in jobs.items() if status.shown(beat, START) == wanted}
            assert total == len(found) == (2 if wanted == "up" else 1)
            counts[wanted] = total
        assert monitors.count_by_status(connection, world.project.id, START) == counts
        assert monitors.count_by_status(connection, None, START) == counts


def test_monitors_are_found_by_tag_and_text_and_counted_in_full(world: World) -> None:
    for n in range(5):
        world.monitor(name=f"100% job {n}", slug=f"slug-{n}", tags=("db", "nightly") if n % 2 else ("db",))
    with world.control.read() as connection:
        page, total = monitors.find(connection, world.project.id, START, tag="db", limit=2, offset=1)
        assert [w.monitor.name for w in page] == ["100% job 1", "100% job 2"]
        assert total == 5
        assert monitors.find(connection, world.project.id, START, tag="night")[1] == 0
        assert monitors.find(connection, world.project.id, START, search="0% JOB 3")[1] == 1
        assert monitors.find(connection, world.project.id, START, search="SLUG-")[1] == 5
        assert monitors.find(connection, world.project.id, START, search="_")[1] == 0
        assert monitors.find(connection, "prj_other", START)[1] == 0


def test_changes_are_seen_by_version_deletions_included(world: World) -> None:
    job, other = world.monitor(), world.monitor()
    with world.control.begin() as connection:
        seen = monitors.newest_version(connection)
        monitors.change(connection, job)
        monitors.bury(connection, other.id, START)
        changed, version = monitors.changed_since(connection, seen)
        assert set(changed) == {job.id, other.id}
        assert monitors.changed_since(connection, version) == ([], version)
        assert monitors.get(connection, world.project.id, other.id) is None
        assert monitors.by_token(connection, other.token) is None
        assert monitors.buried(connection, START + 1) == [other.id]


def test_a_monitor_notifies_its_own_channels_or_else_the_defaults(world: World) -> None:
    default, own = world.channel(), world.channel(is_default=False)
    chosen, free = world.monitor(), world.monitor()
    with world.control.begin() as connection:
        channels.choose(connection, chosen.id, [own.id, own.id])
        told = channels.notified(connection, {chosen.id: world.project.id, free.id: world.project.id})
        assert told == {chosen.id: [own.id], free.id: [default.id]}
        channels.remove(connection, own.id)
        assert channels.notified(connection, {chosen.id: world.project.id}) == {chosen.id: [default.id]}
        assert channels.unknown(connection, "prj_other", [default.id]) == [default.id]


def _notice(channel_id: str, incident: str, sequence: int) -> Notice:
    return Notice(new_id("msg"), channel_id, incident, sequence, "test", {}, START)


def _claimed(connection: Connection, seconds: float, except_channels: Sequence[str] = (), except_notices: Sequence[str] = ()) -> Notice:
    notice = outbox.claim(connection, START + round(seconds * SECOND), 60 * SECOND, except_channels, except_notices)
    assert notice is not None
    return notice


def test_a_recovery_is_not_claimed_before_its_alarm_is_out(world: World) -> None:
    channel, other = world.channel(), world.channel()
    alarm, recovery, elsewhere = _notice(channel.id, "inc_1", 1), _notice(channel.id, "inc_1", 2), _notice(other.id, "inc_1", 2)
    with world.control.begin() as connection:
        outbox.add(connection, [alarm, recovery, elsewhere])
        first = _claimed(connection, 0)
        assert (first.id, _claimed(connection, 0).id) == (alarm.id, elsewhere.id)
        assert outbox.claim(connection, START, 60 * SECOND) is None
        outbox.retry(connection, first, START + 5 * SECOND, "refused")
        assert outbox.claim(connection, START + 1, 60 * SECOND) is None
        again = _claimed(connection, 5)
        assert (again.id, again.attempts) == (alarm.id, 2)
        outbox.sent(connection, again, START)
        assert _claimed(connection, 6).id == recovery.id


def test_a_lease_runs_out_or_is_released(world: World) -> None:
    channel = world.channel()
    with world.control.begin() as connection:
        outbox.add(connection, [_notice(channel.id, "inc_1", 1)])
        _claimed(connection, 0)
        assert outbox.claim(connection, START + 59 * SECOND, 60 * SECOND) is None
        _claimed(connection, 60)
        outbox.release(connection, START + 61 * SECOND)
        claimed = _claimed(connection, 61)
        assert outbox.claim(connection, START + 200 * SECOND, 60 * SECOND, except_channels=[channel.id]) is None
        assert outbox.claim(connection, START + 200 * SECOND, 60 * SECOND, except_notices=[claimed.id]) is None
        assert outbox.depth(connection) == {"inflight": 1}


def test_who_lost_a_notice_to_another_sender_says_nothing_of_it_any_more(world: World) -> None:
    channel = world.channel()
    with world.control.begin() as connection:
        outbox.add(connection, [_notice(channel.id, "inc_1", 1), _notice(channel.id, "inc_1", 2)])
        lost, taken = _claimed(connection, 0), _claimed(connection, 60)
        assert lost.id == taken.id
        outbox.retry(connection, lost, START, "no answer")
        assert outbox.give_up(connection, lost, "no answer") == 0
        assert outbox.depth(connection) == {"inflight": 1, "pending": 1}
        outbox.sent(connection, taken, START)
        outbox.retry(connection, taken, START, "too late")
        assert outbox.depth(connection) == {"sent": 1, "pending": 1}


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT monitor_id FROM beats WHERE deadline < 5 ORDER BY deadline LIMIT 500", "ix_beats_deadline"),
        ("SELECT 1 FROM outbox WHERE state IN ('pending', 'inflight') AND next_at <= 5 LIMIT 1", "ix_outbox_next_at"),
        ("SELECT id, version FROM monitors WHERE version > 5", "ix_monitors_version"),
        ("SELECT id FROM monitors WHERE deleted_at < 5", "ix_monitors_deleted_at"),
        ("SELECT number FROM outbox WHERE state NOT IN ('pending', 'inflight') AND created_at < 5 LIMIT 5", "ix_outbox_created_at"),
        ("SELECT id FROM incidents WHERE resolved_at < 5 LIMIT 5", "ix_incidents_resolved_at"),
    ],
)
def test_what_every_tick_asks_is_answered_by_an_index(world: World, query: str, index: str) -> None:
    with world.control.read() as connection:
        plan = " ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}"))
    assert f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan


def test_a_gap_concerns_only_monitors_whose_window_it_may_have_met(world: World) -> None:
    windows = {"before": (-200, -100), "meets": (-110, -50), "soon": (50, 80), "later": (70, 100)}
    jobs = {name: world.monitor(interval=600).id for name in windows}
    with world.control.begin() as connection:
        beats = {jobs[name]: Beat("up", world.at(start - 600), world.at(start), world.at(end)) for name, (start, end) in windows.items()}
        verdicts.save_beats(connection, beats)
        touched = verdicts.touched_by(connection, Gap(START, world.at(-90), world.at(0), "restart"))
    assert set(touched) == {jobs["meets"], jobs["soon"]}, "a ping may come a tenth of the interval early"


def test_control_is_shared_between_readers_and_one_writer(world: World) -> None:
    job = world.monitor()
    with world.control.begin() as writing:
        monitors.bury(writing, job.id, START)
        with world.control.read() as reading:
            assert monitors.get(reading, world.project.id, job.id) is not None


def test_a_monitor_that_was_deleted_meanwhile_is_not_told_of_as_unverified(world: World) -> None:
    gone, kept = world.monitor(name="gone"), world.monitor(name="kept")
    gap = Gap(START + 9, START, START + 9, "restart")
    with world.control.begin() as connection:
        verdicts.add_transitions(connection, [Transition(one.id, gap.at, "up", "unverified", "gap") for one in (gone, kept)])
        monitors.bury(connection, gone.id, START + 10)
        assert verdicts.unverified_by(connection, gap) == {world.project.id: [("kept", kept.id)]}


def test_the_monitors_of_a_deleted_project_are_buried_in_another(world: World) -> None:
    earlier, living = world.monitor(), world.monitor()
    with world.control.begin() as connection:
        heir = projects.create(connection, "heir", "unlimited", START)
        verdicts.save_beats(connection, {living.id: Beat("up", START, START + 10, START + 20)})
        monitors.bury(connection, earlier.id, START)
        seen = monitors.newest_version(connection)
        projects.remove(connection, world.project.id, heir.id, START + 5)
        assert projects.find(connection) == [heir]
        assert (monitors.count(connection, heir.id), monitors.by_token(connection, living.token)) == (0, None)
        assert living.id in monitors.changed_since(connection, seen)[0]
        assert verdicts.overdue(connection, START + 60 * SECOND, 10) == []
        assert monitors.buried(connection, START + 5) == [earlier.id], "since when it was buried"
        assert sorted(monitors.buried(connection, START + 6)) == sorted([earlier.id, living.id])
