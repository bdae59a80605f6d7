"""The lines that Healthchecks' documentation gives for shells, word for word, and what else curl and wget can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from clients import Arrived, made_by_ping, new, on_plan, ping_key, ran
from conftest import require
from serving import Server

pytestmark = pytest.mark.server

# What the documentation's lines call. `uuidgen` writes capital letters, as that of macOS does.
JOB = "#!/bin/sh\necho 'Renewing'\necho 'beware' >&2\nexit ${STATUS:-0}\n"
PROGRAMS = {"certbot": JOB, "backup.sh": JOB, "dmesg": JOB, "uuidgen": "#!/bin/sh\ntr a-f A-F < /proc/sys/kernel/random/uuid\n"}


def shell(script: str, where: Path, status: int = 0, **environ: str) -> str:
    for program in ("curl", "wget"):
        if program in script:
            require(program)
    for name, text in PROGRAMS.items():
        (where / name).write_text(text)
        (where / name).chmod(0o755)
    script = re.sub("/usr/bin/|/home/me/|/tmp/", f"{where}/", script)
    return ran(["bash", "-c", script], where, status, **environ).stdout


SUCCESS, FAIL, SAID = Arrived("success"), Arrived("fail"), "Renewing\nbeware"
CERTBOT = "m=$(/usr/bin/certbot renew 2>&1)\n"

# From the pages shell scripts, cron jobs, attaching logs, signaling failures, run times, reliability and systemd, some in older versions.
DOCUMENTED = [
    ("curl -m 10 --retry 5 PING_URL", 0, [SUCCESS]),
    ("curl -fsS -m 10 --retry 5 -o /dev/null PING_URL", 0, [SUCCESS]),
    ("curl -m 10 PING_URL", 0, [SUCCESS]),
    ("curl --retry 5 PING_URL", 0, [SUCCESS]),
    ("/home/me/backup.sh && curl -fsS -m 10 --retry 5 -o /dev/null PING_URL", 0, [SUCCESS]),
    ("/home/me/backup.sh && curl -fsS --retry 3 PING_URL > /dev/null", 0, [SUCCESS]),
    ("/usr/bin/certbot renew\ncurl -m 10 --retry 5 PING_URL/$?", 0, [Arrived("success", None, 0)]),
    ("/usr/bin/certbot renew\ncurl --retry 3 PING_URL/$?", 3, [Arrived("fail", None, 3)]),
    ("set -o pipefail\ndmesg | cat\ncurl -m 10 --retry 5 PING_URL/$?", 255, [Arrived("fail", None, 255)]),
    ("curl --retry 3 PING_URL/fail", 0, [FAIL]),
    ("curl --retry 3 PING_URL/1", 0, [Arrived("fail", None, 1)]),
    (CERTBOT + 'curl -fsS -m 10 --retry 5 --data-raw "$m" PING_URL', 0, [Arrived("success", SAID)]),
    (CERTBOT + 'curl -fsS --retry 3 -X POST --data-raw "$m" PING_URL', 0, [Arrived("success", SAID)]),
    (CERTBOT + 'curl -fsS -m 10 --retry 5 --data-raw "$m" PING_URL/$?', 7, [Arrived("fail", SAID, 7)]),
    (
        "/usr/bin/certbot renew > /tmp/certbot-renew.log 2>&1\ncurl -fsS -m 10 --retry 5 --data-binary @/tmp/certbot-renew.log PING_URL/$?",
        0,
        [Arrived("success", SAID + "\n", 0)],
    ),
    (
        "url=PING_URL\n" + CERTBOT + 'if [ $? -ne 0 ]; then url=$url/fail; fi\ncurl -fsS --retry 3 -X POST --data-raw "$m" $url',
        1,
        [Arrived("fail", SAID)],
    ),
    (
        'm=$(/usr/bin/certbot renew 2>&1); curl -fsS -X POST --data-raw "$m" "PING_URL$([ $? -ne 0 ] && echo -n /fail)"',
        1,
        [Arrived("fail", SAID)],
    ),
    ('m=$(dmesg | tail --bytes=10000)\ncurl -fsS -m 10 --retry 5 --data-raw "$m" PING_URL', 0, [Arrived("success", "Renewing")]),
    (
        "curl -sS -m 10 --retry 5 PING_URL/start\ncurl -sS -m 10 --retry 5 PING_URL/${EXIT_STATUS}",
        0,
        [Arrived("start"), Arrived("fail", None, 23)],
    ),
    ("wget PING_URL -T 10 -t 5 -O /dev/null", 0, [SUCCESS]),
    ("wget PING_URL", 0, [SUCCESS]),
]


@pytest.mark.parametrize(("script", "status", "expected"), DOCUMENTED, ids=[f"{script} ({status})" for script, status, _ in DOCUMENTED])
def test_a_documented_line(live: Server, tmp_path: Path, script: str, status: int, expected: list[Arrived]) -> None:
    job = new(live)
    shell(script.replace("PING_URL", job.url), tmp_path, STATUS=str(status), EXIT_STATUS="23")
    assert job.arrived(len(expected)) == expected
    (agent,) = {ping["userAgent"].partition("/")[0] for ping in job.pings(len(expected))}
    assert agent.lower() == ("wget" if "wget" in script else "curl")
    job.becomes("down" if expected[-1].kind == "fail" else "up")


def test_the_documented_run_id_times_a_run_and_capital_letters_are_the_same_run(live: Server, tmp_path: Path) -> None:
    job = new(live)
    shell(
        f"RID=`uuidgen`\ncurl -fsS -m 10 --retry 5 {job.url}/start?rid=$RID\nsleep 0.3\ncurl -fsS -m 10 --retry 5 {job.url}?rid=$RID",
        tmp_path,
    )
    start, success = job.pings(2)
    assert (start["kind"], success["kind"]) == ("start", "success")
    assert start["rid"] == success["rid"] == start["rid"].lower()
    assert 0.3 <= success["duration"] < 10
    job.becomes("up")
    assert job.shown()["running"] is False


def test_a_documented_start_shows_the_job_as_running(live: Server, tmp_path: Path) -> None:
    job = new(live)
    shell(f"curl -sS -m 10 --retry 5 {job.url}/start", tmp_path)
    live.until(lambda: job.shown()["running"])
    assert job.shown()["status"] == "new"


def test_the_documented_auto_provisioning_makes_a_monitor_once(live: Server, tmp_path: Path) -> None:
    script = (
        f"PING_KEY={ping_key(live)}\nSLUG=$(echo srv-01)\nURL={live.base}/ping/$PING_KEY/$SLUG?create=1\n"
        "curl -m 10 --retry 5 $URL; curl -m 10 --retry 5 $URL; curl -fsS ${URL/?create/\\/start?create}"
    )
    assert shell(script, tmp_path) == "CreatedOKOK"
    assert made_by_ping(live, "srv-01").arrived(3) == [SUCCESS, SUCCESS, Arrived("start")]


def test_curl_that_comes_too_soon_waits_as_told_and_is_taken(live: Server, tmp_path: Path) -> None:
    job = on_plan(live, "quick")
    # Of its own accord curl would try again after a second, which is too soon.
    assert shell(f"for i in 1 2; do curl -fsS -m 10 --retry 1 {job.url}; done", tmp_path) == "OKOK"
    assert job.arrived(2) == [SUCCESS, SUCCESS]


def test_curl_that_is_refused_says_so(live: Server, tmp_path: Path) -> None:
    url = f"{live.base}/ping/5f0c1d2e-0000-4000-8000-00000000abcd"
    assert shell(f"curl -fsS -m 10 --retry 5 -o /dev/null -w '%{{http_code}}' {url}", tmp_path, status=22) == "404"


HELLO = Arrived("success", "hello")
# Every way in which the two send a request or a body; each must be answered with OK.
WAYS = [
    ("curl -fsS -0 URL", SUCCESS),
    ("curl -fsS -0 -d hello URL", HELLO),
    ("curl -fsS --http2 URL", SUCCESS),
    ("curl -fsS --http2 -d hello URL", HELLO),
    ("curl -fsS -X PUT -d hello URL", HELLO),
    ("echo -n hello | curl -fsS -T - URL", HELLO),
    ("echo -n hello | curl -fsS -0 --data-binary @- URL", HELLO),
    ('curl -fsS -H "Transfer-Encoding: chunked" -d hello URL', HELLO),
    # Without the interim answer curl would wait until -m ends it.
    ('curl -fsS -m 5 --expect100-timeout 60 -H "Expect: 100-continue" -d hello URL', HELLO),
    ("echo -n hello > file; curl -fsS -m 5 --expect100-timeout 60 -T file URL", HELLO),
    ("curl -fsS --compressed URL", SUCCESS),
    ("curl -fsSL URL/", SUCCESS),
    ("curl -fsS --path-as-is -H 'User-Agent:' -H 'Accept:' URL", SUCCESS),
    ("curl -fsS -G -d rid=6f0c1d2e-0000-4000-8000-00000000abcd URL", SUCCESS),
    ("wget -q -O - --post-data=hello URL", HELLO),
    ("echo -n hello > file; wget -q -O - --post-file=file URL", HELLO),
    ("wget -q -O - --method=PUT --body-data=hello URL", HELLO),
]


@pytest.mark.parametrize(("line", "expected"), WAYS, ids=[line for line, _ in WAYS])
def test_a_way_to_send(live: Server, tmp_path: Path, line: str, expected: Arrived) -> None:
    job = new(live)
    assert shell(line.replace("URL", job.url), tmp_path) == "OK"
    assert job.arrived(1) == [expected]


def test_a_head_has_headers_alone(live: Server, tmp_path: Path) -> None:
    job = new(live)
    said = shell(f"curl -fsSI {job.url}; wget -q --spider {job.url}/start", tmp_path)
    assert "Ping-Body-Limit: 10000" in said and said.splitlines()[-1] == ""
    assert job.arrived(2) == [SUCCESS, Arrived("start")]


def test_a_form_with_a_file_is_kept_as_it_came(live: Server, tmp_path: Path) -> None:
    job = new(live)
    assert shell(f"echo hello > file; curl -fsS -F log=@file {job.url}", tmp_path) == "OK"
    assert 'filename="file"' in job.pings(1)[0]["log"] and "\r\n\r\nhello\n\r\n--" in job.pings(1)[0]["log"]


def test_a_second_url_goes_over_the_same_connection(live: Server, tmp_path: Path) -> None:
    job = new(live)
    line = f"curl -fsS -w ' %{{num_connects}}\\n' -d hello {job.url}/start {job.url} {job.url}/log"
    assert shell(line, tmp_path) == "OK 1\nOK 0\nOK 0\n"
    assert job.arrived(3) == [Arrived(kind, "hello") for kind in ("start", "success", "log")]


@pytest.mark.parametrize(
    "line",
    [
        'curl -fsS -d \'{"rows": 1200, "mode": "full"}\' URL',
        'curl -fsS -H "Content-Type: application/json" -d \'{"rows":1200,"mode":"full"}\' URL',
    ],
)
def test_a_flat_object_is_metrics(live: Server, tmp_path: Path, line: str) -> None:
    job = new(live)
    shell(line.replace("URL", job.url), tmp_path)
    (ping,) = job.pings(1)
    assert (ping["metrics"], ping["log"], ping["problem"]) == ({"rows": 1200, "mode": "full"}, None, None)
    assert job.metrics() == {"rows": 1200, "mode": "full"}


def test_of_a_long_log_the_end_is_kept(live: Server, tmp_path: Path) -> None:
    job = new(live)
    line = f"(head -c 900000 /dev/zero | tr '\\0' x; echo the end) | curl -fsS -m 10 --retry 5 --data-binary @- {job.url}"
    assert shell(line, tmp_path) == "OK"
    log = job.pings(1)[0]["log"]
    assert (len(log), log[-8:]) == (10_000, "the end\n")


def test_a_log_over_a_mebibyte_is_refused_before_it_is_sent_and_the_ping_counts(live: Server, tmp_path: Path) -> None:
    job = new(live)
    send = f"curl -sS -m 10 --retry 5 -w ' %{{http_code}}' --data-binary @file {job.url}/fail"
    said = shell(f"head -c 3000000 /dev/zero > file; {send}", tmp_path)
    assert '"ping":"recorded"' in said and said.endswith(" 413")
    (ping,) = job.pings(1)
    assert (ping["kind"], ping["log"]) == ("fail", None)
    assert ping["problem"].startswith("the body has 3,000,000 bytes")
    job.becomes("down")
