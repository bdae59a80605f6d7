"""A monitor's page: its state in words, its charts, its pings, and text from outside that stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import BASE, House
from msgspec.structs import replace

from rules.accept import accept
from store.lag import Lag, Trouble
from store.model import Monitor
from store.points import Away, PointsError
from store.rule import Match, Rule, Window

HOSTILE = "</script><img src=x onerror=alert(1)>'\"&"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def feed(house: House, monitor: Monitor, pings: int, every: float = 60, **fields: str) -> None:
    for i in range(pings):
        house.ping(monitor, {"duration_ms": 1000 + 10.5 * i, "queue": float(i % 7)}, texts=fields)
        house.pass_seconds(every)


def charts(page: str) -> list[str]:
    return re.findall(r'<figure class="card chart" data-chart="([^"]+)"', page)


def test_an_unknown_monitor_is_404_with_a_way_back(house: House) -> None:
    reply = house.get("/m/mon_nobody")
    assert reply.status_code == 404 and "no such monitor" in reply.text and 'href="/"' in reply.text


def test_a_new_monitor_shows_how_to_send_its_first_ping(house: House) -> None:
    monitor = house.monitor()
    page = house.get(f"/m/{monitor.id}").text
    assert "Waiting for the first ping" in page and page.count(f"{BASE}/ping/{monitor.token}") > 5
    assert page.index("Send the first ping") < page.index("Metric charts")


def test_each_number_has_its_chart_of_bezier_curves(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 20)
    page = house.get(f"/m/{monitor.id}?range=6h").text
    assert charts(page) == ["duration_ms", "queue"]
    lines = re.findall(r'class="line" d="([^"]+)"', page)
    assert len(lines) == 2 and all(line.count("C") == 19 for line in lines)


def test_a_single_ping_has_a_chart_too(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 1)
    page = house.get(f"/m/{monitor.id}").text
    assert re.search(r'class="line" d="M\d+ \d+C', page) and "now <b>1000</b>" in page


@pytest.mark.parametrize(("shown", "buckets"), [("6h", 20), ("24h", 5), ("72h", 2)])
def test_the_range_is_switched_by_plain_links(house: House, shown: str, buckets: int) -> None:
    monitor = house.monitor()
    house.pass_seconds(-house.now // 10**9 % 720)  # at the start of a bucket of every width
    feed(house, monitor, 20)
    page = house.get(f"/m/{monitor.id}?range={shown}").text
    assert re.search(rf'data-range="{shown}" aria-current="true"', page)
    assert re.search(r'"t": \[([^\]]+)\]', page)[1].count(",") == buckets - 1  # type: ignore[index]


def test_the_chosen_range_is_remembered_and_a_young_monitor_starts_with_6h(house: House) -> None:
    monitor = house.monitor()
    assert 'data-range="6h" aria-current' in house.get(f"/m/{monitor.id}").text
    house.pass_seconds(7 * 3600)
    assert 'data-range="24h" aria-current' in house.get(f"/m/{monitor.id}?range=odd").text
    house.get(f"/m/{monitor.id}?range=72h")
    assert 'data-range="72h" aria-current' in house.get(f"/m/{monitor.id}").text


def test_times_are_in_the_readers_zone(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 1)
    house.client.set_cookie("tz", "Asia/Tokyo", domain="lastbeat.test")
    assert " JST" in house.get(f"/m/{monitor.id}").text
    house.client.set_cookie("tz", "../../etc/passwd", domain="lastbeat.test")
    assert " UTC" in house.get(f"/m/{monitor.id}").text


def test_thresholds_and_down_periods_are_drawn(house: House) -> None:
    monitor = house.monitor(interval=60, gracePeriod=30)
    house.alert(monitor, "queue", ">=", 5)
    feed(house, monitor, 5)
    house.pass_seconds(1800)
    house.miss(monitor)
    page = house.get(f"/m/{monitor.id}?range=6h").text
    assert page.count('class="limit-label"') == 1 and "alert &gt;= 5" in page
    assert page.count('<rect class="down"') == 2 and "<title>Down for 29 min 30 s: " in page


def test_a_down_monitor_says_since_when_and_what_was_expected(house: House) -> None:
    monitor = house.monitor(interval=60, gracePeriod=30)
    house.ping(monitor)
    house.pass_seconds(600)
    house.miss(monitor)
    page = house.get(f"/m/{monitor.id}").text
    assert "Down since " in page and "with 30 s of grace" in page and "<title>(down) Nightly backup" in page
    assert "Uptime 24 h</dt><dd>15 %" in page and "Last incident</dt><dd>8 min 30 s" in page


def test_beyond_twelve_charts_one_asks_for_the_rest(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, {f"n{i:02}": float(i) for i in range(20)})
    page = house.get(f"/m/{monitor.id}").text
    assert len(charts(page)) == 12 and "Show all 20 charts" in page
    assert len(charts(house.get(f"/m/{monitor.id}?all=1").text)) == 20


def test_texts_are_shown_with_their_latest_value(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 2, host="db-3")
    assert re.search(r'<td class="key">host</td><td>db-3</td>', house.get(f"/m/{monitor.id}").text)


def test_pings_that_carried_only_texts_say_so_in_place_of_charts(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, texts={"status": "ok"})
    assert "only texts so far" in house.get(f"/m/{monitor.id}").text


def test_a_number_without_values_in_the_range_says_so(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 1)
    house.pass_seconds(8 * 3600)
    assert "No data in the last 6h" in house.get(f"/m/{monitor.id}?range=6h").text


def test_hostile_text_stays_text_everywhere(house: House) -> None:
    house.channel(f"channel {HOSTILE}", isDefault=True)
    monitor = house.monitor(f"name {HOSTILE}", tags=[HOSTILE])
    house.alert(monitor, HOSTILE, ">", 1)
    house.alert(monitor, "text", "=", HOSTILE)
    house.ping(monitor, {HOSTILE: 2.0}, texts={"text": HOSTILE}, log=HOSTILE, problem=HOSTILE, user_agent=HOSTILE, remote_addr=HOSTILE)
    for path in ("", "?all=1", "/live", "/edit", "/delete", "/rotate-token"):
        page = house.get(f"/m/{monitor.id}{path}").text
        assert "<img" not in page and "onerror" in page, path
    assert "<img" not in house.get("/channels").text
    assert "<img" not in house.get("/").text


def test_values_can_be_had_as_csv_that_no_spreadsheet_runs(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, {"=1+1": 2.5})
    reply = house.get(f"/m/{monitor.id}/metrics.csv?key=%3D1%2B1")
    assert reply.mimetype == "text/csv" and reply.text.splitlines()[0] == "time,'=1+1,min,max,count"
    assert reply.text.splitlines()[1].endswith(",2.5,2.5,2.5,1")
    assert house.get(f"/m/{monitor.id}/metrics.csv?key=other").status_code == 404


def test_the_live_part_follows_pings_and_is_otherwise_not_sent(house: House) -> None:
    monitor = house.monitor(interval=600)
    feed(house, monitor, 3, every=1)
    first = house.get(f"/m/{monitor.id}/live?range=24h")
    again = {"If-None-Match": first.headers["ETag"]}
    assert charts(first.text) == ["duration_ms", "queue"] and "<html" not in first.text
    house.pass_seconds(1)
    assert house.get(f"/m/{monitor.id}/live?range=24h", **again).status_code == 304
    assert house.get(f"/m/{monitor.id}/live?range=72h", **again).status_code == 200
    feed(house, monitor, 1)
    assert house.get(f"/m/{monitor.id}/live?range=24h", **again).status_code == 200


def test_a_history_that_cannot_be_read_takes_only_the_charts_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = house.monitor()
    feed(house, monitor, 2)

    def broken(*_: object, **__: object) -> None:
        raise PointsError("InfluxDB at influx.test does not answer.")

    monkeypatch.setattr(house.points, "pings", broken)
    reply = house.get(f"/m/{monitor.id}")
    assert reply.status_code == 200 and "influx.test does not answer" in reply.text and "Add alert" in reply.text and not charts(reply.text)


@pytest.mark.parametrize("call", ["pings", "buckets"])
def test_a_store_that_is_away_is_named_with_what_waits_for_it(house: House, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monitor = house.monitor()
    feed(house, monitor, 2)

    def away(*_: object, **__: object) -> None:
        raise Away("InfluxDB does not answer", "Connection refused")

    monkeypatch.setattr(house.points, call, away)
    page = house.get(f"/m/{monitor.id}").text
    assert "InfluxDB does not answer: Connection refused. Alerts go on working." in page
    house.lag = Lag(12_345, house.now, Trouble(house.now, "InfluxDB does not answer", "Connection refused"))
    page = house.get(f"/m/{monitor.id}").text
    assert "12,345 pings are waiting (Connection refused). Alerts go on working." in page
    assert not charts(page)
    assert house.get(f"/m/{monitor.id}/live").status_code == 200


def test_charts_that_miss_their_newest_values_say_so(house: House) -> None:
    monitor = house.monitor()
    feed(house, monitor, 2)
    assert "newest values are missing" not in house.get(f"/m/{monitor.id}").text
    house.lag = Lag(5, house.now - 61_000_000_000)
    page = house.get(f"/m/{monitor.id}").text
    assert "The newest values are missing: The time-series store is behind: 5 pings are waiting" in page
    assert charts(page)


def test_a_file_of_values_that_cannot_be_read_is_a_page_with_the_reason(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = house.monitor()
    feed(house, monitor, 2)

    def away(*_: object, **__: object) -> None:
        raise Away("InfluxDB does not answer", "Connection refused")

    monkeypatch.setattr(house.points, "buckets", away)
    reply = house.get(f"/m/{monitor.id}/metrics.csv?key=queue")
    assert (reply.status_code, "InfluxDB does not answer" in reply.text) == (503, True)


def test_rules_of_files_stand_among_the_alerts_and_cannot_be_deleted(house: House) -> None:
    monitor = house.monitor()
    house.alert(monitor, "queue", ">", 5)
    slow = Rule("rule_1", "threshold", "Slow", match=Match(all=True), metric="queue", operator=">=", value=300.0, hold=600)
    placed = replace(slow, window=Window("p95", 900), channels=(), file="10-x.yml", line=7)
    with house.control.begin() as connection:
        accept(connection, [placed], "", house.now)
    feed(house, monitor, 5)
    page = house.get(f"/m/{monitor.id}").text
    assert "<strong>Slow</strong> <code>p95 of queue over 15 min &gt;= 300 for 10 min</code>" in page
    assert '<span class="hint">10-x.yml:7</span>' in page
    assert page.count("/delete") == 2, "the monitor, and the alert that was made here"
    assert "alert &gt;= 300" in page, "its threshold is drawn"


def test_whom_a_rule_tells_of_silence_is_told(house: House) -> None:
    monitor = house.monitor()
    house.channel("ops", isDefault=False)
    assert "Nobody will be told" in house.get(f"/m/{monitor.id}").text
    rule = Rule("rule_1", "heartbeat", "Silent", match=Match(all=True), channels=("ops",), file="10-x.yml", line=7)
    with house.control.begin() as connection:
        accept(connection, [rule], "", house.now)
    assert "Nobody will be told" not in house.get(f"/m/{monitor.id}").text
    assert "tells nobody" not in house.get("/").text
    with house.control.begin() as connection:
        accept(connection, [replace(rule, channels=())], "", house.now)
    assert "Nobody will be told" in house.get(f"/m/{monitor.id}").text
    assert "tells nobody" in house.get("/").text
