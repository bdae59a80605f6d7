"""What pages tell of runs, failures and projects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import BASE, House
from sqlalchemy import Engine, event

from rules import actions
from store.control import projects
from store.model import Project

A, B = "1b4e28ba-2fa1-4d21-883f-0016d3cca427", "2c5f39cb-3fb2-4e32-994f-1127e4ddb538"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def text(page: str) -> str:
    """What is read on the page, without marks and needless space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def other_project(house: House) -> Project:
    with house.control.begin() as connection:
        return projects.create(connection, "other team", "free", house.now)


def statements_for(house: House, path: str) -> tuple[int, str]:
    """How many statements of SQL a page takes, and what is read on it."""
    asked: list[object] = []

    def count(*statement: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        page = text(house.get(path).text)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return len(asked), page


def test_a_run_that_goes_on_is_shown_on_both_pages(house: House) -> None:
    job = house.monitor()
    house.ping(job, kind="start", rid=A)
    house.pass_seconds(42)
    assert "running, began 42 s ago" in text(house.get("/").text)
    page = text(house.get(f"/m/{job.id}").text)
    assert f"Running: a run that began 42 s ago ({A[:8]})." in page
    house.ping(job, rid=A)
    assert "running, began" not in house.get("/").text
    page = text(house.get(f"/m/{job.id}").text)
    assert "Running:" not in page
    assert "Last run took42 s" in page


def test_runs_that_overlap_are_told_one_by_one_and_many_are_counted(house: House) -> None:
    job = house.monitor()
    for n in range(7):
        house.ping(job, kind="start", rid=f"{n}{A[1:]}")
        house.pass_seconds(1)
    page = text(house.get(f"/m/{job.id}").text)
    assert f"a run that began 7 s ago (0{A[1:8]}), and one that began 6 s ago" in page
    assert "There are 7 in all." in page


def test_an_over_long_run_is_an_outage_with_its_reason(house: House) -> None:
    job = house.monitor(maxRunTime=60)
    house.ping(job, kind="start")
    house.pass_seconds(90)
    house.miss(job)
    page = text(house.get(f"/m/{job.id}").text)
    assert "A run took longer than the 1 min that it may take." in page
    assert "Running: a run that began 1 min ago, longer than it may take." in page


def test_a_start_that_does_not_come_is_late_and_then_an_outage_with_its_reason(house: House) -> None:
    job = house.monitor(interval=60, gracePeriod=3_600, startBy=600)
    house.ping(job)
    house.pass_seconds(120)
    page = text(house.get(f"/m/{job.id}").text)
    assert "Late: a run was to begin 1 min ago. Without its start, the monitor is down in 9 min." in page
    assert "+ 1 h grace start within 10 min" in page
    house.pass_seconds(600)
    house.miss(job)
    page = text(house.get(f"/m/{job.id}").text)
    assert "No start was reported within 10 min of the run that was expected 11 min ago. The next success ends the outage." in page


def test_a_run_that_has_begun_is_late_without_its_end(house: House) -> None:
    job = house.monitor(interval=60, gracePeriod=3_600, startBy=600)
    house.ping(job)
    house.pass_seconds(61)
    house.ping(job, kind="start")
    house.pass_seconds(59)
    assert "Late: a ping was expected 1 min ago. Without one, the monitor is down in 59 min." in text(house.get(f"/m/{job.id}").text)


def test_a_run_that_is_too_short_is_an_outage_with_its_reason(house: House) -> None:
    job = house.monitor(minRunTime=60)
    house.ping(job, kind="start", rid=A)
    house.pass_seconds(3)
    house.ping(job, rid=A)
    page = text(house.get(f"/m/{job.id}").text)
    assert "A run took less than the 1 min that it has to take. The next success of a longer run ends the outage." in page
    assert "Last run took3 s at least 1 min" in page
    other = house.monitor(minRunTime=60)
    house.ping(other, kind="start", rid=B)
    house.pass_seconds(3)
    house.ping(other, rid=B, duration=3.0)  # as it comes out of the store, once it is shipped
    assert "A run took only 3 s, less than the 1 min that it has to take." in text(house.get(f"/m/{other.id}").text)


def test_a_schedule_that_cannot_be_computed_is_told_on_both_pages(house: House) -> None:
    job, well = house.monitor("odd", schedule="0 2 * * *"), house.monitor("well", schedule="0 2 * * *; 0 8 * * 6")
    with house.control.begin() as connection:
        connection.exec_driver_sql("UPDATE monitors SET timezone = 'Mars/Olympus' WHERE id = ?", (job.id,))
    for one in (job, well):
        house.ping(one, {"rows": 1.0})
    house.pass_seconds(1_800)
    page = text(house.get(f"/m/{job.id}").text)
    assert "No missed ping can be told of: when pings are expected cannot be computed, as the time zone" in page
    assert "It is tried again in 30 min. Edit the schedule" in page
    assert "Next expected–" in page
    listed = house.get("/").text
    assert text(listed).count("schedule fails") == 1
    assert "Mars/Olympus" in listed
    page = text(house.get(f"/m/{well.id}").text)
    assert "No missed ping" not in page
    assert "0 2 * * *; 0 8 * * 6 UTC" in page


def test_a_reported_failure_is_an_outage_with_its_exit_status(house: House) -> None:
    job = house.monitor()
    house.ping(job, kind="fail", exit_status=3, log="disk full")
    page = text(house.get(f"/m/{job.id}").text)
    assert "The job reported that it failed, with exit status 3." in page
    assert "fail (3)" in page
    assert "disk full" in page


def test_pings_that_the_plan_refused_are_told(house: House) -> None:
    with house.control.begin() as connection:
        projects.change(connection, house.project.id, plan="free")
    job = house.monitor()
    house.refused[job.id] = (3, house.now)
    house.pass_seconds(60)
    page = text(house.get(f"/m/{job.id}").text)
    assert "3 pings were refused, the last 1 min ago: faster than the plan “free” allows, which is one of a kind in 10 min." in page


def test_as_many_runs_as_are_timed_is_said(house: House) -> None:
    job = house.monitor()
    for n in range(102):
        house.ping(job, kind="start", rid=f"{n:08x}{A[8:]}")
    assert "There are 100 in all, as many as are timed" in text(house.get(f"/m/{job.id}").text)


def test_the_form_keeps_and_changes_run_time_slug_and_methods(house: House) -> None:
    job = house.monitor(startBy=20, minRunTime=10, maxRunTime=60, slug="old", methods="POST")
    page = house.get(f"/m/{job.id}/edit").text
    for name, value in (("startBy", 20), ("minRunTime", 10), ("maxRunTime", 60)):
        assert re.search(rf'name="{name}" value="{value}"', page)
    assert re.search(r'name="slug" value="old"', page)
    assert re.search(r'name="methods" value="POST" checked', page)
    edit = f"/m/{job.id}/edit"
    assert house.post(edit, page=edit, name="renamed", interval="60", gracePeriod="30", maxRunTime="", slug="new").status_code == 303
    with house.control.read() as connection:
        from store.control import monitors

        changed = monitors.among(connection, [job.id])[job.id].monitor
    schedule = changed.schedule
    assert (schedule.start_by, schedule.min_run, schedule.max_run, changed.slug, changed.methods) == (20, 10, None, "new", "")
    sent = {"name": "x", "interval": "60", "gracePeriod": "30", "startBy": "40", "minRunTime": "5"}
    refused = house.post(edit, page=edit, **sent)
    assert refused.status_code == 422
    assert "within 40 s is later than the grace period of 30 s" in refused.text
    assert house.post(edit, page=edit, **sent | {"startBy": "", "schedule": "0 2 * * *;0 3 * * *"}).status_code == 303
    with house.control.read() as connection:
        schedule = monitors.among(connection, [job.id])[job.id].monitor.schedule
    assert (schedule.start_by, schedule.min_run, schedule.cron) == (None, 5, "0 2 * * *; 0 3 * * *")
    refused = house.post(edit, page=edit, name="x", interval="60", gracePeriod="30", maxRunTime="0", slug="Not A Slug")
    assert refused.status_code == 422
    assert "a slug is 1 to 100 of" in refused.text


def test_the_ping_url_by_slug_and_for_kuma_are_shown(house: House) -> None:
    job = house.monitor(slug="nightly")
    page = house.get(f"/m/{job.id}").text
    assert f"{BASE}/ping/{house.project.ping_key}/nightly" in page
    assert f"{BASE}/api/push/{job.token}" in page
    assert house.project.ping_key not in house.get(f"/m/{house.monitor().id}").text


def test_projects_are_listed_and_one_is_chosen(house: House) -> None:
    house.monitor("of the default project")
    other = other_project(house)
    page = text(house.get("/projects").text)
    assert "other team" in page
    assert "free" in page
    assert "0 of 50" in page
    assert house.post(f"/projects/{other.id}/show", page="/projects").status_code == 303
    assert "of the default project" not in house.get("/").text
    assert '<span class="tag">other team</span>' in house.get("/").text
    assert re.search(r'name="interval" value="600"', house.get("/new").text), "its plan's minimum"
    assert re.search(r'name="interval" value="600"', house.get("/").text), "also in the small form of a project without monitors"
    made = house.post("/new", page="/new", name="theirs", interval="60", gracePeriod="30")
    assert made.status_code == 422
    assert "allows one ping in 600 s" in made.text
    assert house.post("/new", page="/new", name="theirs", interval="600", gracePeriod="30").status_code == 303
    assert "theirs" in house.get("/").text
    assert house.post("/projects/prj_nobody/show", page="/projects").status_code == 404


def test_the_page_of_projects_counts_their_monitors_in_one_statement(house: House) -> None:
    house.monitor("kept")
    gone = house.monitor("deleted")
    with house.control.begin() as connection:
        actions.delete_monitor(connection, gone, BASE, house.now)
    few, page = statements_for(house, "/projects")
    assert "as many pings as come 1 " in page
    with house.control.begin() as connection:
        for n in range(20):
            projects.create(connection, f"team {n}", "free", house.now)
    many, page = statements_for(house, "/projects")
    assert (many, page.count(" 0 of 50 ")) == (few, 20)


def test_a_link_to_a_monitor_works_whichever_project_is_shown(house: House) -> None:
    job = house.monitor()
    channel = house.channel("Ops of the default")
    other = other_project(house)
    house.post(f"/projects/{other.id}/show", page="/projects")
    assert house.get(f"/m/{job.id}").status_code == 200
    page = house.get(f"/m/{job.id}/edit").text
    assert channel.name in page, "its own project's channels"


def test_a_project_that_is_gone_falls_back_to_the_default(house: House) -> None:
    house.monitor("of the default project")
    house.client.set_cookie("project", "prj_gone", domain="lastbeat.test")
    assert "of the default project" in house.get("/").text
