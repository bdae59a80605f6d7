from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from click.testing import CliRunner
from importing import HOURLY, NIGHTLY, Healthchecks, Home, Kuma, check
from importing import KEY as HC_KEY
from serving import Server

from lastbeat.cli import main
from lastbeat.imports import listing
from lastbeat.imports.intake import Facts, Found, Intake, Row, Source, judge
from rules import actions
from store.control.monitors import Holder
from store.model import Ns, Plan, Project

PROJECT = Project("prj_1", "default", "free", 0, "key")
NOW: Ns = 1_700_000_000_000_000_000


def found(token: str, **fields: object) -> Found:
    definition = {"name": f"job {token}", "interval": 600, "slug": None, **fields}
    return Found(str(definition["name"]), token, definition)


def facts(plan: Plan | None = None, monitors: int = 0, holders: Mapping[str, Holder] = MappingProxyType({})) -> Facts:
    return Facts(PROJECT, plan or Plan("unlimited"), monitors, holders)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path)
    yield one
    one.close()


def intake(home: Home, plan: Plan | None = None) -> Intake:
    return Intake(home.control, home.project, plan or Plan("unlimited"), "https://lastbeat.test", lambda: NOW)


@pytest.mark.parametrize(
    ("there", "verdict", "why"),
    [
        ({}, "make", None),
        ({"t": Holder("prj_1", deleted=False)}, "here", None),
        ({"t": Holder("prj_2", deleted=False)}, "cannot", "its token belongs to a monitor of another project here"),
        ({"t": Holder("prj_2", deleted=True)}, "cannot", "its token belongs to a monitor of another project here"),
        ({"t": Holder("prj_1", deleted=True)}, "cannot", "a monitor with its token was deleted here and is still being removed"),
    ],
)
def test_what_becomes_of_a_monitor_depends_on_whose_its_token_is(there: dict[str, Holder], verdict: str, why: str | None) -> None:
    [row] = judge([found("t")], facts(holders=there), NOW)
    assert row.verdict == verdict
    assert (row.why or "").startswith(why or "") and (row.why is None) == (why is None)


def test_a_plan_with_room_for_two_more_takes_the_first_two_and_says_why_no_more() -> None:
    rows = judge([found("a"), found("b"), found("c")], facts(Plan("free", 600, 10), 8), NOW)
    assert [row.verdict for row in rows] == ["make", "make", "cannot"]
    assert "the plan 'free' allows 10 monitors, and the project has 10" in (rows[2].why or "")


def test_what_is_here_already_takes_no_room_in_the_plan() -> None:
    rows = judge([found("a"), found("b")], facts(Plan("free", 0, 10), 9, {"a": Holder("prj_1", deleted=False)}), NOW)
    assert [row.verdict for row in rows] == ["here", "make"]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (found("t", interval=60), "every 60 s is too often: the plan 'free' allows one ping in 600 s"),
        (found("t", interval=None, schedule="*/5 * * * *"), "interval: Field may not be null"),
        (found("t", schedule="*/5 * * * *"), "'*/5 * * * *' has slots 300 s apart, which is too often"),
        (found("t", tags=["x" * 101, "y" * 101]), "tags: Length must be between 1 and 100"),
        (found("t", slug="No Slug"), "slug: a slug is 1 to 100 of a-z, 0-9, - and _"),
    ],
)
def test_nothing_is_changed_to_make_it_fit(one: Found, why: str) -> None:
    [row] = judge([one], facts(Plan("free", 600)), NOW)
    assert row.verdict == "cannot"
    assert (row.why or "").startswith(why)
    assert (row.why or "").count(why) == 1


def test_a_token_that_comes_twice_is_given_once() -> None:
    rows = judge([found("a"), found("a", name="twin")], facts(), NOW)
    assert [(row.verdict, row.why) for row in rows] == [("make", None), ("cannot", "'job a' has the same token")]


def test_monitors_are_made_in_bounded_pieces_and_each_piece_is_told(home: Home) -> None:
    done: list[int] = []
    work = intake(home)
    rows = work.make(work.preview([found(f"t{n}") for n in range(120)]), done.append)
    assert done == [50, 50, 20]
    assert {row.verdict for row in rows} == {"make"}
    assert len(home.there()) == 120


def test_an_import_that_stopped_half_way_goes_on_when_it_is_run_again(home: Home) -> None:
    many = [found(f"t{n}") for n in range(120)]

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        intake(home).make(intake(home).preview(many), stop)
    assert len(home.there()) == 50
    again = intake(home).preview(many)
    assert [row.verdict for row in again] == ["here"] * 50 + ["make"] * 70
    intake(home).make(again, lambda done: None)
    assert len(home.there()) == 120


def test_what_was_made_by_others_since_the_preview_is_left_as_it_is(home: Home) -> None:
    rows = intake(home).preview([found("a"), found("b")])
    home.monitor(name="first", token="a")
    after = intake(home).make(rows, lambda done: None)
    assert [row.verdict for row in after] == ["here", "make"]
    assert home.there()["a"].monitor.name == "first"


def test_a_plan_that_was_filled_since_the_preview_is_kept_to(home: Home) -> None:
    small = Plan("small", 0, 2)
    rows = intake(home, small).preview([found("a"), found("b")])
    home.monitor()
    after = intake(home, small).make(rows, lambda done: None)
    assert [row.verdict for row in after] == ["make", "cannot"]
    assert len(home.there()) == 2


def test_a_monitor_that_was_deleted_here_is_not_made_again_while_its_token_is_taken(home: Home) -> None:
    intake(home).make(intake(home).preview([found("a")]), lambda done: None)
    with home.control.begin() as connection:
        actions.delete_monitor(connection, home.there()["a"].monitor, "https://lastbeat.test", NOW)
    [row] = intake(home).preview([found("a")])
    assert (row.verdict, "still being removed" in (row.why or "")) == ("cannot", True)


@pytest.fixture
def there() -> Iterator[Healthchecks]:
    one = Healthchecks(check(), check(HOURLY, name="Hourly", slug="hourly"))
    yield one
    one.close()


def test_without_apply_everything_is_shown_and_nothing_is_written(home: Home, there: Healthchecks) -> None:
    before = home.root.joinpath("control.db").read_bytes()
    out = home.take("healthchecks", "--api-key", HC_KEY, there.url)
    assert out.exit_code == 0
    assert "To be made in the project 'default' (2):" in out.output
    assert "Nightly backup  every 1 h  10 min" in out.output
    assert f"lastbeat import healthchecks {there.url} --api-key KEY" in out.output and "--apply" in out.output
    assert HC_KEY not in out.output and NIGHTLY not in out.output
    assert home.there() == {}
    assert home.root.joinpath("control.db").read_bytes() == before


def test_an_import_that_is_run_again_makes_nothing_and_changes_nothing(home: Home, there: Healthchecks) -> None:
    arguments = ("healthchecks", "--api-key", HC_KEY, there.url)
    assert "2 monitors made, 0 here already, 0 not imported." in home.take(*arguments, "--apply").output
    made = home.there()
    there.checks[0] |= {"name": "renamed", "timeout": 60}
    assert "0 monitors made, 2 here already, 0 not imported." in home.take(*arguments, "--apply").output
    assert home.there() == made
    out = home.take(*arguments)
    assert (out.exit_code, "Here already, and left as they are (2):" in out.output) == (0, True)
    assert "There is nothing to be made." in out.output and "--apply" not in out.output


def test_monitors_go_into_the_project_that_is_asked_for_within_its_plan(home: Home, there: Healthchecks) -> None:
    other = home.another("other", "free")
    there.checks[1]["timeout"] = 300
    out = home.take("healthchecks", "--api-key", HC_KEY, there.url, "--project", "other", "--apply")
    assert (out.exit_code, list(home.there()), list(home.there(other))) == (1, [], [NIGHTLY])
    assert "every 300 s is too often: the plan 'free' allows one ping in 600 s." in words(out.output)
    out = home.take("healthchecks", "--api-key", HC_KEY, there.url)
    assert (out.exit_code, "its token belongs to a monitor of another project here." in words(out.output)) == (1, True)


def test_a_project_or_a_data_directory_that_is_not_there_ends_it_before_anything_is_read(
    home: Home, there: Healthchecks, tmp_path: Path
) -> None:
    out = home.take("healthchecks", "--api-key", HC_KEY, there.url, "--project", "nobody")
    assert (out.exit_code, "There is no project 'nobody'" in words(out.output)) == (1, True)
    nowhere = tmp_path / "nothing"
    out = CliRunner().invoke(main, ["import", "healthchecks", "--api-key", HC_KEY, there.url, "--data-dir", str(nowhere)])
    assert (out.exit_code, f"There is no Lastbeat in {nowhere}" in words(out.output)) == (1, True)
    assert (there.asked, nowhere.exists()) == ([], False)


def test_a_listing_fits_the_terminal_and_shows_nothing_that_a_terminal_would_obey() -> None:
    long = found("a", name="\x1b[2J" + "a very long name " * 11, schedule="15 5 * * *", timezone="Europe/Riga")
    source = Source("Checks", [long, found("b" * 40)], ["A remark that goes on " * 8], "advice")
    rows = [
        *judge(source.found, facts(), NOW),
        Row(found("c", name="\x1b[1m" + "c " * 60), "cannot", "a reason " * 20),
        Row(found("d"), "here"),
    ]
    for width in (80, 140):
        text = listing.preview(source, rows, "default", width, width)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        assert "Europe/Riga  30 s" in text
    assert long.name[4:].strip() in listing.preview(source, rows, "default", 80, None)


@pytest.mark.server
def test_monitors_are_imported_beside_a_running_server_and_answer_the_urls_their_clients_know(tmp_path: Path) -> None:
    server, there, kuma = Server(tmp_path / "data").start(), Healthchecks(check()), Kuma(tmp_path / "kuma.db")
    kuma.monitor("Kuma's")
    for arguments in (["healthchecks", "--api-key", HC_KEY, "--ping-key", "hc-key", there.url], ["uptime-kuma", str(kuma.path)]):
        out = CliRunner().invoke(main, ["import", *arguments, "--data-dir", str(server.data), "--apply"])
        assert out.exit_code == 0, out.output
    nightly, pushed = sorted(server.api("GET", "/api/monitors"), key=lambda monitor: monitor["name"] != "Nightly backup")
    assert (nightly["status"], nightly["pingUrl"].rsplit("/", 1)[1], pushed["status"]) == ("new", NIGHTLY, "new")
    server.until(lambda: server.get(f"/ping/{NIGHTLY}").body == b"OK")
    server.until(lambda: server.get("/ping/hc-key/nightly-backup/start").status == 200)
    server.until(lambda: server.get("/api/push/t0k3nOfBackup?status=up&msg=OK&ping=").json == {"ok": True})
    server.until(lambda: (server.status(nightly), server.status(pushed)) == ("up", "up"))
    kinds = server.until(lambda: len(p := server.api("GET", f"/api/monitors/{nightly['id']}/pings")) == 2 and [ping["kind"] for ping in p])
    assert kinds == ["start", "success"]
    there.close()
    server.end()
