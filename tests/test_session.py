"""Who gets in: the password, its limits, and forms that only our own pages can send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import BASE, PASSWORD, House
from werkzeug.security import generate_password_hash

from dashboards.session import Tries, local
from store.control import settings
from store.model import SECOND


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def test_without_a_login_every_page_leads_to_it(house: House) -> None:
    for path in ("/", "/channels", "/new", "/m/mon_1", "/m/mon_1/live", "/m/mon_1/metrics.csv"):
        reply = house.get(path)
        assert (reply.status_code, reply.location.split("?")[0]) == (303, "/login"), path


def test_after_the_login_one_is_where_one_wanted_to_be(house: House) -> None:
    sent_to = house.get("/channels?x=1").location
    assert house.post(sent_to, page=sent_to, password=PASSWORD).location == "/channels?x=1"
    assert house.get("/channels").status_code == 200


def test_a_wrong_password_is_told_and_opens_nothing(house: House) -> None:
    reply = house.post("/login", page="/login", password="guess")
    assert reply.status_code == 422 and "not the password" in reply.text
    assert house.get("/").status_code == 303


def test_a_page_without_any_password_set_says_what_to_do(house: House) -> None:
    with house.control.begin() as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'admin_password_hash'")
    assert "LASTBEAT_ADMIN_PASSWORD" in house.get("/login").text
    assert house.get("/").status_code == 303


def test_the_sixth_try_in_a_minute_has_to_wait_even_if_it_is_right(house: House) -> None:
    for _ in range(5):
        assert house.post("/login", page="/login", password="guess").status_code == 422
    late = house.post("/login", page="/login", password=PASSWORD)
    assert late.status_code == 429 and 0 < int(late.headers["Retry-After"]) <= 61
    house.pass_seconds(61)
    assert house.post("/login", page="/login", password=PASSWORD).status_code == 303


def test_tries_are_counted_for_each_address_alone_and_forgotten_after_a_minute() -> None:
    tries = Tries()
    assert [tries.wait("10.0.0.1", 0) for _ in range(6)] == [0, 0, 0, 0, 0, 61]
    assert tries.wait("10.0.0.2", 0) == 0
    assert tries.wait("10.0.0.1", 61 * SECOND) == 0


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        ("/m/mon_1?range=6h", "/m/mon_1?range=6h"),
        (None, "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\tevil", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_the_login_leads_only_to_our_own_pages(target: str | None, taken: str) -> None:
    assert local(target) == taken


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(house: House) -> None:
    cookie = house.post("/login", page="/login", password=PASSWORD).headers["Set-Cookie"]
    assert cookie.startswith("lastbeat=") and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Expires=" in cookie


def test_a_new_password_ends_all_sessions(house: House) -> None:
    house.log_in()
    assert house.get("/").status_code == 200
    with house.control.begin() as connection:
        settings.put(connection, settings.ADMIN_PASSWORD_HASH, generate_password_hash("another", "pbkdf2:sha256:1"))
    assert house.get("/").status_code == 303


def test_logging_out_ends_the_session(house: House) -> None:
    house.log_in()
    assert house.post("/logout").location == "/login"
    assert house.get("/").status_code == 303


@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": "ä"}])
def test_a_form_without_the_sessions_token_does_nothing(house: House, form: dict[str, str]) -> None:
    house.log_in()
    house.get("/channels")
    reply = house.client.post("/channels", base_url=BASE, data={"name": "x", "url": "https://x.example", **form})
    assert reply.status_code == 400 and "nothing was done" in reply.text


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://lastbeat.test.evil.example", "http://lastbeat.test:81"])
def test_a_form_sent_from_another_site_does_nothing(house: House, origin: str) -> None:
    house.log_in()
    with house.client.session_transaction(base_url=BASE) as session:
        session["csrf"] = "token"
    reply = house.client.post("/logout", base_url=BASE, data={"csrf": "token"}, headers={"Origin": origin})
    assert reply.status_code == 400 and "another site" in reply.text
    assert house.client.post("/logout", base_url=BASE, data={"csrf": "token"}, headers={"Origin": BASE}).status_code == 303


def test_a_token_from_before_the_login_is_worth_nothing_after_it(house: House) -> None:
    house.get("/login")
    with house.client.session_transaction(base_url=BASE) as session:
        before = session["csrf"]
    house.log_in()
    assert house.client.post("/logout", base_url=BASE, data={"csrf": before}).status_code == 400


def test_asking_for_the_head_of_the_login_page_is_no_try(house: House) -> None:
    assert [house.client.head("/login", base_url=BASE).status_code for _ in range(7)] == [200] * 7
