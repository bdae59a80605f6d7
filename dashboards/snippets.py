"""Ready commands that ping a monitor, for its page. Each has the monitor's own URL in it and can be pasted as it is."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template


@dataclass(frozen=True, slots=True)
class Snippet:
    title: str
    text: str


# curl alone hides failures and waits for ever: -f tells them, -m 10 ends them, --retry outlives a restart of ours.
_TEMPLATES = (
    (
        "crontab (curl)",
        "0 2 * * * /usr/local/bin/backup.sh && curl -fsS -m 10 --retry 5 -o /dev/null $url",
    ),
    (
        "bash, with numbers",
        """#!/bin/bash
set -eu
started=$$(date +%s%3N)

# … your job …

curl -fsS -m 10 --retry 5 -o /dev/null -H 'Content-Type: application/json' \\
  -d "{\\"duration_ms\\": $$(( $$(date +%s%3N) - started )), \\"status\\": \\"complete\\"}" \\
  $url""",
    ),
    (
        "bash, with the run timed",
        """#!/bin/bash
ping=$url
run=$$(cat /proc/sys/kernel/random/uuid)

curl -fsS -m 10 --retry 5 -o /dev/null "$$ping/start?rid=$$run"

# … your job, which may fail …
output=$$(/usr/local/bin/backup.sh 2>&1)

# its exit status and the end of its output
curl -fsS -m 10 --retry 5 --data-raw "$$output" "$$ping/$$??rid=$$run" -o /dev/null""",
    ),
    (
        "Wrapper (lastbeat exec)",
        """# start, exit status, duration, memory and the end of the output; the job's own exit status is kept
0 2 * * * lastbeat exec --ping-url $url -- /usr/local/bin/backup.sh""",
    ),
    (
        "Python",
        """import json
import urllib.request

def ping(**metrics: float | str) -> None:
    request = urllib.request.Request(
        "$url",
        data=json.dumps(metrics).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:  # monitoring must never break the job
        print(f"no ping: {error}")

ping(duration_ms=1234, records_processed=500)""",
    ),
    (
        "GitHub Actions",
        """# last step of the job; keep the URL in the repository secret PING_URL
- name: Tell Lastbeat
  if: success()
  run: curl -fsS -m 10 --retry 5 -o /dev/null "$${{ secrets.PING_URL }}"

# PING_URL is $url""",
    ),
    (
        "PowerShell",
        """$$body = @{ duration_ms = 1234; status = "complete" } | ConvertTo-Json -Compress
Invoke-RestMethod -Uri "$url" -Method Post `
  -ContentType "application/json" -Body $$body -TimeoutSec 10""",
    ),
    (
        "systemd",
        """# in the [Service] section of the job's unit; runs only when the job succeeded
ExecStartPost=/usr/bin/curl -fsS -m 10 --retry 5 -o /dev/null $url""",
    ),
    (
        "Kubernetes CronJob",
        """command: ["/bin/sh", "-c"]
args:
  - /app/job && wget -q -T 10 -O /dev/null $url""",
    ),
    (
        "Uptime Kuma client",
        """# what pushes to Uptime Kuma pushes here, with this URL
curl -fsS -m 10 --retry 5 "$push_url?status=up&msg=OK&ping=12" -o /dev/null""",
    ),
    (
        "JavaScript",
        """await fetch("$url", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ duration_ms: 1234, status: "complete" }),
  signal: AbortSignal.timeout(10_000),
}).catch((error) => console.warn("no ping:", error));""",
    ),
)


def snippets(ping_url: str, push_url: str) -> list[Snippet]:
    return [Snippet(title, Template(text).substitute(url=ping_url, push_url=push_url)) for title, text in _TEMPLATES]


def first_ping(ping_url: str) -> str:
    """One line that sends a first ping with a number, so that the first chart is one paste away."""
    return f"curl -fsS -H 'Content-Type: application/json' -d '{{\"duration_ms\": 1234}}' {ping_url}"
