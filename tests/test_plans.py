from __future__ import annotations

from pathlib import Path

import pytest
from api_client import Api, fresh
from world import START

from config import plans as files
from config.settings import SettingsError, load
from lastbeat.serve import read_settings
from rules import plans
from store.control import monitors, projects
from store.model import Plan, Project, Schedule

ROOT = Path(__file__).parent.parent
FREE = Plan("free", 600, 50)


@pytest.fixture
def api() -> Api:
    return fresh()


def test_the_built_in_plans_are_those_of_the_contract() -> None:
    assert files.shipped() == {
        "free": Plan("free", 600, 50),
        "pro": Plan("pro", 30, 100),
        "team": Plan("team", 30, 500),
        "enterprise": Plan("enterprise", 10, None),
        "unlimited": Plan("unlimited", 0, None),
    }


def test_a_file_adds_plans_and_replaces_those_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "plans.yml").write_text("hobby: {ping_seconds: 0.5, monitors: 20}\nfree:\n  monitors: 3\n")
    found = load({"plans": str(tmp_path / "plans.yml")}, {}).plans
    assert (found["hobby"], found["free"], found["pro"]) == (Plan("hobby", 0.5, 20), Plan("free", 0, 3), Plan("pro", 30, 100))
    (tmp_path / "plans.yml").write_text("# none\n")
    assert load({"plans": str(tmp_path / "plans.yml")}, {}).plans == files.shipped()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- free\n", "line 1: there must be plans such as `hobby: {ping_seconds: 300, monitors: 20}`"),
        ("\nfree: 600\n", "line 2: there must be the numbers of the plan `free`"),
        ("Free: {}\n", "line 1: the plan 'Free' needs a name"),
        ("a: {}\na: {}\n", "line 2: the plan `a` is there twice"),
        ("a: {pings: 3}\n", "line 1: the plan `a` has `ping_seconds` and `monitors`, each once, and no `pings` here"),
        ("a:\n  monitors: 3\n  monitors: 4\n", "line 3: the plan `a` has"),
        ("a: {monitors: 0}\n", "line 1: `monitors: 0` of the plan `a` is not accepted; give a whole number from 1"),
        ("a: {monitors: 1.5}\n", "give a whole number from 1"),
        ("a: {ping_seconds: -1}\n", "give seconds from 0 to 31622400"),
        ("a: {ping_seconds: 1:30}\n", "`ping_seconds: 1:30` of the plan `a`"),
        ("a: {ping_seconds: [1]}\n", "`ping_seconds: ` of the plan `a`"),
        ("a: {b", "line 1 is not YAML"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "plans.yml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load({}, {"LASTBEAT_PLANS": str(path)})
    said = str(caught.value)
    assert said.startswith(f"LASTBEAT_PLANS: '{path}' is not accepted; give the path of a YAML file of plans ({path}, line")
    assert sentence in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: .*No such file"):
        load({"plans": str(tmp_path / "none.yml")}, {})


def test_the_children_get_the_plans_that_the_parent_has_read() -> None:
    from dataclasses import asdict

    import msgspec

    settings = load({}, {})
    assert read_settings(msgspec.json.encode(asdict(settings), enc_hook=str)) == settings


def test_the_documentation_shows_the_built_in_plans() -> None:
    shown = (ROOT / "docs/settings.md").read_text()
    for plan in files.shipped().values():
        pings = f"{plan.ping_seconds:g} s" if plan.ping_seconds else "any time"
        assert f"| `{plan.name}` | {pings} | {plan.monitors or 'any number'} |" in shown


@pytest.mark.parametrize(("seconds", "minimum", "default"), [(0, 0, 60), (0.5, 1, 60), (30, 30, 60), (600, 600, 600), (600.2, 601, 601)])
def test_the_default_interval_is_the_larger_of_a_minute_and_the_minimum(seconds: float, minimum: int, default: int) -> None:
    assert plans.minimum(Plan("p", seconds)) == minimum
    assert plans.default_interval(Plan("p", seconds)) == default


@pytest.mark.parametrize(
    ("schedule", "fits"),
    [
        (Schedule(600), True),
        (Schedule(599), False),
        (Schedule(60, cron="0 * * * *"), True),
        (Schedule(60, cron="*/10 * * * *"), True),
        (Schedule(3_600, cron="*/5 * * * *"), False),
        (Schedule(60, cron="0,7 3 * * *"), False),
        (Schedule(60, cron="0,7 3 * * 1", timezone="Europe/Berlin"), False),
        (Schedule(60, cron="0 3 * * *; 0 8 * * 6,0"), True),
        (Schedule(60, cron="0 3 * * *; 9 3 1 1 *"), False),  # it is once a year that one comes right behind the other
        (Schedule(60, cron="30 23 31 12 *; 39 23 31 12 *"), False),
    ],
)
def test_a_schedule_keeps_to_the_plan_by_its_shortest_pause(schedule: Schedule, fits: bool) -> None:
    assert (plans.too_often(FREE, schedule, START) is None) is fits


def test_a_cron_schedule_is_never_too_often_for_a_plan_of_a_minute() -> None:
    assert plans.too_often(Plan("pro", 60), Schedule(60, cron="* * * * *"), START) is None
    assert plans.too_often(Plan("slow", 61), Schedule(60, cron="* * * * *"), START) is not None


def test_an_unknown_plan_limits_nothing() -> None:
    assert plans.plan_of({"free": FREE}, Project("prj_1", "x", "gone", START, "key")) == Plan("gone")


def test_the_api_lists_the_plans(api: Api) -> None:
    found = {plan["name"]: plan for plan in api.me.get("/api/plans")}
    assert found["free"] == {"name": "free", "pingSeconds": 600, "minimumInterval": 600, "monitors": 50}
    assert found["unlimited"] == {"name": "unlimited", "pingSeconds": 0, "minimumInterval": 1, "monitors": None}


def test_an_interval_below_the_plans_is_refused_and_the_default_is_raised(api: Api) -> None:
    free = api.project("free", plan="free")
    refused = free.post("/api/monitors", {"name": "fast", "interval": 60}, 422)
    assert refused["fields"] == {"interval": ["every 60 s is too often: the plan 'free' allows one ping in 600 s"]}
    assert refused["error"] == "interval: every 60 s is too often: the plan 'free' allows one ping in 600 s"
    made = free.post("/api/monitors", {"name": "default"})
    assert made["interval"] == 600
    assert free.post("/api/monitors", {"name": "cron", "schedule": "*/5 * * * *"}, 422)["fields"] == {
        "schedule": ["'*/5 * * * *' has slots 300 s apart, which is too often: the plan 'free' allows one ping in 600 s"]
    }
    path = f"/api/monitors/{made['id']}"
    assert free.patch(path, {"interval": 599}, 422)["fields"].keys() == {"interval"}
    assert free.patch(path, {"interval": 601})["interval"] == 601


def test_a_project_that_came_to_a_smaller_plan_can_still_edit_what_it_has(api: Api) -> None:
    caller = api.project("shrinking", plan="pro")
    made = caller.post("/api/monitors", {"name": "fast", "interval": 30})
    with api.control.begin() as connection:
        found = projects.by_key(connection, caller.headers["x-api-key"])
        assert found
        projects.change(connection, found[0].id, plan="free")
    path = f"/api/monitors/{made['id']}"
    assert caller.patch(path, {"name": "renamed", "gracePeriod": 5, "startBy": 5, "minRunTime": 1})["name"] == "renamed"
    assert caller.patch(path, {"interval": 31}, 422)["fields"].keys() == {"interval"}


def test_a_full_project_gets_no_further_monitor(api: Api) -> None:
    caller = api.project("full", plan="tiny")
    made = [caller.post("/api/monitors", {"name": f"m{n}"}) for n in range(3)]
    refused = caller.post("/api/monitors", {"name": "one too many"}, 403)
    assert refused == {
        "error": "the plan 'tiny' allows 3 monitors, and the project has 3; delete one, or choose another plan",
    }
    caller.delete(f"/api/monitors/{made[0]['id']}")
    caller.post("/api/monitors", {"name": "again"})


def test_a_changed_plan_is_seen_by_the_workers(api: Api) -> None:
    caller = api.project("moving", plan="pro")
    made = caller.post("/api/monitors", {"name": "job"})
    with api.control.begin() as connection:
        seen = monitors.newest_version(connection)
        found = projects.by_key(connection, caller.headers["x-api-key"])
        assert found
        projects.change(connection, found[0].id, plan="free")
        assert monitors.changed_since(connection, seen)[0] == [made["id"]]


def test_a_read_only_key_does_not_see_the_secret_in_the_ping_url(api: Api) -> None:
    made = api.me.monitor()
    assert api.reader().get(f"/api/monitors/{made['id']}") == made | {"pingUrl": None}
    assert api.reader().get("/api/monitors") == [made | {"pingUrl": None}]
