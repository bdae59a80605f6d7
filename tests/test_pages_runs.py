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
    job = house.monitor(maxRunTime=60, slug="old", methods="POST")
    page = house.get(f"/m/{job.id}/edit").text
    assert re.search(r'name="maxRunTime" value="60"', page)
    assert re.search(r'name="slug" value="old"', page)
    assert re.search(r'name="methods" value="POST" checked', page)
    edit = f"/m/{job.id}/edit"
    assert house.post(edit, page=edit, name="renamed", interval="60", gracePeriod="30", maxRunTime="", slug="new").status_code == 303
    with house.control.read() as connection:
        from store.control import monitors

        changed = monitors.among(connection, [job.id])[job.id].monitor
    assert (changed.schedule.max_run, changed.slug, changed.methods) == (None, "new", "")
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
