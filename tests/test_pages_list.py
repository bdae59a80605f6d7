"""The list of monitors: order, filters, search, warnings, and what an empty one says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import House

from store.control import rule_set


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def names(page: str) -> list[str]:
    return re.findall(r'class="name"[^>]*>([^<]+)<', page)


def populate(house: House) -> None:
    house.monitor("d new")
    up, late, down = (
        house.monitor(name, interval=interval, gracePeriod=60) for name, interval in (("a up", 600), ("c late", 60), ("b down", 1))
    )
    for monitor in (up, late, down):
        house.ping(monitor)
    house.pass_seconds(90)
    house.miss(down)


def test_an_empty_list_is_a_form_for_the_first_monitor(house: House) -> None:
    page = house.get("/").text
    assert "Watch your first job" in page and 'action="/new"' in page and 'type="search"' not in page


def test_the_worst_comes_first_and_then_the_name(house: House) -> None:
    populate(house)
    assert names(house.get("/").text) == ["b down", "c late", "d new", "a up"]


def test_counts_are_links_that_filter(house: House) -> None:
    populate(house)
    page = house.get("/").text
    assert re.search(r'href="/\?status=down"[^>]*>Down <b>1</b>', page) and "All <b>4</b>" in page
    assert names(house.get("/?status=down").text) == ["b down"]


def test_the_title_and_the_icon_tell_that_something_is_down(house: House) -> None:
    assert "<title>Monitors" in house.get("/").text
    populate(house)
    page = house.get("/").text
    assert "<title>(1 down) Monitors" in page and re.search(r'rel="icon"[^>]*href="/assets/down.svg', page)


def test_a_search_finds_names_and_says_when_it_finds_none(house: House) -> None:
    populate(house)
    assert names(house.get("/?q=LATE").text) == ["c late"]
    page = house.get("/?q=%22%3E%3Cscript%3E").text
    assert "No monitor matches" in page and "<script>" not in page.replace('<script type="module"', "")


def test_a_tag_filters(house: House) -> None:
    house.monitor("tagged", tags=["db", "<i>"])
    house.monitor("plain")
    assert names(house.get("/?tag=db").text) == ["tagged"]
    assert "/?tag=%3Ci%3E" in house.get("/").text


def test_of_many_cron_expressions_the_list_shows_the_first(house: House) -> None:
    ten = "; ".join(f"{minute} 2 * * *" for minute in range(10))
    house.monitor("ten", schedule=ten)
    house.monitor("two", schedule="0 2 * * 1-5; 0 8 * * 6,0")
    page = house.get("/").text
    assert f'<span title="{ten}"><code>0 2 * * *</code> and 9 more</span>' in page
    assert "<span><code>0 2 * * 1-5; 0 8 * * 6,0</code></span>" in page


def test_a_long_list_has_pages_in_the_same_order(house: House) -> None:
    for i in range(53):
        house.monitor(f"job {i:02}")
    down = house.monitor("zz down", interval=1, gracePeriod=1)
    house.ping(down)
    house.pass_seconds(10)
    house.miss(down)
    first, second = house.get("/").text, house.get("/?page=2").text
    assert names(first) == ["zz down", *(f"job {i:02}" for i in range(49))] and names(second) == [f"job {i:02}" for i in range(49, 53)]
    assert "Page 1 of 2, 54 monitors" in first and 'rel="next" href="/?page=2"' in first


@pytest.mark.parametrize("query", ["?page=x", "?page=-1", "?page=99999999999999999999", "?status=odd", "?q=" + "x" * 3000, "?tag=%00"])
def test_odd_arguments_are_no_error(house: House, query: str) -> None:
    house.monitor()
    assert house.get(f"/{query}").status_code == 200


def test_monitors_that_tell_nobody_are_marked(house: House) -> None:
    house.monitor("lonely")
    page = house.get("/").text
    assert "Nobody will be told" in page and "tells nobody" in page
    house.channel(isDefault=True)
    page = house.get("/").text
    assert "Nobody will be told" not in page and "tells nobody" not in page


@pytest.mark.parametrize("monitors", [0, 1])
def test_rule_files_that_are_refused_are_told_on_the_list_and_on_the_monitors_page(house: House, monitors: int) -> None:
    pages = ["/", *(f"/m/{house.monitor().id}" for _ in range(monitors))]
    assert all("rule files" not in house.get(page).text for page in pages)
    with house.control.begin() as connection:
        rule_set.note_refused(connection, ["rules/a.yaml:3: <b> is no operator", "rules/a.yaml:9: there is no monitor 'x'"])
    for page in pages:
        text = house.get(page).text
        assert "The rule files have 2 errors; the rules that were in force before stay in force." in text
        assert "<li><code>rules/a.yaml:3: &lt;b&gt; is no operator</code></li>" in text


def test_a_firing_metric_alert_shows_on_the_list(house: House) -> None:
    monitor = house.monitor()
    house.alert(monitor, "load", ">", 1)
    house.ping(monitor, {"load": 2.0})
    assert "1 metric alert<" in house.get("/").text


def test_hostile_names_stay_text(house: House) -> None:
    house.monitor("<img src=x onerror=alert(1)>")
    assert "<img" not in house.get("/").text


def test_the_live_part_is_sent_again_only_when_something_changed(house: House) -> None:
    monitor = house.monitor("job", interval=60)
    house.ping(monitor)
    first = house.get("/live")
    assert first.status_code == 200 and names(first.text) == ["job"]
    again = {"If-None-Match": first.headers["ETag"]}
    house.pass_seconds(30)
    assert house.get("/live", **again).status_code == 304
    house.pass_seconds(31)  # expected and not here: late by the clock alone
    changed = house.get("/live", **again)
    assert changed.status_code == 200 and "Late" in changed.text
