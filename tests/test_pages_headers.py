"""What every answer of the pages forbids browsers, and how long they may keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import House
from flask import Blueprint, abort
from werkzeug.exceptions import HTTPException


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.log_in()
    yield house
    house.close()


@pytest.mark.parametrize("path", ["/", "/login", "/live", "/channels", "/new", "/m/mon_nobody", "/assets/app.css", "/assets/nothing"])
def test_nothing_inline_and_nothing_foreign_may_run(house: House, path: str) -> None:
    headers = house.get(path).headers
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin"


def test_pages_contain_nothing_that_the_policy_would_refuse(house: House) -> None:
    monitor = house.monitor()
    house.ping(monitor, {"load": 1.0})
    for path in ("/", "/login", "/channels", "/new", f"/m/{monitor.id}", f"/m/{monitor.id}/edit", f"/m/{monitor.id}/delete"):
        page = house.get(path).text
        assert not re.search(r"\sstyle=|\son\w+=|javascript:|<style", page), path
        assert set(re.findall(r"<script ([^>]+)>", page)) <= {
            'type="application/json"',
            *re.findall(r'<script (type="module" src="/assets/[^"]+")>', page),
        }


def test_pages_are_kept_nowhere_and_static_files_for_ever(house: House) -> None:
    assert house.get("/").headers["Cache-Control"] == "no-store"
    address = re.search(r'rel="stylesheet" href="([^"]+)"', house.get("/").text)
    assert address and "immutable" in house.get(address[1]).headers["Cache-Control"]
    assert "immutable" not in house.get("/assets/app.css").headers["Cache-Control"]


def test_what_is_nowhere_gets_a_page_with_the_same_protection(house: House) -> None:
    reply = house.get("/nowhere")
    assert reply.status_code == 404 and "All monitors" in reply.text and "Content-Security-Policy" in reply.headers


def test_the_errors_of_other_parts_of_the_application_stay_theirs(tmp_path: Path) -> None:
    house = House(tmp_path)
    other = Blueprint("other", __name__)
    other.register_error_handler(HTTPException, lambda error: ({"error": error.name}, error.code))
    other.add_url_rule("/other", view_func=lambda: abort(404))
    house.app.register_blueprint(other)
    assert house.get("/other").json == {"error": "Not Found"}
    house.close()
