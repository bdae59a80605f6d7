from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import require

from rules.channels import Message, Undelivered, senders
from rules.channels.webhook import MASK, Webhook, signature
from store.model import SECOND

NOW = 1_700_000_000 * SECOND + 5
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DOWN: dict[str, Any] = {
    "event": "monitor_down",
    "id": "msg_1",
    "incidentId": "inc_1",
    "sequence": 1,
    "timestamp": "2026-11-23T03:04:05.678Z",
    "monitor": {"id": "mon_1", "name": "Nightly „Backup“", "url": "https://beat.example/base/m/mon_1"},
    "details": {"reason": "missed", "lastPingAt": None, "downSince": "2026-11-23T03:04:00.000Z"},
}
UP = DOWN | {"event": "monitor_up", "sequence": 2, "timestamp": "2026-11-23T03:09:00.000Z"}
Play = Callable[[BaseHTTPRequestHandler], None]


class Receiver:
    """An HTTP/1.1 server on loopback that keeps what it got and answers as `play` does; `gone` is set when it is to end."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.play: Play = answer(204)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.gone = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.got.append((f"{self.command} {self.path}", {k.lower(): v for k, v in self.headers.items()}, body))
                with contextlib.suppress(OSError):
                    receiver.play(self)

            do_PUT = do_GET = do_POST  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  # senders that hang up are what is tested
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.url = f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{self.server.server_port}/hook/s3cr3t-path"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.gone.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def answer(status: int, body: bytes = b"", **headers: str) -> Play:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return play


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def _send(config: dict[str, Any], payload: dict[str, Any] | None = None, seconds: float = 5.0) -> None:
    payload = payload or DOWN
    Webhook(clock=lambda: NOW, seconds=seconds).send(config, Message("msg_1", payload["event"], NOW, payload))


def _refused(config: dict[str, Any], seconds: float = 5.0) -> Undelivered:
    with pytest.raises(Undelivered) as raised:
        _send(config, seconds=seconds)
    return raised.value


def test_a_message_is_one_post_of_its_payload(receiver: Receiver) -> None:
    _send({"url": receiver.url})
    ((request, headers, body),) = receiver.got
    assert request == "POST /hook/s3cr3t-path"
    assert json.loads(body) == DOWN
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("lastbeat")
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg_1", "1700000000")
    assert "webhook-signature" not in headers


def test_the_published_example_of_standard_webhooks_is_signed_alike() -> None:
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, "correct horse battery", "größenwahn"])
def test_what_arrives_carries_the_signature_of_what_arrived(receiver: Receiver, secret: str) -> None:
    _send({"url": receiver.url, "secret": secret})
    ((_, headers, body),) = receiver.got
    assert headers["webhook-signature"] == signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    if secret == SECRET:
        plain = base64.b64decode(SECRET.removeprefix("whsec_")).decode("latin-1")
        assert headers["webhook-signature"] != signature(plain, "msg_1", 1_700_000_000, body)


def test_own_headers_are_sent_and_may_replace_the_usual_ones(receiver: Receiver) -> None:
    _send({"url": receiver.url, "headers": {"Authorization": "Bearer x", "content-type": "application/vnd.x+json", "User-Agent": "me"}})
    headers = receiver.got[0][1]
    assert (headers["authorization"], headers["content-type"], headers["user-agent"]) == ("Bearer x", "application/vnd.x+json", "me")


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_other_methods(receiver: Receiver, method: str) -> None:
    _send({"url": receiver.url, "method": method, "secret": SECRET})
    ((request, headers, body),) = receiver.got
    assert request.startswith(f"{method} /hook")
    assert json.loads(body) == DOWN if method == "PUT" else body == b""
    assert headers["webhook-signature"] == signature(SECRET, "msg_1", 1_700_000_000, body)


def test_connections_are_used_again(receiver: Receiver) -> None:
    webhook = Webhook(clock=lambda: NOW)
    for play in (answer(200, b"thank you"), answer(204), answer(200)):
        receiver.play = play
        webhook.send({"url": receiver.url}, Message("msg_1", "test", NOW, DOWN))
    assert (len(receiver.got), receiver.connections) == (3, 1)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_delivery(receiver: Receiver, status: int) -> None:
    receiver.play = answer(status)
    _send({"url": receiver.url})


@pytest.mark.parametrize(
    ("permanent", "status"),
    [(True, status) for status in (300, 304, 400, 401, 404, 405, 410, 422)]
    + [(False, status) for status in (408, 425, 429, 500, 502, 503, 504)],
)
def test_other_answers_are_worth_a_retry_or_not(receiver: Receiver, permanent: bool, status: int) -> None:
    receiver.play = answer(status)
    refused = _refused({"url": receiver.url})
    assert refused.permanent is permanent and f"answered {status}" in str(refused)
    assert "s3cr3t-path" not in str(refused), "the path of a URL may be its secret"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (format_datetime(datetime.fromtimestamp(1_700_000_090, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(1_600_000_000, UTC), usegmt=True), 0.0),
        ("9" * 400, 86_400.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Fri, 31 Dec 9999 23:59:59 -9959", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(receiver: Receiver, value: str, seconds: float | None) -> None:
    receiver.play = answer(503, Retry_After=value)
    refused = _refused({"url": receiver.url})
    assert refused.retry_after == (None if seconds is None else pytest.approx(seconds, abs=1))


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.play = answer(302, Location=f"{receiver.url}/elsewhere")
    refused = _refused({"url": receiver.url})
    assert len(receiver.got) == 1 and refused.permanent and "redirects are not followed" in str(refused)


def test_the_start_of_an_answer_is_told_on_one_line(receiver: Receiver) -> None:
    receiver.play = answer(500, b"oh no\r\n\x1b[31m\xff " + b"x" * 5_000)
    assert str(_refused({"url": receiver.url})).split("answered 500: ")[1] == "oh no  [31m\ufffd " + "x" * 187


def test_an_answer_that_echoes_secrets_is_not_told_with_them(receiver: Receiver) -> None:
    config = {"url": receiver.url, "secret": SECRET, "headers": {"Authorization": "Bearer abcdefgh12345678", "X-Key": "k3y-of-mine"}}
    echo = f"no {SECRET} and no abcdefgh12345678 and no k3y-of-mine, " + "x" * 120 + SECRET
    receiver.play = answer(400, echo.encode())
    assert str(_refused(config)).split("answered 400: ")[1].startswith("no *** and no *** and no ***, xxx")
    assert "whsec" not in str(_refused(config))


def _forever(receiver: Receiver, chunk: bytes, pause: float) -> Play:
    def play(handler: BaseHTTPRequestHandler) -> None:
        while not receiver.gone.wait(pause):
            handler.wfile.write(chunk)

    return play


def _head_then(status: int, rest: Play) -> Play:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(f"HTTP/1.1 {status} x\r\nContent-Length: 1000\r\n\r\n".encode())
        rest(handler)

    return play


def _lasts(config: dict[str, Any], seconds: float) -> tuple[float, Undelivered | None]:
    start = time.monotonic()
    try:
        _send(config, seconds=seconds)
    except Undelivered as refused:
        return time.monotonic() - start, refused
    return time.monotonic() - start, None


def test_a_receiver_that_hangs_is_left(receiver: Receiver) -> None:
    def play(_: BaseHTTPRequestHandler) -> None:
        receiver.gone.wait(10)

    receiver.play = play
    lasted, refused = _lasts({"url": receiver.url}, 0.3)
    assert refused is not None and not refused.permanent and "no answer within 0.3 s" in str(refused)
    assert 0.3 <= lasted < 2


def test_a_receiver_that_drips_its_head_is_left_as_well(receiver: Receiver) -> None:
    receiver.play = _forever(receiver, b"H", 0.02)
    lasted, refused = _lasts({"url": receiver.url}, 0.3)
    assert refused is not None and not refused.permanent and "no answer within 0.3 s" in str(refused)
    assert 0.3 <= lasted < 2


@pytest.mark.parametrize(("status", "told"), [(200, None), (500, "answered 500"), (404, "answered 404")])
def test_a_receiver_that_drips_its_body_has_answered_all_the_same(receiver: Receiver, status: int, told: str | None) -> None:
    receiver.play = _head_then(status, _forever(receiver, b"x", 0.02))
    lasted, refused = _lasts({"url": receiver.url}, 0.3)
    assert (refused is None) if told is None else told in str(refused)
    assert lasted < 2


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_not_read_to_its_end(receiver: Receiver, status: int) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(f"HTTP/1.1 {status} x\r\nConnection: close\r\n\r\n".encode())
        _forever(receiver, b"x" * 65_536, 0)(handler)

    receiver.play = play
    lasted, refused = _lasts({"url": receiver.url}, 5)
    assert (refused is None) == (status == 200) and lasted < 4
    assert refused is None or len(str(refused)) < 300


def test_headers_without_end_are_no_answer(receiver: Receiver) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        _forever(receiver, b"X-Many: " + b"y" * 1_000 + b"\r\n", 0)(handler)

    receiver.play = play
    assert "its answer is no HTTP" in str(_refused({"url": receiver.url}))


@pytest.mark.parametrize(("said", "told"), [(b"SSH-2.0-OpenSSH\r\n", "no HTTP"), (b"", "closed the connection without an answer")])
def test_what_is_no_http_is_told_apart(receiver: Receiver, said: bytes, told: str) -> None:
    def play(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(said)
        handler.close_connection = True

    receiver.play = play
    refused = _refused({"url": receiver.url})
    assert not refused.permanent and told in str(refused)


def test_where_nobody_listens_is_worth_a_retry() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    refused = _refused({"url": f"http://127.0.0.1:{port}/s3cr3t-path"})
    assert not refused.permanent
    assert str(refused) == f"http://127.0.0.1:{port} cannot be reached: connection refused"


def test_the_time_is_for_all_addresses_of_a_host_together(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    port = receiver.server.server_port
    with socket.create_server(("127.0.0.2", port), backlog=0), contextlib.ExitStack() as stack:
        for _ in range(4):  # its queue is full from now on, so that connecting takes for ever
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(("127.0.0.2", port))
        hanging = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))
        listening = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        known = {"dual.test": [hanging, listening], "dead.test": [hanging] * 8}
        lookup = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: known.get(host) or lookup(host, *rest, **more))
        assert _lasts({"url": f"http://dual.test:{port}/"}, 1.0)[1] is None, "there is time left for the second address"
        lasted, refused = _lasts({"url": f"http://dead.test:{port}/"}, 0.4)
    assert "no answer within 0.4 s" in str(refused) and lasted < 1.5


def test_a_name_that_nobody_knows_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused = _refused({"url": "http://nobody.invalid/"})
    assert not refused.permanent and str(refused) == "http://nobody.invalid cannot be reached: its name is not known"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key, that nobody has signed but itself."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([require("openssl"), "req", "-x509", *key, *subject], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def secure_receiver(certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    one = Receiver(context)
    yield one
    one.close()


def test_https_reaches_who_has_a_trusted_certificate(secure_receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    _send({"url": secure_receiver.url})
    assert len(secure_receiver.got) == 1
    secure_receiver.play = _forever(secure_receiver, b"H", 0.02)
    lasted, refused = _lasts({"url": secure_receiver.url}, 0.5)
    assert "no answer within 0.5 s" in str(refused) and lasted < 2


def test_an_untrusted_certificate_gets_nothing(secure_receiver: Receiver) -> None:
    refused = _refused({"url": secure_receiver.url})
    assert not refused.permanent and "its certificate is not trusted (self-signed certificate)" in str(refused)
    assert secure_receiver.got == []


def test_https_to_a_server_without_tls_says_so(receiver: Receiver) -> None:
    refused = _refused({"url": receiver.url.replace("http:", "https:")})
    assert not refused.permanent and "no TLS with it" in str(refused)


def test_a_config_that_is_no_longer_sound_is_not_tried(receiver: Receiver) -> None:
    refused = _refused({"url": receiver.url, "headers": {"webhook-id": "mine"}})
    assert refused.permanent and "'webhook-id' is set by Lastbeat" in str(refused) and receiver.got == []


CHECK = senders["webhook"].check
URL = "https://hooks.example/x"


@pytest.mark.parametrize(
    "config",
    [
        {"url": URL},
        {"url": "http://127.0.0.1:9/x?y=z#f", "method": "POST", "headers": {}, "secret": None, "format": "lastbeat"},
        {"url": "http://[::1]:8080/"},
        {"url": "HTTPS://xn--bcher-kva.example"},
        {"url": "https://hooks.example/bücher?für=ä#ö"},
        {"url": URL, "method": "PUT", "headers": {"X-A": "b c", "x-b": "é"}, "secret": SECRET, "format": "alertmanager"},
        {"url": URL, "secret": "8 chars."},
    ],
)
def test_sound_configs_are_accepted(config: dict[str, Any]) -> None:
    assert CHECK(config) == {}


@pytest.mark.parametrize(
    ("config", "field", "what"),
    [
        ({}, "url", "None is no URL"),
        ({"url": ""}, "url", "no URL"),
        ({"url": 5}, "url", "5 is no URL"),
        ({"url": "ftp://x/"}, "url", "'ftp://x/' is no URL to send to; give http:// or https://"),
        ({"url": "hooks.example/x"}, "url", "no URL"),
        ({"url": "http://"}, "url", "no URL"),
        ({"url": "http:///path"}, "url", "no URL"),
        ({"url": "http://a b/"}, "url", "without spaces"),
        ({"url": "http://a\r\nX: y/"}, "url", "without spaces"),
        ({"url": "http://bücher.example/"}, "url", "xn--"),
        ({"url": "http://a:b@bücher:8080"}, "url", "xn--"),
        ({"url": "http://ü:b@x/"}, "url", "give them as a header"),
        ({"url": "http://a:99999/"}, "url", "cannot be read"),
        ({"url": "http://" + "a" * 64 + ".example/"}, "url", "cannot be read"),
        ({"url": "http://a..b/"}, "url", "cannot be read"),
        ({"url": "http://[::1/"}, "url", "cannot be read"),
        ({"url": "http://x/" + "y" * 2_000}, "url", "at most 2,000"),
        ({"url": "http://user:pass@x/"}, "url", "give them as a header"),
        ({"url": URL, "method": "post"}, "method", "accepted are POST, PUT, GET"),
        ({"url": URL, "method": None}, "method", "accepted are"),
        ({"url": URL, "format": "slack"}, "format", "accepted are lastbeat, alertmanager"),
        ({"url": URL, "format": []}, "format", "accepted are"),
        ({"url": URL, "headers": []}, "headers", "an object"),
        ({"url": URL, "headers": {f"x-{n}": "" for n in range(21)}}, "headers", "at most 20"),
        ({"url": URL, "headers": {"a b": "c"}}, "headers", "'a b' is no name"),
        ({"url": URL, "headers": {"": "c"}}, "headers", "is no name"),
        ({"url": URL, "headers": {"a:": "c"}}, "headers", "is no name"),
        ({"url": URL, "headers": {"a\n": "c"}}, "headers", "is no name"),
        ({"url": URL, "headers": {"a": "b\r\nc: d"}}, "headers", "one line"),
        ({"url": URL, "headers": {"a": "b\n"}}, "headers", "one line"),
        ({"url": URL, "headers": {"a": "✓"}}, "headers", "Latin-1"),
        ({"url": URL, "headers": {"a": 5}}, "headers", "one line"),
        ({"url": URL, "headers": {"a": "b" * 2_001}}, "headers", "at most 2,000"),
        ({"url": URL, "headers": {"a": "b", "A": "c"}}, "headers", "comes twice"),
        ({"url": URL, "headers": {"Webhook-Signature": "v1,x"}}, "headers", "set by Lastbeat"),
        ({"url": URL, "headers": {"Content-Length": "1"}}, "headers", "set by Lastbeat"),
        ({"url": URL, "headers": {"a": MASK}}, "headers", "is a mask"),
        ({"url": URL, "secret": "short"}, "secret", "8 to 500 characters"),
        ({"url": URL, "secret": ""}, "secret", "8 to 500 characters"),
        ({"url": URL, "secret": MASK}, "secret", "cannot be used"),
        ({"url": URL, "secret": 12345678}, "secret", "cannot be used"),
        ({"url": URL, "secret": "x" * 501}, "secret", "cannot be used"),
        ({"url": URL, "secret": "whsec_not base64!"}, "secret", "cannot be read"),
        ({"url": URL, "secret": "whsec_AAAA"}, "secret", "too short"),
        ({"url": URL, "secret": "\ud800" * 8}, "secret", "cannot be read"),
        ({"url": URL, "nope": 1}, "nope", "'nope' is no field of a webhook; there are url, method"),
    ],
)
def test_others_are_refused_with_a_sentence(config: dict[str, Any], field: str, what: str) -> None:
    errors = CHECK(config)
    assert errors.keys() == {field}
    assert what in errors[field][0]
    assert "secret" not in config or len(str(config["secret"])) < 5 or str(config["secret"]) not in errors[field][0]


def test_secrets_are_masked_and_come_back_from_behind_their_masks() -> None:
    webhook = senders["webhook"]
    config = {"url": URL, "secret": SECRET, "headers": {"Authorization": "Bearer abc", "X-Team": "ops"}}
    shown = webhook.masked(config)
    assert shown == {"url": URL, "secret": MASK, "headers": {"Authorization": MASK, "X-Team": MASK}}
    assert webhook.merged(config, shown) == config
    changed = webhook.merged(config, shown | {"url": "http://new/", "headers": {"authorization": MASK, "X-Team": "dev", "X-New": MASK}})
    assert changed == {"url": "http://new/", "secret": SECRET, "headers": {"authorization": "Bearer abc", "X-Team": "dev", "X-New": MASK}}
    assert "X-New" in webhook.check(changed)["headers"][0]


def test_without_secrets_there_is_nothing_to_mask() -> None:
    webhook = senders["webhook"]
    configs: list[dict[str, Any]] = [{"url": URL}, {"url": URL, "secret": None, "headers": {}}]
    for config in configs:
        assert webhook.masked(config) == webhook.merged(config, config) == config
    assert webhook.merged({"url": URL, "secret": SECRET}, {"url": URL}) == {"url": URL}, "a config is given as a whole"
    assert webhook.merged({"url": URL}, {"url": URL, "headers": "broken", "secret": 5}) == {"url": URL, "headers": "broken", "secret": 5}


def _alerts(receiver: Receiver, payload: dict[str, Any]) -> dict[str, Any]:
    _send({"url": receiver.url, "format": "alertmanager"}, payload)
    body: dict[str, Any] = msgspec.json.decode(receiver.got[-1][2])
    return body


def test_alertmanagers_format_has_all_that_its_receivers_read(receiver: Receiver) -> None:
    group = _alerts(receiver, DOWN)
    labels = {"alertname": "MonitorDown", "monitor": "Nightly „Backup“", "monitor_id": "mon_1"}
    (alert,) = group["alerts"]
    assert (group["version"], group["status"], group["receiver"], group["truncatedAlerts"]) == ("4", "firing", "lastbeat", 0)
    assert group["externalURL"] == "https://beat.example"
    assert group["groupLabels"] == group["commonLabels"] == alert["labels"] == labels
    assert group["groupKey"].startswith('{}:{alertname="MonitorDown", monitor="Nightly')
    assert group["commonAnnotations"] == alert["annotations"]
    assert alert["annotations"]["summary"] == "Nightly „Backup“ is down: missed"
    assert [alert["annotations"][name] for name in ("incidentId", "sequence", "reason")] == ["inc_1", "1", "missed"]
    assert (alert["status"], alert["startsAt"], alert["endsAt"]) == ("firing", "2026-11-23T03:04:00.000Z", "0001-01-01T00:00:00Z")
    assert alert["generatorURL"] == "https://beat.example/base/m/mon_1"
    assert len(alert["fingerprint"]) == 16 and int(alert["fingerprint"], 16)


def test_the_reason_of_an_outage_is_told_in_words(receiver: Receiver) -> None:
    group = _alerts(receiver, DOWN | {"details": {"reason": "not_started", "startBy": 600}})
    assert group["commonAnnotations"]["summary"] == "Nightly „Backup“ is down: not started"
    assert (group["commonAnnotations"]["reason"], group["commonAnnotations"]["startBy"]) == ("not_started", "600")


def test_an_alert_and_its_end_are_the_same_alert(receiver: Receiver) -> None:
    for first, last in ((DOWN, UP), (DOWN | {"event": "metric_alert"}, DOWN | {"event": "metric_alert_resolved"})):
        details = {"alertId": "alr_1", "metricKey": "queue", "operator": ">", "threshold": 100.0, "downSince": "2026-11-23T03:04:00.000Z"}
        fired = _alerts(receiver, first | {"details": details | {"value": 150.0}})
        over = _alerts(receiver, last | {"details": details | {"value": None}})
        assert (fired["status"], over["status"]) == ("firing", "resolved")
        assert fired["groupKey"] == over["groupKey"]
        assert fired["alerts"][0]["fingerprint"] == over["alerts"][0]["fingerprint"]
        assert fired["alerts"][0]["startsAt"] == over["alerts"][0]["startsAt"]
        assert over["alerts"][0]["endsAt"] == last["timestamp"]
    assert fired["alerts"][0]["annotations"]["summary"] == "Nightly „Backup“: queue is 150.0 (> 100.0)"
    assert over["alerts"][0]["annotations"]["summary"] == "Nightly „Backup“: queue is no longer > 100.0"


def test_different_alerts_have_different_fingerprints(receiver: Receiver) -> None:
    events = (
        DOWN,
        DOWN | {"monitor": {"id": "mon_2", "name": "Nightly „Backup“", "url": ""}},
        DOWN | {"event": "metric_alert", "details": {"alertId": "alr_1", "metricKey": "queue"}},
        DOWN | {"event": "metric_alert", "details": {"alertId": "alr_2", "metricKey": "queue"}},
    )
    assert len({_alerts(receiver, event)["alerts"][0]["fingerprint"] for event in events}) == len(events)


def test_messages_about_no_monitor_are_alerts_too(receiver: Receiver) -> None:
    about_none = {"monitor": None, "incidentId": None}
    test = _alerts(receiver, DOWN | about_none | {"event": "test", "details": {"text": "This is a test."}})
    assert test["commonLabels"] == {"alertname": "Test"} and test["commonAnnotations"]["summary"] == "This is a test."
    details = {"from": "a", "to": "b", "count": 2, "monitors": [{"id": "mon_1", "name": "x"}]}
    group = _alerts(receiver, DOWN | about_none | {"event": "monitors_unverified", "details": details})
    assert group["commonLabels"] == {"alertname": "MonitorsUnverified"}
    assert group["commonAnnotations"]["count"] == "2" and "monitors" not in group["commonAnnotations"]
