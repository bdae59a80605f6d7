"""Channels: the ways to tell people. One module each; all keep this contract, and `senders` knows them by the type's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from store.model import Ns


class Undelivered(Exception):
    """A message did not arrive; says why in a sentence, without secrets.

    `permanent`: trying again is no use. `retry_after`: seconds the receiver asked us to wait.
    """

    def __init__(self, sentence: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.permanent = permanent
        self.retry_after = retry_after


class Message(msgspec.Struct, frozen=True):
    """What is sent: `id` is the same on every attempt, so that receivers can tell a repetition."""

    id: str
    event: str
    timestamp: Ns
    payload: dict[str, Any]


class Sender(Protocol):
    """One type of channel. `config` is what its owner wrote, checked."""

    def send(self, config: Mapping[str, Any], message: Message) -> None:
        """Deliver the message or raise `Undelivered`; returns only when the receiver has taken it."""

    def check(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        """What is wrong with a config: sentences by field; empty where nothing is."""

    def masked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The config as it may be shown, without its secrets."""

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The new config; where it carries a masked secret, the old one's secret stays."""


from rules.channels.webhook import Webhook  # noqa: E402  # it needs the contract above

senders: dict[str, Sender] = {"webhook": Webhook()}
