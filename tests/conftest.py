"""What every test relies on: the order of the run, a clean environment, and the programs that some tests need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from clients import server_in
from serving import Server


def require(program: str) -> str:
    """The path of an installed program; skips the test where it is missing, or fails it where `LASTBEAT_TEST_REQUIRE_SERVERS=1`."""
    path = shutil.which(program)
    if path is not None:
        return path
    sentence = f"`{program}` is not installed: `make test` as root on Debian installs it, or put it on the PATH"
    if os.environ.get("LASTBEAT_TEST_REQUIRE_SERVERS") == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def pytest_configure() -> None:
    # A developer's own settings must not reach the servers that tests start.
    for name in [name for name in os.environ if name.startswith("LASTBEAT_") and not name.startswith("LASTBEAT_TEST_")]:
        del os.environ[name]


# Fixtures that start a real server: a test that asks for one is no unit test.
_SERVERS = {"influx", "live"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests first, then those that start a server, then those that drive a browser: the quickest answer comes first."""
    for item in items:
        if isinstance(item, pytest.Function) and _SERVERS & set(item.fixturenames):
            item.add_marker("server")
    items.sort(key=lambda item: bool(item.get_closest_marker("server")) + 2 * bool(item.get_closest_marker("browser")))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": require("chromium")}


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server for all tests that only ping monitors of their own."""
    server = server_in(tmp_path_factory.mktemp("live"))
    yield server.start()
    server.end()
