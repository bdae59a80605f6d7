"""Clients of Healthchecks from PyPI, and the lines of Python in its documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from clients import Arrived, Target, made_by_ping, new, on_plan, ping_key, python
from serving import Server

pytestmark = pytest.mark.server

# What a user of the package healthchecks-io writes. `said` prints whether a ping succeeded, or what it raised.
IO = """\
from healthchecks_io import AsyncClient, CheckTrap, Client
client = Client(ping_key={key!r}, ping_url={url!r})
def said(ping, *arguments, **named):
    try:
        print(ping(*arguments, **named)[0])
    except Exception as error:
        print(type(error).__name__)
"""


def io(live: Server, where: Path, script: str, key: str = "") -> list[str]:
    """The lines that the script prints."""
    return python(IO.format(key=key, url=f"{live.base}/ping/") + script, where).splitlines()


def test_healthchecks_io_pings_by_uuid(live: Server, tmp_path: Path) -> None:
    job = new(live)
    script = f"""
said(client.start_ping, uuid={job.token!r})
said(client.success_ping, uuid={job.token!r})
said(client.exit_code_ping, 0, uuid={job.token!r})
said(client.fail_ping, uuid={job.token!r})
said(client.exit_code_ping, 74, uuid={job.token!r})
"""
    assert io(live, tmp_path, script) == ["True"] * 5
    pings = [Arrived("start"), Arrived("success"), Arrived("success", exit_status=0), Arrived("fail"), Arrived("fail", exit_status=74)]
    assert job.arrived(5) == pings
    assert {ping["userAgent"].partition("/")[0] for ping in job.pings(5)} == {"py-healthchecks.io"}
    assert job.pings(5)[1]["duration"] > 0
    job.becomes("down")


def test_healthchecks_io_pings_by_slug_and_a_flat_object_is_metrics(live: Server, tmp_path: Path) -> None:
    job = new(live, slug="nightly")
    script = """
said(client.start_ping, slug="nightly")
said(client.success_ping, slug="nightly", data='{"rows": 1200, "mode": "full"}')
"""
    assert io(live, tmp_path, script, ping_key(live)) == ["True"] * 2
    assert [ping["kind"] for ping in job.pings(2)] == ["start", "success"]
    assert job.metrics().items() >= {"rows": 1200, "mode": "full"}.items()
    job.becomes("up")


def test_healthchecks_io_calls_its_text_json_so_the_ping_counts_and_the_text_is_refused(live: Server, tmp_path: Path) -> None:
    good, bad = new(live), new(live)
    script = f"""
said(client.success_ping, uuid={good.token!r}, data="27 files")
said(client.fail_ping, uuid={bad.token!r}, data="the disk is full")
"""
    assert io(live, tmp_path, script) == ["BadAPIRequestError"] * 2
    (success,), (fail,) = good.pings(1), bad.pings(1)
    assert (success["kind"], fail["kind"]) == ("success", "fail")
    assert success["problem"].startswith("the body is not JSON: ")
    good.becomes("up")
    bad.becomes("down")


def test_healthchecks_io_traps_a_block_that_succeeds_and_one_that_fails(live: Server, tmp_path: Path) -> None:
    good, bad = new(live), new(live)
    script = f"""
import asyncio
with CheckTrap(client, uuid={good.token!r}):
    pass
async def main():
    async with CheckTrap(AsyncClient(ping_url={live.base + "/ping/"!r}), uuid={bad.token!r}):
        raise ValueError("no more room")
try:
    asyncio.run(main())
except Exception as error:
    print(repr(error.__context__))
"""
    assert io(live, tmp_path, script) == ["ValueError('no more room')"]
    assert good.arrived(2) == [Arrived("start"), Arrived("success")]
    assert [ping["kind"] for ping in bad.pings(2)] == ["start", "fail"]
    assert good.pings(2)[1]["duration"] > 0
    good.becomes("up")
    bad.becomes("down")


def test_healthchecks_io_raises_what_it_has_for_each_refusal(live: Server, tmp_path: Path) -> None:
    slow, job = on_plan(live, "free"), new(live)
    for _ in range(2):
        new(live, slug="twice")
    unknown = "5f0c1d2e-0000-4000-8000-00000000abcd"
    script = f"""
said(client.success_ping, uuid={unknown!r})
said(client.success_ping, slug="nobody")
said(client.success_ping, slug="twice")
said(client.success_ping, slug="Capitals")
said(client.exit_code_ping, 256, uuid={job.token!r})
said(client.success_ping, uuid={slow.token!r})
said(client.success_ping, uuid={slow.token!r})
said(client.start_ping, uuid={slow.token!r})
"""
    assert io(live, tmp_path, script, ping_key(live)) == [
        "CheckNotFoundError",
        "CheckNotFoundError",
        "NonUniqueSlugError",
        "BadAPIRequestError",
        "BadAPIRequestError",
        "True",
        "HCAPIRateLimitError",
        "True",
    ]
    assert slow.arrived(2) == [Arrived("success"), Arrived("start")]
    assert job.shown()["status"] == "new"


def decorated(url: str, body: str, where: Path) -> None:
    script = f"""
from healthchecks_decorator import healthcheck
@healthcheck(url={url!r}, send_start=True, send_diagnostics=True)
def job():
    {body}
try:
    job()
except ZeroDivisionError:
    pass
"""
    python(script, where)


def test_healthchecks_decorator_reports_a_function_and_what_it_returns(live: Server, tmp_path: Path) -> None:
    job = new(live)
    decorated(job.url, "return {'temperature': -7, 'unit': 'C'}", tmp_path)
    assert job.arrived(2) == [Arrived("start"), Arrived("success", "temperature=-7&unit=C")]
    assert job.pings(2)[1]["userAgent"].startswith("Python-urllib/")
    assert job.pings(2)[1]["duration"] > 0
    job.becomes("up")


def test_healthchecks_decorator_reports_a_function_that_raises(live: Server, tmp_path: Path) -> None:
    job = new(live)
    decorated(job.url, "1 / 0", tmp_path)
    assert job.arrived(2) == [Arrived("start"), Arrived("fail")]
    job.becomes("down")


def test_healthchecks_decorator_keeps_the_query_and_so_makes_its_monitor(live: Server, tmp_path: Path) -> None:
    decorated(f"{live.base}/ping/{ping_key(live)}/decorated?create=1", "return None", tmp_path)
    assert made_by_ping(live, "decorated").arrived(2) == [Arrived("start"), Arrived("success")]


# As in the documentation, but for the URL and the recursion.
DOCUMENTED = [
    ('import urllib.request\nurllib.request.urlopen("PING_URL")', [Arrived("success")]),
    (
        """\
import requests
try:
    requests.get("PING_URL", timeout=10)
except requests.RequestException as e:
    print("Ping failed: %s" % e)""",
        [Arrived("success")],
    ),
    ('import requests\nrequests.post("PING_URL", data="temperature=-7")', [Arrived("success", "temperature=-7")]),
    (
        'import requests\nURL = "PING_URL"\nrequests.get(URL + "/start", timeout=5)\nrequests.get(URL)',
        [Arrived("start"), Arrived("success")],
    ),
    ('import requests\nURL = "PING_URL"\nsuccess = False\nrequests.get(URL if success else URL + "/fail")', [Arrived("fail")]),
]


@pytest.mark.parametrize(("script", "expected"), DOCUMENTED)
def test_the_documentation_s_lines_of_python(live: Server, tmp_path: Path, script: str, expected: list[Arrived]) -> None:
    job: Target = new(live)
    assert python(script.replace("PING_URL", job.url), tmp_path) == ""
    assert job.arrived(len(expected)) == expected
    job.becomes("down" if expected[-1].kind == "fail" else "up")
