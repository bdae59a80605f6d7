"""What stands at the other end of the channels: receivers that take messages, refuse them, or take them and answer too late."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rules.channels import Message, Undelivered
from store.model import Ns


class Delivery(NamedTuple):
    at: Ns
    id: str
    event: str
    incident: str | None
    payload: dict[str, Any]


@dataclass
class Receiver:
    """`mood`: how it takes messages now: "well", "failing", "refusing" for good, or "mute": it takes them, and its answer is lost."""

    mood: str = "well"
    taken: list[Delivery] = field(default_factory=list)
    failed_at: dict[str, Ns] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def take(self, message: Message, now: Ns, patience: float | None) -> None:
        if self.mood in ("well", "mute"):
            self.taken.append(Delivery(now, message.id, message.event, message.payload["incidentId"], message.payload))
        if self.mood != "well":
            self.failed_at[message.id] = now
            if self.mood == "refusing":
                self.refused.add(message.id)
            raise Undelivered("no answer", permanent=self.mood == "refusing", retry_after=patience)


class Senders:
    """The one sender there is: it hands a message to the receiver that the channel's `url` names."""

    def __init__(self, now: Callable[[], Ns], chance: random.Random) -> None:
        self._now = now
        self._chance = chance
        self.receivers: dict[str, Receiver] = {}

    def send(self, config: Mapping[str, Any], message: Message) -> None:
        patience = self._chance.choice((None, None, None, 2.0, 4_000.0))
        self.receivers[config["url"]].take(message, self._now(), patience)

    def check(self, config: Mapping[str, Any]) -> dict[str, list[str]]:
        return {}

    def masked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return dict(config)

    def merged(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        return dict(new)


class Post(Executor):
    """Threads that send: what they are given is done when the simulation says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: fn(*args, **kwargs)))
        return future

    def carry(self, number: int) -> None:
        """Do the piece of work with that number in the queue."""
        future, work = self.waiting.pop(number)
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # whatever it is, the outbox learns of it
            future.set_exception(error)
