"""Ships settled pings from the journals to the time-series store, at its own pace: that store may be away for as long as it likes."""

from __future__ import annotations

from prometheus_client import Counter

from store.control import Control, offsets
from store.inbox import Inbox
from store.journal import JournalReader
from store.model import Ns, Ping
from store.points import Points

_shipped = Counter("lastbeat_records_shipped", "Records of the journals that the time-series store has.")

_BATCH = 2_000


class Ship:
    """A step that writes the next batch of each journal. Writing a batch again after a crash changes nothing in the points."""

    def __init__(self, control: Control, inbox: Inbox, points: Points) -> None:
        self._control = control
        self._inbox = inbox
        self._points = points

    def step(self, now: Ns) -> bool:
        """Ship one batch a journal; True when there is more to ship at once."""
        with self._control.read() as connection:
            settled = offsets.load(connection, "settle")
            shipped = offsets.load(connection, "ship")
        # A list, so that every journal gets its turn.
        moved = [self._ship(j, shipped.get(j.id, 0), settled.get(j.id, 0)) for j in self._inbox.journals()]
        return any(moved)

    def _ship(self, journal: JournalReader, shipped: int, settled: int) -> bool:
        if shipped >= settled:
            return False
        batch = [(seq, record) for seq, record in journal.read(shipped, _BATCH) if seq <= settled]
        self._points.write([record for _, record in batch if isinstance(record, Ping)])
        _shipped.inc(len(batch))
        # Rows that were pruned long ago leave no batch: then everything up to `settled` is done with.
        passed = batch[-1][0] if batch else settled
        with self._control.begin() as connection:
            offsets.save(connection, "ship", {journal.id: passed})
        return passed < settled
