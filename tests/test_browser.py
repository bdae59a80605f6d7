"""The main job in a real browser, on a real server: what people see, hover, click and type.

Any console error or warning fails a test: so a script or style that the content security policy refuses is never missed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from serving import PASSWORD, Server

pytestmark = [pytest.mark.browser, pytest.mark.server]

RANGES = ("6h", "24h", "72h")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("browser") / "data")
    try:
        yield server.start()
    finally:
        server.end()


@pytest.fixture(scope="module")
def job(server: Server) -> dict[str, Any]:
    """A monitor that real pings have fed with two numbers and a text."""
    made: dict[str, Any] = server.monitor(name="Nightly backup", interval=3600, tags=["prod"])
    for i in range(5):
        reply = server.ping(made, body={"duration_ms": 1200 + 10 * i, "queue_size": 40 - i, "status": "complete"})
        assert reply.status == 200, reply
    return made


@pytest.fixture
def page(page: Page, server: Server) -> Iterator[Page]:
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Chromium calls each answer to a form with errors one of its own.
        if message.type in ("error", "warning") and "status of 422" not in message.text:
            said.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: said.append(str(error)))
    log_in(page, server)
    yield page
    assert not said, said


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "timezone_id": "Europe/Berlin", "viewport": {"width": 1200, "height": 900}}


def log_in(page: Page, server: Server) -> None:
    page.goto(f"{server.base}/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1, name="Monitors")).to_be_visible()


def open_job(page: Page, server: Server, job: dict[str, Any]) -> None:
    """The monitor's page by way of the list, once the pings are charts."""
    page.goto(f"{server.base}/")
    page.get_by_role("link", name=job["name"], exact=True).click()
    expect(page.locator("[data-chart]")).to_have_count(2, timeout=10_000)
    expect(page.locator("[data-region=state]")).to_contain_text("ago", timeout=10_000)


def test_a_fed_monitor_shows_a_curve_for_each_key_in_every_range(page: Page, server: Server, job: dict[str, Any]) -> None:
    open_job(page, server, job)
    for chosen in RANGES:
        with page.expect_response(lambda reply, chosen=chosen: f"range={chosen}" in reply.url) as reply:  # type: ignore[misc]
            page.get_by_role("link", name=chosen, exact=True).click()
        assert reply.value.status == 200
        expect(page.get_by_role("link", name=chosen, exact=True)).to_have_attribute("aria-current", "true")
        expect(page.locator("[data-chart]")).to_have_count(2)
        assert f"range={chosen}" in page.url
        for line in page.locator("[data-chart] .line").all():
            assert re.match(r"M\d+ \d+(C\d+ \d+ \d+ \d+ \d+ \d+)+", line.get_attribute("d") or "")
    assert [key.inner_text() for key in page.locator("[data-chart] .key").all()] == ["duration_ms", "queue_size"]


def test_hovering_one_chart_reads_all_of_them(page: Page, server: Server, job: dict[str, Any]) -> None:
    open_job(page, server, job)
    page.locator(".plot").first.hover()
    tooltips = page.locator(".tooltip")
    expect(tooltips.nth(0)).to_have_text(re.compile(r"\d\d:\d\d\s*1,2\d\d( \(1,2\d\d – 1,2\d\d\))?$"))
    expect(tooltips.nth(1)).to_be_visible()
    page.mouse.move(1, 1)
    expect(tooltips.nth(0)).to_be_hidden()


def test_the_keyboard_reads_values_aloud(page: Page, server: Server, job: dict[str, Any]) -> None:
    open_job(page, server, job)
    page.locator(".plot").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#spoken")).to_have_text(re.compile(r"\d\d:\d\d: 1,2\d\d"))
    page.keyboard.press("Escape")
    expect(page.locator(".tooltip").first).to_be_hidden()


def test_values_can_be_read_as_a_table(page: Page, server: Server, job: dict[str, Any]) -> None:
    open_job(page, server, job)
    page.get_by_text("Show as a table").first.click()
    expect(page.locator(".values table").first.locator("tbody tr")).not_to_have_count(0)


def test_numbers_in_the_table_have_the_suffixes_of_the_axis(page: Page, server: Server) -> None:
    made = server.monitor(name=f"Large {time.monotonic_ns()}", interval=3600)
    server.ping(made, body={"bytes": 1e13, "nearly": 999_999_999_999, "huge": 2.5e16})
    page.goto(f"{server.base}/m/{made['id']}")
    expect(page.locator("[data-chart]")).to_have_count(3, timeout=10_000)
    for key, shown in (("bytes", "10T"), ("nearly", "1T"), ("huge", "2.5e+16")):
        chart = page.locator(f"[data-chart={key}]")
        chart.get_by_text("Show as a table").click()
        expect(chart.locator("tbody td").nth(1)).to_have_text(shown)


def test_every_choice_of_the_alert_form_can_be_read(page: Page, server: Server, job: dict[str, Any]) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    open_job(page, server, job)
    tell = page.get_by_label("Tell").evaluate(
        """(select) => {
          const free = select.cloneNode(true);
          free.className = "free";
          free.removeAttribute("id");
          select.parentElement.append(free);
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(".free { width: max-content; }");
          document.adoptedStyleSheets = [sheet];
          const wanted = free.offsetWidth;
          free.remove();
          return [select.offsetWidth, wanted];
        }"""
    )
    assert tell[0] >= tell[1], tell


def test_a_threshold_alert_is_added_from_the_discovered_keys(page: Page, server: Server) -> None:
    made = server.monitor(name=f"Alerting {time.monotonic_ns()}", interval=3600)
    server.ping(made, body={"queue_size": 4, "duration_ms": 900})
    open_job(page, server, made)
    page.get_by_label("Metric", exact=True).select_option("queue_size")
    page.get_by_label("Operator").select_option(">=")
    page.get_by_label("Threshold", exact=True).fill("high")
    page.get_by_role("button", name="Add alert").click()
    expect(page.locator("#threshold-error")).to_contain_text("number")
    expect(page.get_by_label("Metric", exact=True)).to_have_value("queue_size")
    page.get_by_label("Threshold", exact=True).fill("5")
    page.get_by_role("button", name="Add alert").click()
    expect(page.get_by_role("row", name=re.compile(r"queue_size >= 5"))).to_contain_text("Ok")
    expect(page.locator("[data-chart=queue_size] .limit-label")).to_have_text("alert >= 5")
    server.ping(made, body={"queue_size": 9, "duration_ms": 901})
    expect(page.get_by_role("row", name=re.compile(r"queue_size >= 5"))).to_contain_text("Firing", timeout=15_000)


def test_an_alert_is_tried_on_the_past_without_leaving_the_page(page: Page, server: Server) -> None:
    made = server.monitor(name=f"Trying {time.monotonic_ns()}", interval=3600)
    for size in (4, 9, 9, 3):
        server.ping(made, body={"queue_size": size, "duration_ms": 900})
    open_job(page, server, made)
    expect(page.locator("[data-region=pings] tbody tr")).to_have_count(4, timeout=10_000)
    page.get_by_label("Metric", exact=True).select_option("queue_size")
    page.get_by_label("Threshold", exact=True).fill("high")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#threshold-error")).to_contain_text("number")
    expect(page.get_by_label("Threshold", exact=True)).to_be_focused()
    page.get_by_label("Threshold", exact=True).fill("5")
    before = page.url
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#alert-preview")).to_contain_text("would have fired once in the last 7 days")
    expect(page.locator("#spoken")).to_have_text("would have fired once in the last 7 days.")
    expect(page.get_by_role("button", name="Preview")).to_be_focused()
    assert page.url == before
    assert page.get_by_role("row", name=re.compile("queue_size > 5")).count() == 0
    server.ping(made, body={"queue_size": 1, "duration_ms": 900})
    expect(page.locator("[data-region=pings] tbody tr")).to_have_count(5, timeout=15_000)
    expect(page.locator("#alert-preview")).to_be_visible()  # the facts move on, and what is read stays
    page.get_by_role("button", name="Add alert").click()
    expect(page.get_by_role("row", name=re.compile("queue_size > 5"))).to_contain_text("Ok")


def test_a_page_that_waits_for_the_first_ping_fills_itself(page: Page, server: Server) -> None:
    made = server.monitor(name=f"Waiting {time.monotonic_ns()}", interval=3600)
    page.goto(f"{server.base}/m/{made['id']}")
    expect(page.locator("[data-region=pill]")).to_have_text("New")
    server.ping(made, body={"load": 1.5})
    expect(page.locator("[data-region=pill]")).to_have_text("Up", timeout=15_000)
    expect(page.locator("[data-chart=load]")).to_be_visible(timeout=15_000)
    expect(page.locator("#spoken")).to_have_text(re.compile("is up"))
    expect(page.get_by_label("Metric", exact=True)).to_have_value("load")


def test_the_schedule_doctor_is_asked_when_somebody_opens_it(page: Page, server: Server, job: dict[str, Any]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/doctor" in request.url else None)
    open_job(page, server, job)
    assert not asked
    page.get_by_text("What these settings would have done").click()
    expect(page.locator("#doctor-report")).to_contain_text("from 10 on there is something to say")
    expect(page.locator("#doctor-report svg[role=img]")).to_have_accessible_name("How long pings stayed away")
    assert len(asked) == 1


def test_copying_puts_the_ping_url_on_the_clipboard(page: Page, context: BrowserContext, server: Server, job: dict[str, Any]) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_job(page, server, job)
    page.locator("#ping-url + .copy").get_by_role("button").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == job["pingUrl"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_phone(
    page: Page, server: Server, job: dict[str, Any], scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/new", "/channels", f"/m/{job['id']}", f"/m/{job['id']}/doctor", f"/m/{job['id']}/edit", f"/m/{job['id']}/delete"):
        page.goto(server.base + path)
        for width in (1200, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [400, 1280])
def test_a_long_word_does_not_push_the_list_off_the_page(page: Page, server: Server, width: int) -> None:
    crons = "; ".join(f"{minute} 2 * * *" for minute in range(10))
    made = server.monitor(name=f"ten crons {'x' * 80}", schedule=crons, tags=["y" * 80])
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{server.base}/")
    card, table = (page.locator(one).last.bounding_box() for one in (".card", ".card table"))
    assert card and table and table["x"] + table["width"] < card["x"] + card["width"] <= width
    row = page.get_by_role("row").filter(has=page.locator(f"a[href$='{made['id']}']")).bounding_box()
    assert row and row["height"] < (340 if width == 400 else 240)
    server.api("DELETE", f"/api/monitors/{made['id']}")


def test_a_finger_drags_the_reading_along_the_chart(browser: Browser, server: Server, job: dict[str, Any]) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    log_in(page, server)
    open_job(page, server, job)
    plot = page.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    touch = context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2
    for kind, x in (("touchStart", box["x"] + 20), ("touchMove", box["x"] + 120)):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    expect(page.locator(".tooltip").first).to_be_visible()
    context.close()


def test_everything_needed_works_without_javascript(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    log_in(page, server)
    page.get_by_role("link", name=re.compile("New monitor")).click()
    page.get_by_label("Name").fill("Made without scripts")
    page.get_by_role("button", name="Create monitor").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Made without scripts")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-region=pill]")).to_have_text("Paused")
    page.get_by_role("link", name="72h").click()
    expect(page.get_by_role("link", name="72h")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="Delete this monitor…").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")
    context.close()
