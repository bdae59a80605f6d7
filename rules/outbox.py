"""The sender: takes due notices from the outbox, hands them to their channels, and writes down how it went.

At least once: a notice is marked sent after it was sent, so a crash in between sends it again, under the same id.
"""

from __future__ import annotations

import collections
import logging
import random
from collections.abc import Mapping
from concurrent.futures import Executor, Future

from prometheus_client import Counter
from sqlalchemy import Connection

from rules import backoff
from rules.channels import Message, Sender, Undelivered
from store.control import Control, channels, outbox
from store.model import SECOND, Channel, Notice, Ns

log = logging.getLogger(__name__)
_outcomes = Counter("lastbeat_notifications", "Attempts to deliver a notification, by channel type and outcome.", ["type", "outcome"])

_LEASE = 60 * SECOND  # longer than any sender may take
_AT_ONCE = 16
_AT_ONCE_PER_CHANNEL = 2  # so that one receiver that hangs leaves room for the others


class Outbox:
    """A step that collects what has been sent and starts sending what is due. The only sender of its store."""

    def __init__(self, control: Control, senders: Mapping[str, Sender], threads: Executor, now: Ns) -> None:
        self._control = control
        self._senders = senders
        self._threads = threads
        self._flying: dict[Future[None], tuple[Notice, Channel]] = {}
        with control.begin() as connection:
            outbox.release(connection, now)

    def step(self, now: Ns) -> bool:
        """One round; True when it moved anything."""
        landed = [flight for flight in self._flying if flight.done()]
        with self._control.read() as connection:
            due = len(self._flying) - len(landed) < _AT_ONCE and outbox.due(connection, now, self._in_the_air())
        if not landed and not due:
            return False
        with self._control.begin() as connection:
            for flight in landed:
                self._note(connection, flight, *self._flying[flight], now)
            taken = self._claim(connection, len(landed), now)
        for flight in landed:
            del self._flying[flight]
        for notice, channel in taken:  # only now that the claim is committed
            self._flying[self._threads.submit(self._send, notice, channel)] = (notice, channel)
        return bool(landed or taken)

    def _claim(self, connection: Connection, leaving: int, now: Ns) -> list[tuple[Notice, Channel]]:
        busy = collections.Counter(channel.id for _, channel in self._flying.values())
        taken: list[tuple[Notice, Channel]] = []
        while len(self._flying) - leaving + len(taken) < _AT_ONCE:
            full = [channel_id for channel_id, number in busy.items() if number >= _AT_ONCE_PER_CHANNEL]
            notice = outbox.claim(connection, now, _LEASE, full, self._in_the_air())
            if notice is None:
                break
            busy[notice.channel_id] += 1
            taken.append((notice, channels.among(connection, [notice.channel_id])[notice.channel_id]))
        return taken

    def _in_the_air(self) -> list[str]:
        # Their leases are ours: one that ran out, or over which the clock was set forward, does not make us send twice.
        return [notice.id for notice, _ in self._flying.values()]

    def _send(self, notice: Notice, channel: Channel) -> None:
        self._senders[channel.type].send(channel.config, Message(notice.id, notice.event, notice.created_at, notice.payload))

    def _note(self, connection: Connection, flight: Future[None], notice: Notice, channel: Channel, now: Ns) -> None:
        error = flight.exception()
        outcome, number = "sent" if error is None else "failed", 1
        if error is None:
            outbox.sent(connection, notice, now)
        elif self._hopeless(error, notice, now):
            outcome = "dead"
            log.error("gave up telling channel %r (%s) of %s %s: %s", channel.name, channel.id, notice.event, notice.id, error)
            number = outbox.give_up(connection, notice, str(error))
        else:
            log.warning("channel %r (%s) did not take %s %s: %s", channel.name, channel.id, notice.event, notice.id, error)
            after = error.retry_after if isinstance(error, Undelivered) else None
            jitter = random.random()  # noqa: S311  # spreads retries, protects nothing
            outbox.retry(connection, notice, backoff.next_attempt(notice.attempts, now, jitter, after), str(error))
        channels.note_delivery(connection, channel.id, None if error is None else str(error), now)
        _outcomes.labels(channel.type, outcome).inc(number)

    @staticmethod
    def _hopeless(error: BaseException, notice: Notice, now: Ns) -> bool:
        permanent = isinstance(error, Undelivered) and error.permanent
        return permanent or backoff.expired(notice.created_at, now)
