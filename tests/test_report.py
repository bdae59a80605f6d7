from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from receiver import TOKEN, Receiver, Told

from lastbeat import report
from lastbeat.report import Reporter, Start, Undelivered, address, check, server

RID = "6c8d3a4e-6f0b-4c2f-9d3e-0a1b2c3d4e5f"
BUSY = Told(503, {}, b"")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


class Pauses:
    """How long the reporter waited between its tries; the last try is before the `limit`th pause."""

    def __init__(self, limit: int = 1_000) -> None:
        self.seconds: list[float] = []
        self.limit = limit

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return len(self.seconds) < self.limit


def refused(reporter: Reporter) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        reporter.send()
    assert TOKEN not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("url", "suffix", "wanted"),
    [
        ("https://a.example/ping/t", "", "https://a.example/ping/t?rid=r&metric=rows:12&metric=a%26+b:0.5"),
        ("https://a.example/ping/t/", "", "https://a.example/ping/t/?rid=r&metric=rows:12&metric=a%26+b:0.5"),
        ("https://a.example/ping/t/", "start", "https://a.example/ping/t/start?rid=r&metric=rows:12&metric=a%26+b:0.5"),
        ("http://a:8000/k/slug?create=1", "17", "http://a:8000/k/slug/17?create=1&rid=r&metric=rows:12&metric=a%26+b:0.5"),
    ],
)
def test_the_suffix_goes_into_the_path_and_the_rest_behind_what_the_url_asks_already(url: str, suffix: str, wanted: str) -> None:
    assert address(url, suffix, "r", {"rows": 12, "a& b": 0.5}) == wanted


def test_a_url_is_not_touched_where_nothing_is_added() -> None:
    assert address("https://a.example/ping/t?create=1") == "https://a.example/ping/t?create=1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cr3t",
        "ftp://a/s3cr3t",
        "http:///s3cr3t",
        "http://a:b/s3cr3t",
        "http://u:s3cr3t@a/",
        "http://a/s3cr3t x",
        "http://a/s3cr3t\n",
        "http://ä/",
    ],
)
def test_what_can_be_no_ping_url_is_a_sentence_without_it(url: str) -> None:
    with pytest.raises(ValueError) as raised:
        check(url)
    assert "s3cr3t" not in str(raised.value) and "such as https://" in str(raised.value)


def test_of_a_url_scheme_and_host_may_be_shown() -> None:
    check("https://a.example:8443/ping/s3cr3t?create=1")
    assert server("https://a.example:8443/ping/s3cr3t?create=1") == "https://a.example:8443"


def test_a_ping_is_a_post_with_its_text(receiver: Receiver) -> None:
    receiver.told = [Told(headers={"Ping-Body-Limit": "500"})]
    receipt = Reporter(receiver.url).send("3", rid=RID, metrics={"rows": 2.5}, body="töxt".encode())
    (ping,) = receiver.pings
    assert (receipt.body_limit, receipt.problem) == (500, None)
    assert (ping.method, ping.path, ping.query["rid"], ping.metrics) == ("POST", "/3", RID, {"rows": 2.5})
    assert (ping.body.decode(), ping.headers["Content-Type"], ping.headers["Content-Length"]) == ("töxt", "text/plain; charset=utf-8", "5")


@pytest.mark.parametrize("limit", ["", "-1", "ten", "9" * 20])
def test_a_limit_that_is_no_number_is_the_usual_one(receiver: Receiver, limit: str) -> None:
    receiver.told = [Told(headers={"Ping-Body-Limit": limit})]
    assert Reporter(receiver.url).send().body_limit == 10_000


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_after_growing_pauses(receiver: Receiver, status: int) -> None:
    pauses = Pauses()
    receiver.told = [Told(status, {}, b"")] * 3
    Reporter(receiver.url, retries=3, pause=pauses).send("fail")
    assert receiver.paths == ["/fail"] * 4
    assert pauses.seconds == [1, 2, 4]


def test_the_tries_have_an_end(receiver: Receiver) -> None:
    pauses = Pauses()
    receiver.told = [BUSY] * 9
    assert str(refused(Reporter(receiver.url, pause=pauses))) == f"{receiver.base} answered 503: service unavailable"
    assert (len(receiver.pings), pauses.seconds) == (3, [1, 2])


def test_no_more_is_tried_once_the_pause_says_so(receiver: Receiver) -> None:
    receiver.told = [BUSY] * 9
    refused(Reporter(receiver.url, retries=5, pause=Pauses(limit=2)))
    assert len(receiver.pings) == 2


def test_the_server_says_when_to_try_again(receiver: Receiver) -> None:
    pauses = Pauses()
    receiver.told = [Told(429, {"Retry-After": "17"}, b""), Told(503, {"Retry-After": "0"}, b""), Told(503, {"Retry-After": "soon"}, b"")]
    Reporter(receiver.url, retries=3, pause=pauses).send()
    assert pauses.seconds == [17, 2, 4]


def test_a_server_that_wants_more_time_than_there_is_is_not_asked_again(receiver: Receiver) -> None:
    receiver.told = [Told(429, {"Retry-After": "540"}, b'{"error": "rate limited", "retryAfter": 540}')]
    pauses = Pauses()
    assert str(refused(Reporter(receiver.url, pause=pauses))) == f"{receiver.base} answered 429: rate limited"
    assert (len(receiver.pings), pauses.seconds) == (1, [])


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (Told(404, {}, b"not found"), "404: it knows no such monitor; check the ping URL"),
        (Told(200, {}, b"OK (not found)"), "404: it knows no such monitor; check the ping URL"),
        (Told(400, {}, b'{"error": "the rid is no UUID."}'), "400: the rid is no UUID"),
        (Told(400, {}, f'{{"error": "no {TOKEN} here"}}'.encode()), "400: bad request"),
        (Told(400, {}, b"[" * 2_000), "400: bad request"),
        (Told(403, {}, b"[1]"), "403: forbidden"),
        (
            Told(301, {"Location": f"https://b.example/ping/{TOKEN}"}, b""),
            "301, a redirect to https://b.example; give the ping URL that is meant",
        ),
    ],
)
def test_a_refusal_is_a_sentence_and_not_tried_again(receiver: Receiver, told: Told, sentence: str) -> None:
    receiver.told = [told]
    error = refused(Reporter(receiver.url))
    assert (str(error), error.permanent, len(receiver.pings)) == (f"{receiver.base} answered {sentence}", True, 1)


def test_the_hosted_healthchecks_says_with_200_that_it_has_enough(receiver: Receiver) -> None:
    receiver.told = [Told(body=b"OK (rate limited)")]
    Reporter(receiver.url, pause=Pauses()).send()
    assert len(receiver.pings) == 2


def test_a_ping_whose_metrics_were_refused_is_recorded(receiver: Receiver) -> None:
    receiver.told = [Told(400, {}, b'{"error": "the key is too long", "ping": "recorded", "metrics": "refused"}')]
    assert Reporter(receiver.url).send().problem == "the key is too long"


def test_nobody_there_is_a_sentence_and_tried_again(receiver: Receiver) -> None:
    receiver.close()
    pauses = Pauses()
    assert str(refused(Reporter(receiver.url, pause=pauses))) == f"{receiver.base} cannot be reached: connection refused"
    assert pauses.seconds == [1, 2]


def test_a_name_that_cannot_be_one_is_a_sentence() -> None:
    assert str(refused(Reporter(f"http://{'a' * 70}.example/{TOKEN}", retries=0))).endswith(".example cannot be reached: UnicodeError")


def test_a_server_that_hangs_up_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close()).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}"
        assert "cannot be reached: " in str(refused(Reporter(url, retries=0)))


def test_a_server_that_never_answers_takes_no_longer_than_the_timeout(receiver: Receiver) -> None:
    hold = threading.Event()
    receiver.told = [Told(after=hold)]
    assert str(refused(Reporter(receiver.url, timeout=0.1, retries=0))) == f"{receiver.base} cannot be reached: no answer within 0.1 s"
    hold.set()


def test_an_answer_that_drips_takes_no_longer_than_the_timeout() -> None:
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.02):  # each byte comes long before a socket's timeout
            connection.sendall(b"x")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}"
        assert str(refused(Reporter(url, timeout=0.2, retries=0))).endswith("no answer within 0.2 s")
        over.set()
        thread.join()


def test_a_start_is_sent_beside_the_job_and_brings_the_limit(receiver: Receiver) -> None:
    receiver.told = [Told(headers={"Ping-Body-Limit": "77"})]
    receipt = Start(receiver.url, 10, 0, RID).finish()
    assert receipt is not None and receipt.body_limit == 77
    assert [(ping.path, ping.query) for ping in receiver.pings] == [("/start", {"rid": RID})]


def test_the_end_waits_for_the_start_that_is_under_way(receiver: Receiver) -> None:
    hold = threading.Event()
    receiver.told = [Told(after=hold)]
    start = Start(receiver.url, 10, 0, RID)
    threading.Timer(0.1, hold.set).start()
    assert start.finish() is not None


def test_the_end_does_not_wait_long_for_a_start(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "START_TIMEOUT", 0.1)
    hold = threading.Event()
    receiver.told = [Told(after=hold)]
    assert Start(receiver.url, 60, 0, RID).finish() is None
    hold.set()


def test_a_start_is_not_tried_again_once_the_job_is_over(receiver: Receiver) -> None:
    hold = threading.Event()
    receiver.told = [Told(503, {}, b"", after=hold), BUSY]
    start = Start(receiver.url, 10, 5, RID)
    threading.Timer(0.1, hold.set).start()
    assert start.finish() is None
    assert receiver.paths == ["/start"]
