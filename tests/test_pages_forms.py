"""What the pages' forms do, and how they are shown again with sentences where something is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import BASE, House

from store.control import alerts, channels, monitors
from store.control.monitors import Watched
from store.model import Alert, Channel, Monitor, Schedule


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def watched(house: House, monitor_id: str) -> Watched:
    with house.control.read() as connection:
        found = monitors.get(connection, house.project.id, monitor_id)
    assert found is not None
    return found


def alerts_of(house: House, monitor: Monitor) -> list[Alert]:
    with house.control.read() as connection:
        return alerts.find(connection, monitor.id)[0]


def known_channels(house: House) -> list[Channel]:
    with house.control.read() as connection:
        return channels.find(connection, house.project.id)[0]


def test_a_new_monitor_begins_at_its_name_and_an_old_one_does_not(house: House) -> None:
    assert 'autofocus=""' in house.get("/new").text
    assert "autofocus" not in house.get(f"/m/{house.monitor().id}/edit").text


def test_a_new_monitor_is_made_and_shown(house: House) -> None:
    channel = house.channel()
    form = {"name": " Backup ", "interval": "3600", "gracePeriod": "120", "tags": "db, prod,,", "channelIds": channel.id}
    reply = house.post("/new", page="/new", **form)
    assert reply.status_code == 303
    made = watched(house, reply.location.rsplit("/", 1)[1]).monitor
    assert (made.name, made.tags, made.schedule) == ("Backup", ("db", "prod"), Schedule(3600, 120))
    with house.control.read() as connection:
        assert channels.chosen(connection, [made.id]) == {made.id: [channel.id]}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x", "interval": "soon"}, "interval"),
        ({"name": "x", "interval": "0"}, "interval"),
        ({"name": "x", "gracePeriod": "-1"}, "gracePeriod"),
        ({"name": "x", "schedule": "every day"}, "schedule"),
        ({"name": "x", "schedule": "0 2 * * *", "timezone": "Mars"}, "timezone"),
        ({"name": "x", "tags": "t" * 101}, "tags"),
        ({"name": "x", "channelIds": "ch_nobody"}, "channelIds"),
    ],
)
def test_a_bad_monitor_is_shown_again_with_a_sentence_at_its_field(house: House, form: dict[str, str], field: str) -> None:
    reply = house.post("/new", page="/new", **form)
    assert reply.status_code == 422 and f'id="{field}-error"' in reply.text
    for name, value in form.items():
        if name != "channelIds":
            assert f'name="{name}" value="{value}"' in reply.text
    assert f'aria-describedby="{field}-error' in reply.text or field == "channelIds"


def test_editing_shows_what_is_and_keeps_what_the_form_does_not_show(house: House) -> None:
    monitor = house.monitor(slug="nightly", schedule="0 2 * * *", timezone="Europe/Berlin", tags=["db"])
    page = house.get(f"/m/{monitor.id}/edit").text
    assert 'value="0 2 * * *"' in page and 'value="Europe/Berlin"' in page and 'name="tags" value="db"' in page
    assert (
        house.post(f"/m/{monitor.id}/edit", page=f"/m/{monitor.id}/edit", name="New name", interval="60", gracePeriod="5").status_code
        == 303
    )
    edited = watched(house, monitor.id).monitor
    assert (edited.name, edited.slug, edited.schedule, edited.tags) == ("New name", "nightly", Schedule(60, 5), ())


def test_a_bad_edit_changes_nothing(house: House) -> None:
    monitor = house.monitor()
    reply = house.post(f"/m/{monitor.id}/edit", page=f"/m/{monitor.id}/edit", name="<b>", interval="x")
    assert reply.status_code == 422 and 'value="&lt;b&gt;"' in reply.text
    assert watched(house, monitor.id).monitor == monitor


def test_pausing_and_resuming(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor)
    assert house.post(f"/m/{monitor.id}/pause").location == f"/m/{monitor.id}"
    page = house.get(f"/m/{monitor.id}").text
    assert watched(house, monitor.id).beat.status == "paused" and ">Resume<" in page and ">Pause<" not in page
    house.post(f"/m/{monitor.id}/resume")
    assert watched(house, monitor.id).beat.status == "up"


def test_a_replaced_ping_url_is_asked_about_first(house: House) -> None:
    monitor = house.monitor()
    assert "stops working" in house.get(f"/m/{monitor.id}/rotate-token").text
    assert watched(house, monitor.id).monitor.token == monitor.token
    house.post(f"/m/{monitor.id}/rotate-token")
    token = watched(house, monitor.id).monitor.token
    page = house.get(f"/m/{monitor.id}").text
    assert token != monitor.token and f"{BASE}/ping/{token}" in page and monitor.token not in page and "new ping URL" in page


def test_a_monitor_is_deleted_after_a_question(house: House) -> None:
    monitor = house.monitor()
    assert "gone for good" in house.get(f"/m/{monitor.id}/delete").text and house.get(f"/m/{monitor.id}").status_code == 200
    assert house.post(f"/m/{monitor.id}/delete").location == "/"
    assert "is deleted" in house.get("/").text
    assert house.get(f"/m/{monitor.id}").status_code == 404


def test_an_alert_is_added_from_the_discovered_keys_and_removed(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, {"load": 1.5}, texts={"state": "ok"})
    page = house.get(f"/m/{monitor.id}").text
    assert re.findall(r'<option value="(load|state)"', page) == ["load", "state"]
    reply = house.post(f"/m/{monitor.id}/alerts", metricKey="load", operator=">=", threshold="2.5", consecutiveTriggers="3", channelId="")
    assert reply.location == f"/m/{monitor.id}#alerts"
    (alert,) = alerts_of(house, monitor)
    assert (alert.metric_key, alert.operator, alert.threshold, alert.consecutive, alert.channel_id) == ("load", ">=", 2.5, 3, None)
    assert "load &gt;= 2.5" in house.get(f"/m/{monitor.id}").text
    house.post(f"/m/{monitor.id}/alerts/{alert.id}/delete")
    assert alerts_of(house, monitor) == []


def test_a_threshold_for_a_text_stays_a_text_even_if_it_looks_like_a_number(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, texts={"version": "5"})
    house.post(f"/m/{monitor.id}/alerts", metricKey="version", operator="!=", threshold="5", consecutiveTriggers="1")
    assert [alert.threshold for alert in alerts_of(house, monitor)] == ["5"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"threshold": "high"}, "threshold"),
        ({"threshold": ""}, "threshold"),
        ({"threshold": "nan"}, "threshold"),
        ({"operator": "~"}, "operator"),
        ({"metricKey": ""}, "metricKey"),
        ({"consecutiveTriggers": "0"}, "consecutiveTriggers"),
        ({"consecutiveTriggers": ""}, "consecutiveTriggers"),
        ({"channelId": "ch_nobody"}, "channelId"),
    ],
)
def test_a_bad_alert_is_shown_again_with_a_sentence_at_its_field(house: House, change: dict[str, str], field: str) -> None:
    monitor = house.monitor()
    house.ping(monitor, {"load": 1.5})
    form = {"metricKey": "load", "operator": "<", "threshold": "7", "consecutiveTriggers": "2", "channelId": ""} | change
    reply = house.post(f"/m/{monitor.id}/alerts", **form)
    assert reply.status_code == 422 and f'id="{field}-error"' in reply.text and not alerts_of(house, monitor)
    if field != "operator":
        assert '<option value="&lt;" selected>' in reply.text


@pytest.mark.parametrize("deed", ["pause", "resume", "rotate-token", "delete", "alerts", "alerts/alr_1/delete"])
def test_what_is_not_there_is_404(house: House, deed: str) -> None:
    assert house.post(f"/m/mon_nobody/{deed}").status_code == 404


def test_a_channel_is_added_and_deleted(house: House) -> None:
    assert "nobody will hear of it" in house.get("/channels").text
    form = {"name": "Ops", "url": "https://hooks.example.org/a", "secret": "", "isDefault": "true"}
    assert house.post("/channels", **form).status_code == 303
    (channel,) = known_channels(house)
    assert channel.is_default and channel.config == {"url": form["url"]}
    page = house.get("/channels").text
    assert "Nobody is told by default" not in page and "hooks.example.org" in page
    assert "Delete “Ops”?" in house.get(f"/channels/{channel.id}/delete").text and known_channels(house)
    house.post(f"/channels/{channel.id}/delete")
    assert known_channels(house) == []


def test_channels_without_a_default_are_warned_about(house: House) -> None:
    house.channel()
    assert "no channel is a default one" in house.get("/channels").text


@pytest.mark.parametrize(("form", "field"), [({"name": "", "url": "https://x.example"}, "name"), ({"name": "x", "url": "nowhere"}, "url")])
def test_a_bad_channel_is_shown_again_with_a_sentence_at_its_field(house: House, form: dict[str, str], field: str) -> None:
    reply = house.post("/channels", **form)
    assert reply.status_code == 422 and f'id="{field}-error"' in reply.text and not known_channels(house)


def test_secrets_are_never_shown(house: House) -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert house.post("/channels", name="Ops", url="https://hooks.example.org/a", secret=secret).status_code == 303
    assert secret not in house.get("/channels").text


def test_a_test_that_does_not_arrive_says_why(house: House) -> None:
    channel = house.channel(config={"url": "http://127.0.0.1:1/"})
    assert house.post(f"/channels/{channel.id}/test").status_code == 303
    assert "did not arrive" in house.get("/channels").text
