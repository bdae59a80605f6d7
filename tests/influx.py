"""A real InfluxDB: Debian's influxd 1.6 behind an nginx that gives it the addresses and the token of later versions.

Both keep everything in a directory of their own and listen on free ports of the loopback interface. What this cannot show of InfluxDB 2
and 3 is how they answer to a refused batch: that is for a stub to show.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from conftest import require

DATABASE = "lastbeat"

INFLUXD = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{root}/meta"
  logging-enabled = false
[data]
  dir = "{root}/data"
  wal-dir = "{root}/wal"
  index-version = "tsi1"
  query-log-enabled = false
  cache-snapshot-write-cold-duration = "3s"
  compact-full-write-cold-duration = "8s"
[monitor]
  store-enabled = false
[http]
  enabled = true
  bind-address = "127.0.0.1:{influxd}"
  auth-enabled = false
  log-enabled = false
[logging]
  level = "warn"
"""

# 1.6 has no /api/v2/write, and knows no `Authorization: Token user:password`.
NGINX = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 32m;
  client_body_buffer_size 1m;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  map $arg_precision $v1_precision {{ default n; ns n; us u; ms ms; s s; }}
  map $arg_bucket $v1_db {{ ~^(?<d>.+?)(?:%2[Ff]|/).*$ $d; default $arg_bucket; }}
  map $arg_bucket $v1_rp {{ ~^.+?(?:%2[Ff]|/)(?<r>.+)$ $r; default ""; }}
  map $http_authorization $v1_auth {{ "~^Token (?<u>[^:]+):(?<p>.+)$" "&u=$u&p=$p"; default ""; }}
  upstream influx1 {{ server 127.0.0.1:{influxd} max_fails=0; keepalive 16; }}
  server {{
    listen 127.0.0.1:{nginx};
    proxy_http_version 1.1;
    location = /api/v2/write {{
      proxy_set_header Authorization ""; proxy_set_header Connection "";
      proxy_pass http://influx1/write?db=$v1_db&rp=$v1_rp&precision=$v1_precision$v1_auth;
    }}
    location = /query {{
      proxy_set_header Authorization ""; proxy_set_header Connection "";
      proxy_pass http://influx1/query?$args$v1_auth;
    }}
    location = /ping {{ proxy_pass http://influx1/ping; }}
    location = /health {{ default_type application/json; return 200 '{{"name":"influxdb","status":"pass"}}'; }}
    location / {{ default_type application/json; return 404 '{{"code":"not found","message":"not in front of 1.6"}}'; }}
  }}
}}
"""


class Influx:
    """Not started until `start`, which also makes the database; `end` leaves nothing behind but the files in `root`."""

    def __init__(self, root: Path) -> None:
        self._influxd, self._nginx = require("influxd"), require("nginx")
        self._root = root
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        root.mkdir(parents=True, exist_ok=True)
        rpc, influxd, nginx = _free_ports(3)
        self.url = f"http://127.0.0.1:{nginx}"
        places = {"root": root, "rpc": rpc, "influxd": influxd, "nginx": nginx}
        (root / "influxd.conf").write_text(INFLUXD.format(**places))
        (root / "nginx.conf").write_text(NGINX.format(**places))

    @property
    def environ(self) -> dict[str, str]:
        """What tells `lastbeat serve` to use it."""
        return {"LASTBEAT_INFLUXDB_URL": self.url, "LASTBEAT_INFLUXDB_BUCKET": DATABASE}

    def start(self) -> Influx:
        """Start what does not run, on the data of last time."""
        self._run("influxd", [self._influxd, "-config", str(self._root / "influxd.conf")])
        self._run("nginx", [self._nginx, "-c", str(self._root / "nginx.conf"), "-e", str(self._root / "nginx.log")])
        end = time.monotonic() + 30
        while not self._made():
            assert time.monotonic() < end, (self._root / "influxd.log").read_text()[-2000:]
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """kill -9 of the database; nginx goes on and answers 502."""
        self._stop("influxd")

    def end(self) -> None:
        for name in list(self._processes):
            self._stop(name)

    def query(self, influxql: str, **form: str) -> list[dict[str, Any]]:
        """The series that the first statement found: `name`, `tags`, `columns`, `values` (times in ns). Fails the test for an error."""
        body = urlencode({"db": DATABASE, "epoch": "ns", "q": influxql} | form).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/query", body, timeout=30) as reply:
                (result, *_) = json.load(reply)["results"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{influxql}: {error.code} {error.read()!r}") from None
        assert "error" not in result, (influxql, result)
        return list(result.get("series", []))

    def rows(self, influxql: str, **form: str) -> list[dict[str, Any]]:
        """Every row that the statement found: its columns and tags by name."""
        found = self.query(influxql, **form)
        return [series.get("tags", {}) | dict(zip(series["columns"], row, strict=True)) for series in found for row in series["values"]]

    def write(self, *lines: str, database: str = DATABASE) -> None:
        """Put lines of the line protocol into the database (times in ns)."""
        url = f"{self.url}/api/v2/write?bucket={database}&precision=ns"
        urllib.request.urlopen(urllib.request.Request(url, "\n".join(lines).encode(), method="POST"), timeout=30).close()

    def _made(self) -> bool:
        try:
            self.query(f'CREATE DATABASE "{DATABASE}"')
        except (OSError, AssertionError):
            return False
        return True

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait(10)

    def _run(self, name: str, command: list[str]) -> None:
        if name not in self._processes:
            with (self._root / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._root)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
