"""Webhooks: one HTTP request per message, signed as Standard Webhooks 1.0 says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from rules.channels import Message, Undelivered, alertmanager
from rules.channels.transport import Transport
from store.model import SECOND, Ns

MASK: Final = "••••••"
FIELDS: Final = ("url", "method", "headers", "secret", "format")
METHODS: Final = ("POST", "PUT", "GET")  # a GET carries no body: it only knocks
FORMATS: Final = ("lastbeat", "alertmanager")
SECONDS: Final = 10.0
LENGTH_LIMIT: Final = 2_000
HEADERS_LIMIT: Final = 20
SECRET_LENGTHS: Final = range(8, 501)

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # what HTTP carries: no line break, nothing beyond Latin-1
_OURS: Final = ("host", "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")


class Webhook:
    """Sends each message to `config["url"]`; a config is what `check` accepts.

    `clock` stamps each attempt: receivers refuse old stamps, so a retry needs a new one. `seconds` bounds a request.
    """

    def __init__(self, clock: Callable[[], Ns] = time.time_ns, seconds: float = SECONDS) -> None:
        self._clock = clock
        self._transport = Transport(seconds)
        self._user_agent = _user_agent()

    def send(self, config: Mapping[str, Any], message: Message) -> None:
        """Deliver the message or raise `Undelivered`; a 2xx is a delivery."""
        errors = self.check(config)
        if errors:
            raise Undelivered(" ".join(sentence for field in errors.values() for sentence in field), permanent=True)
        now = self._clock()
        method, own, secret = config.get("method", "POST"), config.get("headers", {}), config.get("secret")
        payload = alertmanager.body(message.payload) if config.get("format") == "alertmanager" else message.payload
        body = b"" if method == "GET" else msgspec.json.encode(payload)
        headers = HTTPHeaderDict({"user-agent": self._user_agent} | ({"content-type": "application/json"} if body else {}))
        for name, value in own.items():
            headers[name] = value
        headers["webhook-id"] = message.id
        headers["webhook-timestamp"] = str(now // SECOND)
        if secret:
            headers["webhook-signature"] = signature(secret, message.id, now // SECOND, body)
        self._transport.deliver(method, config["url"], headers, body, now=now, secrets=_secrets(secret, own))

    def check(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        """What is wrong with a config: sentences by field; empty where nothing is."""
        found = {
            "url": _url_error(config.get("url")),
            "method": _choice_error("method", config.get("method", "POST"), METHODS),
            "headers": _headers_error(config.get("headers", {})),
            "secret": _secret_error(config.get("secret")),
            "format": _choice_error("format", config.get("format", "lastbeat"), FORMATS),
        } | {name: f"{name!r:.60} is no field of a webhook; there are {', '.join(FIELDS)}" for name in config if name not in FIELDS}
        return {name: [sentence] for name, sentence in found.items() if sentence is not None}

    def masked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The config as it may be shown: the secret and the headers' values are masked."""
        shown = dict(config)
        if shown.get("secret"):
            shown["secret"] = MASK
        if shown.get("headers"):
            shown["headers"] = dict.fromkeys(shown["headers"], MASK)
        return shown

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The new config, with the old one's secret and header values where it has their masks."""
        merged = dict(new)
        if merged.get("secret") == MASK:
            merged["secret"] = old.get("secret")
        if isinstance(merged.get("headers"), Mapping):
            known = {name.lower(): value for name, value in (old.get("headers") or {}).items()}
            merged["headers"] = {
                name: known.get(str(name).lower(), MASK) if value == MASK else value for name, value in merged["headers"].items()
            }
        return merged


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a body sent at `timestamp` (seconds). Any text is a secret; after `whsec_` it is in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _user_agent() -> str:
    try:
        return f"lastbeat/{version('lastbeat')}"
    except PackageNotFoundError:  # a bare checkout
        return "lastbeat"


def _secrets(secret: str | None, headers: Mapping[str, str]) -> list[str]:
    """What must not be told, also the parts of a value such as `Bearer …`."""
    values = [secret or "", *headers.values()]
    return [part for value in values for part in {value, *value.split()} if len(part) >= SECRET_LENGTHS.start]


def _url_error(url: object) -> str | None:
    accepted = "give http:// or https:// with a host"
    if not isinstance(url, str) or not url or len(url) > LENGTH_LIMIT or not url.isprintable() or " " in url:
        return f"{url!r:.100} is no URL to send to; {accepted}, in at most {LENGTH_LIMIT:,} characters without spaces"
    try:
        # urllib3 would write such a host in ASCII or refuse it, by whether some other program has brought it the package `idna`.
        (urlsplit(url).hostname or "").encode("ascii")
        parts = parse_url(url)
        (parts.host or "").strip("[]").encode("idna")  # its labels have a length
    except (LocationParseError, ValueError):
        return f"{url!r:.100} cannot be read as a URL; {accepted}, other than ASCII in its xn-- form"
    if parts.scheme not in ("http", "https") or not parts.host:
        return f"{url!r:.100} is no URL to send to; {accepted}"
    if parts.auth is not None:
        return "a user and password in the URL are not sent; give them as a header: Authorization, with the value 'Basic …'"
    return None


def _headers_error(headers: object) -> str | None:
    if not isinstance(headers, Mapping) or len(headers) > HEADERS_LIMIT:
        return f"these headers cannot be sent; they are an object of at most {HEADERS_LIMIT} names with their values"
    names = [str(name).lower() for name in headers]
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            return f"{name!r:.60} is no name of a header; it has 1 to 100 letters, digits and dashes"
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            return f"the header {name!r} is set by Lastbeat; leave it out"
        if names.count(name.lower()) > 1:
            return f"the header {name!r} comes twice"
        if value == MASK:
            return f"the value of the header {name!r} is a mask, and no value is known; give the value itself"
        if not isinstance(value, str) or len(value) > LENGTH_LIMIT or not _HEADER_VALUE.fullmatch(value):
            return f"the value of the header {name!r} cannot be sent; it is one line of at most {LENGTH_LIMIT:,} Latin-1 characters"
    return None


def _secret_error(secret: object) -> str | None:
    if secret is None:
        return None
    accepted = f"a text of {SECRET_LENGTHS.start} to {SECRET_LENGTHS.stop - 1} characters, or whsec_ and at least 8 bytes in base64"
    if not isinstance(secret, str) or len(secret) not in SECRET_LENGTHS:
        return f"the secret cannot be used; give {accepted}"
    try:
        secret.encode()
        if secret.startswith("whsec_") and len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) < SECRET_LENGTHS.start:
            return f"the secret is too short; give {accepted}"
    except (UnicodeError, binascii.Error):
        return f"the secret cannot be read; give {accepted}"
    return None


def _choice_error(field: str, value: object, accepted: tuple[str, ...]) -> str | None:
    return None if value in accepted else f"{value!r:.60} is no {field}; accepted are {', '.join(accepted)}"
