"""The schedule doctor's page, and its place on the monitor's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browsing import House
from histories import NOON, daily, regular

from store.model import Monitor, Ns, Ping
from store.points import Away


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def pinged(house: House, arrivals: list[Ns], **fields: Any) -> Monitor:
    """A monitor that was made before these pings; it is noon now."""
    house.now = min([*arrivals, NOON]) - 1
    monitor = house.monitor(**fields)
    house.points.write([Ping(at, monitor.id) for at in arrivals])
    house.now = NOON
    return monitor


def report(house: House, monitor: Monitor) -> str:
    reply = house.get(f"/m/{monitor.id}/doctor")
    assert reply.status_code == 200
    return unescape(reply.text)


def test_the_page_tells_the_findings_with_a_picture_and_the_settings_that_were_tried(house: House) -> None:
    page = report(house, pinged(house, regular(60, 7, 1, late=0.02, by=40), interval=60, gracePeriod=30))
    assert "Warning:</strong> 99 % of the times between pings are up to 1 min 21 s: a grace of 30 s would have alarmed 53 times" in page
    assert "10,005 successful pings since 18 Nov 2026, 12:00:00 UTC" in page
    assert '<title id="doctor-picture">How long pings stayed away</title>' in page and page.count('class="bar"') > 10
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    told = {" ".join(row) for row in rows}
    assert "an interval of 1 min and a grace of 30 s now 53 0 1 min + 30 s" in told
    assert "an interval of 1 min and a grace of 1 min suggested 0 0 1 min + 1 min" in told


def test_the_names_of_lines_have_a_ground_that_other_lines_do_not_cross(house: House) -> None:
    page = report(house, pinged(house, regular(60, 7, 1, late=0.02, by=40), interval=60, gracePeriod=30))
    names = re.findall(r'<text class="mark-label [^>]*>', page)
    assert len(names) == 3 and all('filter="url(#doctor-ground)"' in name for name in names)
    assert page.index('<path class="mark ') < page.index('<filter id="doctor-ground"') < page.index(names[0])


def test_where_slots_are_not_equally_far_apart_the_longest_silence_is_told(house: House) -> None:
    schedule = "; ".join(f"{minute} 2 * * *" for minute in range(10))
    page = report(house, pinged(house, daily(["02:00"], 20), schedule=schedule, gracePeriod=1_800))
    assert '<td data-label="Told after">up to 23 h 51 min + 30 min</td>' in page
    assert '<td data-label="Told after">1 d + 30 min</td>' in page  # what is suggested
    assert schedule not in page


def test_a_suggestion_is_filled_into_the_form_and_counts_once_it_is_saved(house: House) -> None:
    monitor = pinged(house, regular(300, 7), name="backup", interval=60, gracePeriod=30, tags=["prod"])
    (link,) = re.findall(r'<a class="button small" href="([^"]+)" aria-label="Use this… Pings come every 5 min', report(house, monitor))
    assert link == f"/m/{monitor.id}/edit?interval=300&gracePeriod=15"
    form = house.get(link).text
    assert "What the schedule doctor suggests is filled in: the time between pings, the grace period. It counts once you save it." in form
    assert re.search(r'name="interval" value="300"', form) and re.search(r'name="gracePeriod" value="15"', form)
    assert re.search(r'name="tags" value="prod"', form) and re.search(r'name="name" value="backup"', form)
    assert "every 1 min, and one" not in report(house, monitor) and "but one is expected every 1 min" in report(house, monitor)
    saved = house.post(link, page=link, name="backup", interval="300", gracePeriod="15", schedule="", timezone="UTC", tags="prod")
    assert saved.status_code == 303
    assert "The settings fit: they would not have alarmed" in report(house, monitor)
    assert "schedule doctor suggests" not in house.get(f"/m/{monitor.id}/edit").text


def test_a_schedule_that_is_to_go_is_emptied_in_the_form(house: House) -> None:
    monitor = pinged(house, regular(120, 7), schedule="0 2 * * *", gracePeriod=300)
    (link,) = re.findall(r'href="(/m/[^"]+/edit\?[^"]+)"', report(house, monitor))
    form = house.get(link).text
    assert re.search(r'name="schedule" value=""', form) and re.search(r'name="interval" value="120"', form)


def test_nothing_else_than_the_schedule_can_be_filled_in_by_a_link(house: House) -> None:
    monitor = house.monitor(name="backup")
    form = house.get(f"/m/{monitor.id}/edit?name=evil&tags=x&slug=y&channelIds=ch_1&interval=%22%3E%3Cscript%3E").text
    assert "evil" not in form and 'value="x"' not in form and 'value="y"' not in form
    assert "<script>" not in form and "&#34;&gt;&lt;script&gt;" in form


def test_a_job_of_another_zone_is_drawn_beside_its_schedule(house: House) -> None:
    page = report(house, pinged(house, daily(["02:00"], 28, "Europe/Berlin"), schedule="0 2 * * *", gracePeriod=1_800))
    assert "wrong time zone? By the clocks of Europe/Berlin" in page
    assert "timezone=Europe/Berlin" in page
    assert '<path class="dots" d="M' in page and ">suggested: in Europe/Berlin</text>" in page


def test_of_a_few_pings_nothing_is_said_that_was_not_found_out(house: House) -> None:
    page = report(house, pinged(house, regular(60, 0.004)))
    assert "6 successful pings since 25 Nov 2026, 11:54:14 UTC." in page
    assert "<dt>Median between pings</dt><dd>1 min</dd>" in page and "<dt>Rhythm</dt>" not in page
    assert "<dt>Rhythm</dt><dd>every 1 min</dd>" in report(house, pinged(house, regular(60, 1)))


def test_a_monitor_that_was_never_pinged_has_a_page_too(house: House) -> None:
    page = report(house, pinged(house, []))
    assert "No successful ping in the last 30 days." in page and "from 10 on there is something to say" in page
    assert "<figure" not in page and "<table" not in page


def test_what_was_left_out_is_said(house: House) -> None:
    monitor = pinged(house, [at for at in regular(300, 2) if not NOON - 40_000 * 10**9 < at < NOON - 20_000 * 10**9], interval=300)
    house.now = NOON - 39_990 * 10**9
    house.post(f"/m/{monitor.id}/pause")
    house.now = NOON - 20_010 * 10**9
    house.post(f"/m/{monitor.id}/resume")
    house.now = NOON
    assert "Left out: 1 time between pings in which Lastbeat was not listening, or the monitor was paused." in report(house, monitor)


def test_names_stay_text(house: House) -> None:
    page = house.get(f"/m/{pinged(house, regular(300, 1), name='</title><script>alert(1)</script>').id}/doctor").text
    assert "<script>alert" not in page


def test_while_the_history_cannot_be_read_the_page_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = pinged(house, regular(300, 1))

    def away(*_: object) -> list[Ns]:
        raise Away("InfluxDB does not answer", "connection refused")

    monkeypatch.setattr(house.points, "arrivals", away)
    reply = house.get(f"/m/{monitor.id}/doctor")
    assert reply.status_code == 503
    assert (
        'id="doctor-report"' in reply.text and "The history cannot be read now: InfluxDB does not answer: connection refused." in reply.text
    )


def test_the_monitors_page_offers_it_and_does_not_make_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = house.monitor()
    assert "Schedule doctor" not in house.get(f"/m/{monitor.id}").text  # nothing to look back at
    house.ping(monitor)
    monkeypatch.setattr(house.points, "arrivals", lambda *_: pytest.fail("the page of the monitor asked for a month of pings"))
    page = house.get(f"/m/{monitor.id}").text
    assert f'<details class="fold" data-load="/m/{monitor.id}/doctor#doctor-report">' in page
    assert f'<a href="/m/{monitor.id}/doctor">' in page  # for those without JavaScript
    assert "doctor" not in house.get(f"/m/{monitor.id}/live").text


def test_it_is_for_those_who_are_logged_in(house: House) -> None:
    monitor = pinged(house, regular(300, 1))
    assert house.get("/m/mon_nobody/doctor").status_code == 404
    house.post("/logout")
    assert house.get(f"/m/{monitor.id}/doctor").status_code in (302, 303)
