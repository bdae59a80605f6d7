"""A webhook receiver to try notifications with: prints a line for each message that arrives.

python examples/sink.py 9000        # then add the channel http://127.0.0.1:9000/ on Lastbeat's page "Channels"
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        about = (message["monitor"] or {}).get("name", "-")
        print(time.strftime("%H:%M:%S"), message["event"], about, json.dumps(message["details"]), self.headers["webhook-id"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the base class's
        """The line above says it all."""


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9000
    print(f"listening on http://127.0.0.1:{port}/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Sink).serve_forever()
