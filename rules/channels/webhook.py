"""Webhooks: one HTTP request per message, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import urllib3

from rules.channels import Message, Undelivered

_MASK = "••••••"
_SECONDS = 10.0
_FIELDS = ("url", "method", "headers", "secret", "format")


class Webhook:
    """POSTs the message's payload as JSON to `url`."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=_SECONDS))

    def send(self, config: Mapping[str, Any], message: Message) -> None:
        body = msgspec.json.encode(message.payload)
        headers = dict(config.get("headers") or {}) | self._headers(config.get("secret"), message, body)
        try:
            reply = self._pool.request(config.get("method", "POST"), config["url"], body=body, headers=headers, redirect=False, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise Undelivered(f"{_host(config)} cannot be reached: {error.__class__.__name__}") from None
        try:
            if not 200 <= reply.status < 300:
                temporary = reply.status in (408, 425, 429) or reply.status >= 500
                raise Undelivered(f"{_host(config)} answered {reply.status}", permanent=not temporary)
        finally:
            reply.close()

    def _headers(self, secret: str | None, message: Message, body: bytes) -> dict[str, str]:
        stamp = str(int(time.time()))
        headers = {"Content-Type": "application/json", "User-Agent": "lastbeat", "webhook-id": message.id, "webhook-timestamp": stamp}
        if secret:
            key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
            digest = hmac.new(key, f"{message.id}.{stamp}.".encode() + body, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return headers

    def check(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        errors = {name: [f"{name!r} is no field of a webhook; there are {', '.join(_FIELDS)}"] for name in config if name not in _FIELDS}
        url = config.get("url")
        if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            errors["url"] = [f"{url!r:.100} is no URL to send to; give http:// or https:// with a host"]
        return errors

    def masked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return dict(config) | ({"secret": _MASK} if config.get("secret") else {})

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        return dict(new) | ({"secret": old.get("secret")} if new.get("secret") == _MASK else {})


def _host(config: Mapping[str, Any]) -> str:
    return str(urlsplit(config["url"]).hostname)
