from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from receiver import TOKEN, Receiver, Told

if TYPE_CHECKING:
    from heartbeat import heartbeat
else:  # the examples are no package of ours
    heartbeat = runpy.run_path(str(Path(__file__).parent.parent / "examples/heartbeat.py"))["heartbeat"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def test_a_block_that_ends_well_is_a_start_and_a_success_of_one_run(receiver: Receiver) -> None:
    with heartbeat(f"{receiver.url}?create=1"):
        assert receiver.paths == ["/start"]
    begun, ended = receiver.pings
    assert (ended.path, ended.body, ended.query["create"]) == ("", b"", "1")
    assert begun.query == ended.query and len(begun.query["rid"]) == 36


def test_a_block_that_fails_sends_its_traceback_and_fails_all_the_same(receiver: Receiver) -> None:
    with pytest.raises(ZeroDivisionError), heartbeat(receiver.url):
        1 / 0  # noqa: B018
    text = receiver.pings[1].body.decode()
    assert receiver.paths == ["/start", "/fail"]
    assert text.startswith("Traceback") and text.endswith("ZeroDivisionError: division by zero\n")


def test_of_a_long_traceback_the_end_is_sent(receiver: Receiver) -> None:
    with pytest.raises(ValueError), heartbeat(receiver.url):
        raise ValueError("x" * 20_000 + "the end")
    body = receiver.pings[1].body
    assert (len(body), body[-8:]) == (10_000, b"the end\n")


def test_each_call_of_a_decorated_function_is_a_run(receiver: Receiver) -> None:
    @heartbeat(receiver.url)
    def double(number: int) -> int:
        """Twice as much."""
        return 2 * number

    assert (double(2), double(number=4), double.__doc__) == (4, 8, "Twice as much.")
    assert receiver.paths == ["/start", "", "/start", ""]
    assert len({ping.query["rid"] for ping in receiver.pings}) == 2


@pytest.mark.parametrize(("code", "path"), [(None, ""), (0, ""), (3, "/fail"), ("no disk", "/fail")])
def test_a_job_that_leaves_by_exit_is_judged_by_its_status(receiver: Receiver, code: object, path: str) -> None:
    with pytest.raises(SystemExit), heartbeat(receiver.url):
        raise SystemExit(code)
    assert receiver.paths == ["/start", path]


@pytest.mark.parametrize("told", [None, Told(503, {}, b""), Told(404, {}, b"not found")])
def test_no_server_stops_a_job(receiver: Receiver, told: Told | None, capsys: pytest.CaptureFixture[str]) -> None:
    if told is None:
        receiver.close()
    else:
        receiver.told = [told, told]
    done = False
    with heartbeat(receiver.url):
        done = True
    said = capsys.readouterr().err
    assert done and said.count("the ping did not arrive: ") == 2 and TOKEN not in said


@pytest.mark.parametrize("url", ["", TOKEN, f"http://127.0.0.1:port/{TOKEN}", f"http://[/{TOKEN}", f"gopher://a/{TOKEN}"])
def test_no_url_stops_a_job(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with heartbeat(url):
        pass
    said = capsys.readouterr().err
    assert said.count("the ping did not arrive: ") == 2 and TOKEN not in said
