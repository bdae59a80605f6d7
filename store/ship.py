"""Ships settled pings, and transitions, to the time-series store at its own pace: that store may be away for as long as it likes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import Counter

from store import lag
from store.control import Control, durations, history, offsets
from store.deadletter import DeadLetters
from store.inbox import Inbox
from store.journal import JournalReader
from store.model import Ns, Ping, timed
from store.points import Points, PointsError, Refusal, StatePoints

_shipped = Counter("lastbeat_records_shipped", "Records of the journals that the time-series store has.")

_BATCH = 5_000
_TRANSITIONS = "transitions"  # stands among the journals' ids


class _Delivery:
    """Writes a batch and then moves its offset. After a crash in between it is written again, which changes nothing in the points."""

    def __init__(self, control: Control, dead: DeadLetters) -> None:
        self._control = control
        self._dead = dead
        with control.read() as connection:
            self._troubled = lag.trouble(connection) is not None

    def deliver(self, journal: str, passed: int, write: Callable[[], Sequence[Refusal]], now: Ns, timed_at: Sequence[Ns] = ()) -> None:
        """`timed_at`: stamps of the pings whose durations have been told."""
        try:
            self._dead.add(write())
        except PointsError as error:
            with self._control.begin() as connection:
                lag.note(connection, error, now)
            self._troubled = True
            raise
        with self._control.begin() as connection:
            offsets.save(connection, "ship", {journal: passed})
            durations.drop(connection, timed_at)
            if self._troubled:
                lag.clear(connection)
        self._troubled = False


class Ship:
    """A step that writes the next batch of each journal. `horizon`: every ping received before it is in the points, or never will be."""

    def __init__(
        self, control: Control, inbox: Inbox, points: Points, dead: DeadLetters, settled_until: Callable[[], Ns | None] = lambda: None
    ) -> None:
        """`settled_until`: the instant up to which all is settled."""
        self.horizon: Ns | None = None
        self._settled_until = settled_until
        self._control = control
        self._inbox = inbox
        self._points = points
        self._delivery = _Delivery(control, dead)

    def step(self, now: Ns) -> bool:
        """Ship one batch a journal; True when there is more to ship at once."""
        until = self._settled_until()  # before the offsets are read, which are those of then or later ones
        with self._control.read() as connection:
            settled = offsets.load(connection, "settle")
            shipped = offsets.load(connection, "ship")
        # A list, so that every journal gets its turn.
        moved = [self._ship(j, shipped.get(j.id, 0), settled.get(j.id, 0), now) for j in self._inbox.journals()]
        if any(moved):
            return True
        self.horizon = until
        return False

    def _ship(self, journal: JournalReader, shipped: int, settled: int, now: Ns) -> bool:
        if shipped >= settled:
            return False
        batch = [(seq, record) for seq, record in journal.read(shipped, _BATCH) if seq <= settled]
        pings = self._timed([record for _, record in batch if isinstance(record, Ping)])
        # Rows that were pruned long ago leave no batch: then everything up to `settled` is done with.
        passed = batch[-1][0] if batch else settled
        self._delivery.deliver(journal.id, passed, lambda: self._points.write(pings), now, [p.at for p in pings if p.duration is not None])
        _shipped.inc(len(batch))
        return passed < settled

    def _timed(self, pings: list[Ping]) -> list[Ping]:
        """The pings with the durations of the runs that they ended, which settle has found out."""
        if not pings:
            return pings
        with self._control.read() as connection:
            found = durations.between(connection, pings[0].at, pings[-1].at)
        return [timed(ping, found[ping.at]) if ping.at in found else ping for ping in pings] if found else pings


class ShipStates:
    """A step that writes the next transitions, for a store that keeps them too."""

    def __init__(self, control: Control, points: StatePoints, dead: DeadLetters) -> None:
        self._control = control
        self._points = points
        self._delivery = _Delivery(control, dead)

    def step(self, now: Ns) -> bool:
        with self._control.read() as connection:
            shipped = offsets.load(connection, "ship").get(_TRANSITIONS, 0)
            batch = history.after(connection, shipped, _BATCH)
        if not batch:
            return False
        transitions = [transition for _, transition in batch]
        self._delivery.deliver(_TRANSITIONS, batch[-1][0], lambda: self._points.write_states(transitions), now)
        return len(batch) == _BATCH
