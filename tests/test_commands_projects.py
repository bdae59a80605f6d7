from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import BASE_URL, Program, installed
from serving import Reply, Server
from sqlalchemy import Table, func, select
from world import START

from config.settings import load
from lastbeat.installation import prepare
from store.control import monitors
from store.control.tables import api_keys, channels, incidents, projects
from store.model import Incident


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    one = installed(tmp_path / "data")
    yield one
    one.control.close()


def ask(server: Server, method: str, path: str, key: str, body: Any = None) -> Reply:
    return server.send(method, path, body, **{"x-api-key": key})


def test_a_project_is_made_with_a_key_that_opens_it(program: Program) -> None:
    made = program.json("project", "create", "Team Blue", "--plan", "pro")
    stored = program.projects()["Team Blue"]
    assert made == {"project": {"id": stored.id, "name": "Team Blue", "plan": "pro"}, "apiKey": made["apiKey"]}
    assert stored.plan == "pro"
    assert program.opens(made["apiKey"]) == "Team Blue"


def test_a_project_is_on_the_unlimited_plan_unless_told(program: Program) -> None:
    said = program.run("project", "create", "Team Blue")
    stored = program.projects()["Team Blue"]
    assert stored.plan == "unlimited"
    first, second = said.splitlines()
    assert first == f"The project 'Team Blue' ({stored.id}) is there, on the plan unlimited: any number of pings, any number of monitors."
    assert program.opens(second.removeprefix("Its API key, shown this once: ")) == "Team Blue"


@pytest.mark.parametrize(
    ("plan", "sentence"), [("fre", "'fre'; did you mean 'free'? There are"), ("gold", "'gold'. There are enterprise, free,")]
)
def test_a_plan_that_there_is_not_is_refused_and_names_those_there_are(program: Program, plan: str, sentence: str) -> None:
    assert f"There is no plan {sentence}" in program.refused("project", "create", "Team Blue", "--plan", plan, status=2)
    assert "There are enterprise, free, pro, team, unlimited; LASTBEAT_PLANS adds others." in program.complained
    assert list(program.projects()) == ["default"]


def test_plans_of_ones_own_come_from_the_same_file_as_the_servers(program: Program, tmp_path: Path) -> None:
    (tmp_path / "plans.yml").write_text("hobby: {ping_seconds: 300, monitors: 20}\n")
    program.environ["LASTBEAT_PLANS"] = str(tmp_path / "plans.yml")
    assert "on the plan hobby: one ping in 5 min, 20 monitors.\n" in program.run("project", "create", "Garden", "--plan", "hobby")


def test_plans_are_those_of_the_server_as_it_was_last_started(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "plans.yml"
    file.write_text("hobby: {ping_seconds: 300, monitors: 20}\nfree: {monitors: 7}\n")
    prepare(load({"data_dir": str(program.data), "plans": str(file)}, {}), START)
    assert "on the plan hobby: one ping in 5 min, 20 monitors.\n" in program.run("project", "create", "Garden", "--plan", "hobby")
    assert "on the plan free: any number of pings, 7 monitors.\n" in program.run("project", "plan", "Garden", "free")
    file.write_text("garden: {monitors: 3}\n")
    program.environ["LASTBEAT_PLANS"] = str(file)
    assert "on the plan garden: any number of pings, 3 monitors.\n" in program.run("project", "plan", "Garden", "garden")
    del program.environ["LASTBEAT_PLANS"]
    prepare(load({"data_dir": str(program.data)}, {}), START)
    assert "There is no plan 'hobby'." in program.refused("project", "plan", "Garden", "hobby", status=2)


def test_a_name_is_given_once(program: Program) -> None:
    first = program.json("project", "create", "Team Blue")["project"]
    taken = f"There is a project 'Team Blue' already ({first['id']}); give this one another name."
    assert program.refused("project", "create", " Team Blue ") == taken
    assert program.refused("project", "rename", "default", "Team Blue") == taken
    assert list(program.projects()) == ["default", "Team Blue"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "two\nlines", "\x1b[2J", "\udcff"])
def test_a_name_is_a_line_that_can_be_shown(program: Program, name: str) -> None:
    assert "give 1 to 200 letters, digits and signs." in program.refused("project", "create", name, status=2)


def test_projects_are_listed_with_their_monitors_and_their_limits(program: Program) -> None:
    program.run("project", "create", "Team Blue", "--plan", "free")
    program.run("monitor", "create", "backup", "--project", "Team Blue")
    default, blue = program.projects().values()
    assert program.run("project", "list").splitlines() == [
        "ID                    NAME       PLAN       MONITORS  DEFAULT",
        f"{default.id}  default    unlimited  0         yes",
        f"{blue.id}  Team Blue  free       1 of 50",
    ]
    listed = program.json("project", "list")
    assert [(one["name"], one["isDefault"], one["monitors"], one["monitorLimit"]) for one in listed] == [
        ("default", True, 0, None),
        ("Team Blue", False, 1, 50),
    ]


def test_a_project_is_shown_with_its_ping_key(program: Program) -> None:
    project = program.projects()["default"]
    url = f"{BASE_URL}/ping/{project.ping_key}/<slug>"
    assert program.json("project", "show", project.id)["pingUrl"] == url
    said = program.run("project", "show", "default")
    assert "Project    default (the default)\n" in said
    assert "API keys   1\n" in said
    assert said.endswith(f"Ping key   {project.ping_key}\nPing URLs  {url}\n")


def test_a_project_that_there_is_not_is_an_answer(program: Program) -> None:
    assert program.refused("project", "show", "defualt") == "There is no project 'defualt'; did you mean 'default'?"
    assert program.refused("project", "show", "x") == "There is no project 'x'; `lastbeat project list` shows those there are."


def test_a_name_that_two_projects_have_is_refused_with_their_ids(program: Program) -> None:
    program.run("project", "create", "Team Blue")
    program.run("project", "create", "Team Green")
    with program.control.begin() as connection:  # as an import or an older version may have left it
        connection.execute(projects.update().where(projects.c.name == "Team Green").values(name="Team Blue"))
        ids = list(
            connection.execute(select(projects.c.id).where(projects.c.name == "Team Blue").order_by(projects.c.created_at)).scalars()
        )
    sentence = f"2 projects are called 'Team Blue': say which by its id, one of {', '.join(ids)}."
    assert program.refused("project", "show", "Team Blue") == sentence
    assert program.json("project", "show", ids[1])["id"] == ids[1]


def test_a_project_gets_another_name(program: Program) -> None:
    before = program.projects()["default"]
    assert program.run("project", "rename", "default", "Everything") == "The project 'default' is called 'Everything' now.\n"
    assert program.projects()["Everything"].id == before.id
    program.run("project", "rename", "Everything", "Everything")


def test_a_plan_is_changed_and_says_which_monitors_are_too_fast_for_it(program: Program) -> None:
    program.run("monitor", "create", "slow", "--interval", "600")
    program.run("monitor", "create", "fast", "--interval", "10")
    program.run("monitor", "create", "often", "--schedule", "*/5 * * * *")
    program.run("monitor", "create", "nightly", "--schedule", "0 2 * * *")
    (fast, _, often, _) = [watched.monitor.id for watched in program.monitors(program.projects()["default"])]
    program.run("project", "plan", "default", "free")
    assert program.projects()["default"].plan == "free"
    assert program.said == "The project 'default' is on the plan free: one ping in 10 min, 50 monitors.\n"
    assert program.complained.splitlines() == [
        "These are to ping more often than that; their pings that come too early will be refused:",
        "ID                    NAME   EXPECTED",
        f"{fast}  fast   every 10 s",
        f"{often}  often  */5 * * * *",
    ]
    program.run("project", "plan", "default", "enterprise")
    assert program.complained == ""
    assert "did you mean 'enterprise'?" in program.refused("project", "plan", "default", "enterprize", status=2)


def test_a_plan_with_room_for_fewer_monitors_lets_those_there_are_stay(program: Program, tmp_path: Path) -> None:
    (tmp_path / "plans.yml").write_text("tiny: {monitors: 1}\n")
    program.environ["LASTBEAT_PLANS"] = str(tmp_path / "plans.yml")
    for name in ("one", "two"):
        program.run("monitor", "create", name)
    program.run("project", "plan", "default", "tiny")
    assert program.complained == "It has 2 monitors: they stay, but no other can be made while there are so many.\n"
    assert len(program.monitors(program.projects()["default"])) == 2


def test_a_ping_key_is_changed_and_its_workers_hear_of_it(program: Program) -> None:
    program.run("monitor", "create", "backup", "--slug", "backup")
    before = program.projects()["default"]
    (watched,) = program.monitors(before)
    with program.control.read() as connection:
        seen = monitors.newest_version(connection)
    said = program.run("project", "rotate-ping-key", "default")
    after = program.projects()["default"]
    assert after.ping_key != before.ping_key
    assert said == f"{BASE_URL}/ping/{after.ping_key}/<slug>\n"
    with program.control.read() as connection:
        assert monitors.changed_since(connection, seen)[0] == [watched.monitor.id]


def test_a_deleted_project_leaves_nothing_but_buried_monitors(program: Program) -> None:
    key = program.json("project", "create", "Team Blue")["apiKey"]
    blue = program.projects()["Team Blue"]
    for name in ("gone", "backup"):
        program.run("monitor", "create", name, "--project", "Team Blue")
    program.run("channel", "create", "ops", "--url", "https://example.org/", "--default", "--project", "Team Blue")
    backup, gone = (watched.monitor for watched in program.monitors(blue))
    program.run("monitor", "delete", gone.id, "--yes")
    with program.control.begin() as connection:
        incident = Incident("inc_1", blue.id, backup.id, None, "missed", 1)
        connection.execute(incidents.insert().values({field: getattr(incident, field) for field in Incident.__struct_fields__}))
        first = monitors.buried(connection, 1 << 62)
        seen = monitors.newest_version(connection)

    def rows(table: Table) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()

    assert program.run("project", "delete", "Team Blue", "--yes") == "The project 'Team Blue' is deleted.\n"
    assert list(program.projects()) == ["default"]
    assert program.opens(key) is None
    assert program.monitors(program.projects()["default"]) == []
    with program.control.read() as connection:
        assert first == [gone.id]
        assert sorted(monitors.buried(connection, 1 << 62)) == sorted([backup.id, gone.id]), "their points are still to be forgotten"
        assert backup.id in monitors.changed_since(connection, seen)[0], "the workers hear of it"
        assert monitors.by_token(connection, backup.token) is None
        assert [rows(table) for table in (channels, incidents, api_keys)] == [0, 0, 1]


def test_a_deleted_project_is_asked_about_first(program: Program) -> None:
    program.run("project", "create", "Team Blue")
    program.run("monitor", "create", "backup", "--project", "Team Blue")
    program.run("project", "delete", "Team Blue", status=1, given="n\n")
    assert "Delete the project 'Team Blue' with 1 monitor, their history, its channels and keys? [y/N]" in program.complained
    program.run("project", "delete", "Team Blue", status=1)
    assert list(program.projects()) == ["default", "Team Blue"]
    program.run("project", "delete", "Team Blue", given="y\n")
    assert list(program.projects()) == ["default"]


def test_the_default_project_cannot_be_deleted(program: Program) -> None:
    program.run("project", "rename", "default", "Main")
    sentence = "'Main' is the default project, which cannot be deleted; delete its monitors instead."
    assert program.refused("project", "delete", "Main", "--yes") == sentence
    assert list(program.projects()) == ["Main"]


@pytest.mark.server
def test_what_is_changed_beside_a_running_server_holds_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "data").start()
    program = Program(server.data)
    try:
        key = program.json("project", "create", "Team Blue", "--plan", "free")["apiKey"]
        job = ask(server, "POST", "/api/monitors", key, {"name": "job"}).json
        assert job["interval"] == 600
        refused = ask(server, "POST", "/api/monitors", key, {"name": "fast", "interval": 60})
        assert (refused.status, "one ping in 600 s" in refused.json["error"]) == (422, True)
        assert program.json("monitor", "list", "--project", "Team Blue") == [job]

        program.run("project", "plan", "Team Blue", "pro")
        assert ask(server, "POST", "/api/monitors", key, {"name": "fast", "interval": 60}).status == 201

        reader = program.json("api-key", "create", "--project", "Team Blue", "--read-only")
        assert [one["name"] for one in ask(server, "GET", "/api/monitors", reader["apiKey"]).json] == ["fast", "job"]
        assert ask(server, "POST", "/api/monitors", reader["apiKey"], {"name": "no"}).status == 403
        program.run("api-key", "revoke", reader["id"])
        assert ask(server, "GET", "/api/monitors", reader["apiKey"]).status == 401

        assert server.ping(job).status == 200
        program.run("project", "delete", "Team Blue", "--yes")
        assert ask(server, "GET", "/api/monitors", key).status == 401
        server.until(lambda: server.ping(job).status == 404, 3)
        assert server.get("/readyz").status == 200
    finally:
        server.end()
