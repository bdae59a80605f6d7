"""What an alert would have said, beside the form that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from browsing import House
from werkzeug.test import TestResponse

import rules.rehearsal.preview
from store.control import alerts
from store.model import Monitor
from store.points import PointsError

DAY = 86_400


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


def fed(house: House, *values: float) -> Monitor:
    """A monitor that sent these, one a minute."""
    monitor = house.monitor()
    for value in values:
        house.ping(monitor, {"queue": value}, texts={"phase": "idle" if value < 100 else "busy"})
        house.pass_seconds(60)
    return monitor


def preview(house: House, monitor: Monitor, **form: str) -> TestResponse:
    said = {"metricKey": "queue", "operator": ">", "threshold": "100", "consecutiveTriggers": "1", "channelId": ""} | form
    return house.post(f"/m/{monitor.id}/alerts/preview", page=f"/m/{monitor.id}", **said)


def shown(reply: TestResponse) -> str:
    """The words of the preview."""
    found = re.search(r'id="alert-preview".*?</(?:div|p)>\s*(?=</div>|$)', reply.text, re.DOTALL)
    assert found is not None
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0].partition(">")[2])).split())


@pytest.mark.parametrize("deed", ["alerts", "alerts/preview"])
def test_without_a_threshold_it_says_that_one_is_needed(house: House, deed: str) -> None:
    monitor = fed(house, 1)
    said = {"metricKey": "queue", "operator": ">", "threshold": " ", "consecutiveTriggers": "1", "channelId": ""}
    reply = house.post(f"/m/{monitor.id}/{deed}", page=f"/m/{monitor.id}", **said)
    assert reply.status_code == 422
    assert '<p class="error" id="threshold-error">Threshold is needed</p>' in reply.text


def test_it_says_how_often_it_would_have_fired_and_when_and_makes_nothing(house: House) -> None:
    monitor = fed(house, 1, 150, 150, 2, 170)
    reply = preview(house, monitor)
    assert reply.status_code == 200
    assert shown(reply) == (
        "queue > 100 would have fired twice in the last 7 days, and would be firing now. "
        "All 5 pings since 11 Nov 2026, 12:05:00 UTC were looked at. "
        "From For Value 18 Nov 2026, 12:04:00 UTC 1 min until now 170 18 Nov 2026, 12:01:00 UTC 2 min 150"
    )
    assert '<option value="queue" selected>' in reply.text and 'name="threshold" value="100"' in reply.text
    assert "Metric charts" in reply.text and 'data-region="alert-form" data-touched' in reply.text
    with house.control.read() as connection:
        assert alerts.of_monitors(connection, [monitor.id]) == {}


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"threshold": "500"}, "queue > 500 would not have fired in the last 7 days. All 5 pings"),
        ({"consecutiveTriggers": "2"}, "queue > 100 , 2 times in a row, would have fired once in the last 7 days. All 5 pings"),
        ({"metricKey": "phase", "operator": "=", "threshold": "busy"}, 'phase = "busy" would have fired twice in the last 7 days, and'),
    ],
)
def test_it_is_about_what_the_form_says(house: House, form: dict[str, str], said: str) -> None:
    assert shown(preview(house, fed(house, 1, 150, 150, 2, 170), **form)).startswith(said)


def test_a_script_gets_the_form_alone(house: House) -> None:
    monitor = fed(house, 150)
    reply = preview(house, monitor, alone="")
    assert "<html" not in reply.text and "Metric charts" not in reply.text
    assert shown(reply).startswith("queue > 100 would have fired once")
    assert 'name="threshold" value="100"' in reply.text and "data-preview" in reply.text


@pytest.mark.parametrize("alone", [{}, {"alone": ""}])
def test_what_makes_no_alert_has_sentences_in_place_of_a_preview(house: House, alone: dict[str, str]) -> None:
    reply = preview(house, fed(house, 150), threshold="high", **alone)
    assert reply.status_code == 422
    assert 'id="alert-preview"' not in reply.text
    assert "is a text, which &gt; cannot compare" in reply.text and 'name="threshold" value="high"' in reply.text


def test_of_many_the_newest_are_listed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.rehearsal.preview, "LIMIT", 30)
    said = shown(preview(house, fed(house, *[150, 1] * 20)))
    assert "would have fired 15 times" in said and "The newest 30 pings since 18 Nov 2026, 12:10:00 UTC" in said
    assert said.count(" 1 min 150") == 10 and said.endswith("5 more before.")


def test_a_silent_week_cannot_be_judged(house: House) -> None:
    monitor = fed(house, 150)
    house.pass_seconds(8 * DAY)
    assert shown(preview(house, monitor)) == "queue > 100 cannot be judged: no ping came in the last 7 days."


@pytest.mark.parametrize("alone", [{}, {"alone": ""}])
def test_a_history_that_cannot_be_read_is_said(house: House, monkeypatch: pytest.MonkeyPatch, alone: dict[str, str]) -> None:
    monitor = fed(house, 150)

    def away(*_: object, **__: object) -> None:
        raise PointsError("points.db cannot be used: it is gone")

    monkeypatch.setattr(house.points, "pings", away)
    reply = preview(house, monitor, **alone)
    assert reply.status_code == 503
    assert shown(reply) == "The history cannot be read now: points.db cannot be used: it is gone."


def test_texts_of_jobs_stay_texts(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, texts={"phase": "<b>x</b>"})
    reply = preview(house, monitor, metricKey="phase", operator="=", threshold="<b>x</b>")
    assert "<b>x</b>" not in reply.text
    assert reply.text.count("&lt;b&gt;x&lt;/b&gt;") >= 2


def test_the_form_adds_an_alert_unless_the_other_button_is_pressed(house: House) -> None:
    page = house.get(f"/m/{fed(house, 1).id}").text
    form = page[page.index('id="new-alert"') :]
    assert form.index("Add alert</button>") < form.index("Preview</button>")  # Enter presses the first
    assert re.search(r'<button formaction="/m/mon_\w+/alerts/preview#alert-preview" data-preview>Preview', form)
