from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from importing import HOURLY, KEY, NIGHTLY, Healthchecks, Home, check, read_only

from lastbeat.imports import healthchecks
from store.control import monitors
from store.model import Schedule


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path)
    yield one
    one.close()


@pytest.fixture
def there() -> Iterator[Healthchecks]:
    one = Healthchecks(check(), check(HOURLY, name="Hourly", slug="hourly", schedule="15 5 * * 1-5", tz="Europe/Riga", tags=""))
    yield one
    one.close()


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_check_becomes_a_monitor_with_its_token_and_all_that_it_says(home: Home, there: Healthchecks) -> None:
    out = home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert out.exit_code == 0, out.output
    nightly, hourly = home.there()[NIGHTLY], home.there()[HOURLY]
    assert (nightly.monitor.name, nightly.monitor.slug, nightly.monitor.tags) == ("Nightly backup", "nightly-backup", ("prod", "backup"))
    assert nightly.monitor.schedule == Schedule(interval=3_600, grace=600, max_run=600)
    assert hourly.monitor.schedule == Schedule(interval=60, grace=600, cron="15 5 * * 1-5", timezone="Europe/Riga", max_run=600)
    assert (nightly.beat.status, hourly.beat.status) == ("new", "new")
    assert "2 monitors made, 0 here already, 0 not imported." in out.output


@pytest.mark.parametrize(("fields", "name"), [({}, "nightly-backup"), ({"slug": ""}, "check 31365bce")])
def test_a_check_without_a_name_is_called_by_its_slug_or_a_part_of_its_uuid(
    home: Home, there: Healthchecks, fields: dict[str, Any], name: str
) -> None:
    there.checks = [check(**{"name": "", **fields})]
    home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert home.there()[NIGHTLY].monitor.name == name


def test_what_a_check_takes_pings_by_is_kept(home: Home, there: Healthchecks) -> None:
    there.checks = [check(methods="POST")]
    home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert home.there()[NIGHTLY].monitor.methods == "POST"


def test_a_paused_check_is_paused_here_and_what_a_ping_does_to_it_is_said(home: Home, there: Healthchecks) -> None:
    there.checks = [check(status="paused"), check(HOURLY, name="By hand", status="paused", manual_resume=True)]
    out = home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert [watched.beat.status for watched in home.there().values()] == ["paused", "paused"]
    assert "but not here, where you resume it: Nightly backup." in words(out.output)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"schedule": "Mon..Fri 10:00"}, "its schedule 'Mon..Fri 10:00' is an OnCalendar expression"),
        ({"schedule": "Mon 10:00\nTue *-*-* 18:00"}, "is an OnCalendar expression"),
        ({"schedule": "0 0 31 2 *"}, "schedule: the cron expression '0 0 31 2 *' names a date that never comes."),
        ({"schedule": "0 0 * * *", "tz": "Mars/Olympus"}, "timezone: the time zone 'Mars/Olympus' is not known"),
        ({"tags": " ".join(map(str, range(51)))}, "tags: Longer than maximum length 50."),
        ({"methods": "PUT"}, "methods: leave it empty for all methods, or give POST."),
        ({"ping_url": "https://hc.example.org/ping/a%20b"}, "its token has signs that cannot stand in a ping URL"),
    ],
)
def test_a_check_that_cannot_be_a_monitor_says_why_and_the_others_are_imported(
    home: Home, there: Healthchecks, fields: dict[str, Any], sentence: str
) -> None:
    there.checks[0] = check(**fields)
    out = home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert out.exit_code == 1
    assert sentence in words(out.output)
    assert list(home.there()) == [HOURLY]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"filter_http_body": True}, "Words in the body of a ping (filter_http_body) decide nothing here"),
        ({"filter_subject": True}, "Pings by e-mail are not received here, and so their keywords fall away: Nightly backup."),
        ({"filter_body": True}, "Pings by e-mail are not received here, and so their keywords fall away: Nightly backup."),
        ({"desc": "Ask Ada"}, "Descriptions: monitors have none here (1 of 2 checks have one)."),
    ],
)
def test_what_is_not_taken_over_is_said_once_with_the_checks_it_concerns(
    home: Home, there: Healthchecks, fields: dict[str, Any], sentence: str
) -> None:
    there.checks[0] = check(**fields)
    assert sentence in words(home.take("healthchecks", "--api-key", KEY, there.url).output)
    there.checks[0] = check()
    assert sentence[:20] not in words(home.take("healthchecks", "--api-key", KEY, there.url).output)


def test_notification_channels_are_listed_to_be_set_up_anew(home: Home, there: Healthchecks) -> None:
    there.channels = [
        {"id": "4ec5a071", "name": "#alerts", "kind": "slack"},
        *[{"id": str(n), "name": "", "kind": "email"} for n in (1, 2)],
    ]
    out = home.take("healthchecks", "--api-key", KEY, there.url)
    assert "are to be set up anew here: #alerts (slack), unnamed (email) (2 times)." in words(out.output)


@pytest.mark.parametrize("prefix", ["", "/monitoring/hc"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_api_is_asked_below_the_address_with_the_key_in_its_header(prefix: str, slash: str) -> None:
    there = Healthchecks(check(), prefix=prefix)
    assert len(healthchecks.read(healthchecks.base(there.url + slash), KEY).found) == 1
    there.close()
    assert there.asked == [(f"{prefix}/api/v3/checks/", KEY), (f"{prefix}/api/v3/channels/", KEY)]


def test_a_read_only_key_is_told_from_one_that_shows_ping_urls(home: Home, there: Healthchecks) -> None:
    there.checks = [read_only(check())]
    out = home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert out.exit_code == 1
    assert f"{there.url} shows no ping URLs to this API key, because it is a read-only one: give the read-write key" in words(out.output)
    assert home.there() == {}


HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {}, b'{"error": "wrong api key"}'), "refuses the API key (401): give the read-write key"),
        ((404, HTML, b"<h1>no</h1>"), "is not there (404): give the address at which the pages of Healthchecks open"),
        ((301, {"Location": "https://hc.example.org/x"}, b""), "answers 301, a redirect to https://hc.example.org/x: give the address"),
        ((307, {"Location": "/login"}, b""), "answers 307, a redirect to /login: give the address"),
        ((429, {}, b""), "asks for less haste (429)"),
        ((500, {}, b"oops"), "answers 500 Internal Server Error: look into the log of Healthchecks"),
        ((200, HTML, b"<html>Log in</html>"), "answers with text/html, and not with JSON"),
        ((200, HTML, b"\xff\xfe"), "answers with text/html, and not with JSON"),
        ((200, {}, b'{"checks": [{"name": "x"}]}'), "answers otherwise than API v3 of Healthchecks does (Object missing required field"),
        ((200, {}, b"[]"), "answers otherwise than API v3 of Healthchecks does"),
        ((200, {"Content-Type": "application/json"}, b'{"checks": ['), "answers with JSON that breaks off or is damaged"),
        ((200, {}, b"{" * 70), "answers with text/plain, and not with JSON"),
        ((0, {}, b""), "it closed the connection without an answer"),
    ],
)
def test_an_answer_that_is_no_list_of_checks_gets_a_sentence_with_the_address_and_no_key(
    home: Home, there: Healthchecks, answer: tuple[int, dict[str, str], bytes], sentence: str
) -> None:
    there.instead = answer
    out = home.take("healthchecks", "--api-key", KEY, there.url)
    assert out.exit_code == 1
    assert f"{there.url}/api/v3/checks/ " in words(out.output)
    assert sentence in words(out.output)
    assert KEY not in out.output


def test_a_redirect_does_not_get_the_key(home: Home, there: Healthchecks) -> None:
    elsewhere = Healthchecks(check())
    there.instead = (302, {"Location": f"{elsewhere.url}/api/v3/checks/"}, b"")
    assert home.take("healthchecks", "--api-key", KEY, there.url).exit_code == 1
    elsewhere.close()
    assert elsewhere.asked == []


def test_a_server_that_is_silent_or_absent_or_without_tls_gets_a_sentence(
    home: Home, there: Healthchecks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(url: str) -> str:
        out = home.take("healthchecks", "--api-key", KEY, url)
        assert out.exit_code == 1
        return words(out.output)

    assert "cannot be read: no TLS with it (" in said(there.url.replace("http:", "https:"))
    assert "cannot be read: connection refused; check the address, and that the server runs." in said("http://127.0.0.1:9")
    assert "cannot be read: its name is not known; check the address." in said("http://no-such-host.invalid")
    monkeypatch.setattr(healthchecks, "_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "cannot be read: no answer within 0.05 s" in said(f"http://127.0.0.1:{silent.getsockname()[1]}")


@pytest.mark.parametrize(
    "url", ["hc.example.org", "ftp://hc.example.org", "https://", "https://u:p@hc.example.org", "https://hc.example.org/?a=1", "http://a b"]
)
def test_what_is_no_address_is_wrong_usage(home: Home, url: str) -> None:
    out = home.take("healthchecks", "--api-key", KEY, url)
    assert (out.exit_code, "is no address of a Healthchecks" in words(out.output)) == (2, True)


def test_the_key_may_come_from_a_file(home: Home, there: Healthchecks, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    out = home.take("healthchecks", "--api-key-file", str(tmp_path / "key"), there.url)
    assert out.exit_code == 0
    assert f"lastbeat import healthchecks {there.url} --api-key-file {tmp_path}/key --data-dir {tmp_path} --apply" in out.output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Which API key?"),
        (["--api-key", KEY, "--api-key-file", "x"], "are both given"),
        (["--api-key-file", "/does/not/exist"], "The API key in /does/not/exist cannot be read"),
        (["--api-key", ""], "That is no API key"),
        (["--api-key", "a\nb"], "That is no API key"),
        (["--api-key", KEY, "--ping-key", "a b"], "a ping key is 1 to 128 letters"),
        (["--api-key", KEY, "--ping-key", "x" * 129], "a ping key is 1 to 128 letters"),
    ],
)
def test_keys_that_cannot_be_meant_are_wrong_usage(home: Home, there: Healthchecks, options: list[str], sentence: str) -> None:
    out = home.take("healthchecks", *options, there.url)
    assert (out.exit_code, sentence in words(out.output)) == (2, True), out.output
    assert there.asked == []


def test_the_ping_key_becomes_the_projects_and_the_preview_says_what_that_ends(home: Home, there: Healthchecks) -> None:
    before = home.ping_key()
    arguments = ["healthchecks", "--api-key", KEY, "--ping-key", "key-of_HC", there.url]
    out = home.take(*arguments)
    assert "URLs with the key that it has now will be unknown." in words(out.output)
    assert "--api-key KEY --ping-key KEY" in out.output
    assert "key-of_HC" not in out.output
    assert home.ping_key() == before
    home.take(*arguments, "--apply")
    assert home.ping_key() == "key-of_HC"
    out = home.take(*arguments)
    assert (out.exit_code, "will be unknown" in words(out.output), "There is nothing to be made." in out.output) == (0, False, True)


def test_a_ping_key_of_another_project_is_refused_before_anything_is_made(home: Home, there: Healthchecks) -> None:
    other = home.another("other")
    for more in ([], ["--apply"]):
        out = home.take("healthchecks", "--api-key", KEY, "--ping-key", other.ping_key, there.url, *more)
        assert (out.exit_code, "the ping key is that of the project 'other'" in words(out.output)) == (1, True)
    assert (there.asked, home.there()) == ([], {})


def test_a_slug_that_another_monitor_has_is_told_of(home: Home, there: Healthchecks) -> None:
    assert "Other monitors of the project have these slugs" not in home.take("healthchecks", "--api-key", KEY, there.url).output
    home.monitor(slug="hourly")
    out = home.take("healthchecks", "--api-key", KEY, there.url)
    assert "so that pings by slug will be refused: hourly." in words(out.output)
    with home.control.read() as connection:
        assert len(monitors.by_slug(connection, home.project.id, "hourly")) == 1


@pytest.mark.parametrize(
    ("ping_url", "sentence"),
    [
        (f"https://hc.example.org/ping/{NIGHTLY}", "point the name hc.example.org to Lastbeat, which answers the same paths."),
        (f"https://hc-ping.com/{NIGHTLY}", "Jobs ping https://hc-ping.com/<uuid>. Here the path is /ping/<uuid>: let a proxy rewrite it"),
    ],
)
def test_how_pings_come_here_depends_on_where_they_go_now(home: Home, there: Healthchecks, ping_url: str, sentence: str) -> None:
    there.checks = [check(ping_url=ping_url)]
    out = home.take("healthchecks", "--api-key", KEY, there.url, "--apply")
    assert sentence in words(out.output)
    assert 'Each monitor is "new" until its first ping arrives here' in words(out.output)
