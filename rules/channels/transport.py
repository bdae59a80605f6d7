"""One HTTP request to a receiver that may do anything: be absent, hang, drip, redirect, answer without end."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url
from urllib3.util.connection import create_connection

from rules.channels import Undelivered
from store.model import SECOND, Ns

TEMPORARY: Final = (408, 425, 429)  # and all from 500 on
SHOWN: Final = 200  # characters of an answer that go into a sentence
READ: Final = 2_048  # bytes of an answer that are read at most
LONGEST_WAIT: Final = 86_400.0  # seconds that a Retry-After can ask for


class Transport:
    """Sends requests that take `seconds` at most, whatever the receiver does; only the lookup of its name has the system's own limits.

    No redirects are followed and nothing is retried: who sends decides that. Connections are kept for the next message.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pool = urllib3.PoolManager(num_pools=20, maxsize=2, retries=False, timeout=urllib3.Timeout(total=seconds))
        self._pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def deliver(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, now: Ns, secrets: Collection[str] = ()) -> None:
        """Send; return when the receiver has taken it with a 2xx, else raise `Undelivered` with none of the `secrets` in its sentence."""
        try:
            answer = self._pool.urlopen(
                method, url, body=body, headers=headers, redirect=False, preload_content=False, decode_content=False
            )
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, UnicodeError) as error:
            raise Undelivered(f"{origin(url)} cannot be reached: {self._reason(error)}") from None
        start = _start(answer)
        if not 200 <= answer.status < 300:
            raise _refusal(url, answer, _cleaned(start, secrets), now)

    def _reason(self, error: BaseException) -> str:
        cause = _root(error)
        match cause:
            case TimeoutError() | urllib3.exceptions.TimeoutError():
                return f"no answer within {self._seconds:g} s"
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return f"no TLS with it ({(cause.reason or 'handshake failed').lower().replace('_', ' ')})"
            case socket.gaierror() | UnicodeError():
                return "its name is not known"
            case RemoteDisconnected():
                return "it closed the connection without an answer"
            case OSError() if cause.strerror:
                return cause.strerror.lower()
            case _:
                return f"its answer is no HTTP ({type(cause).__name__})"


def origin(url: str) -> str:
    """Scheme, host and port: what may be told of a URL whose path may be a secret."""
    parts = parse_url(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refusal(url: str, answer: urllib3.BaseHTTPResponse, start: str, now: Ns) -> Undelivered:
    status = answer.status
    if 300 <= status < 400:
        hint = "redirects are not followed, so give the address that it points to"
        return Undelivered(f"{origin(url)} answered {status}; {hint}", permanent=True)
    sentence = f"{origin(url)} answered {status}" + (f": {start}" if start else "")
    if status in TEMPORARY or status >= 500:
        return Undelivered(sentence, retry_after=_retry_after(answer.headers.get("Retry-After"), now))
    return Undelivered(sentence, permanent=True)


def _retry_after(value: str | None, now: Ns) -> float | None:
    """Seconds to wait, given as such or as a date."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value).timestamp() - now / SECOND
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


def _start(answer: urllib3.BaseHTTPResponse) -> bytes:
    """The first bytes of the answer's body. The connection is kept where that was all, as waiting for the end may take for ever."""
    try:
        return answer.read(READ)
    except (urllib3.exceptions.HTTPError, HTTPException, OSError):
        return b""  # the status is an answer, whatever follows it
    finally:
        answer.close()


def _cleaned(start: bytes, secrets: Collection[str]) -> str:
    """The answer as one line of a sentence; a receiver may echo what was sent to it."""
    text = start.decode(errors="replace")
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:SHOWN]


def _root(error: BaseException) -> BaseException:
    """The cause that urllib3 has wrapped."""
    inner = error.__cause__ or next((part for part in reversed(error.args) if isinstance(part, BaseException)), None)
    return error if inner is None else _root(inner)


class _Bounded(io.RawIOBase):
    """Reads from a socket, whose timeout bounds all the reading together instead of each read."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self._raw = raw
        self._socket = sock
        self._end = time.monotonic() + (sock.gettimeout() or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedAnswer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # urllib3 has just set the socket's timeout to what is left of the request's.
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _BoundedAnswer

    def _new_conn(self) -> socket.socket:
        """As urllib3's, but the timeout is for all of a host's addresses and the TLS handshake together, not for each."""
        end = time.monotonic() + float(self.timeout or 0)
        found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        problem: OSError = socket.gaierror(f"{self.host} has no address")
        for tried, (*_, address) in enumerate(found):
            share = (end - time.monotonic()) / (len(found) - tried)
            try:
                connected = create_connection((str(address[0]), self.port), max(share, 0.001), socket_options=self.socket_options)
            except OSError as error:
                problem = error
            else:
                connected.settimeout(max(end - time.monotonic(), 0.001))
                return connected
        raise problem


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
