"""Group commit: requests that arrive together share one append with one fsync, made off the loop, and go on when it is done.

The committer alone gives out stamps, so the order of the records is the order of their stamps. And it puts on record when this worker
was not listening, ahead of every ping that came after: while a break is only known here, no ping may overtake it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool
from msgspec.structs import replace

from ingest.stamp import Stamps
from store.journal import encode
from store.model import SECOND, Gap, GapReason, Ns, Ping, Record

R = TypeVar("R", Ping, Gap, Record)

log = logging.getLogger(__name__)

_STALL = 1 * SECOND  # the loop turns four times a second, so this was a break
_SUSPEND = 10 * SECOND  # until then connections wait in the kernel, and their clients for an answer


class Trouble(NamedTuple):
    """Pings were missed, and that is not on record yet: from `since`, up to `until` or up to now. `error` is why they cannot be stored."""

    since: Ns
    reason: GapReason
    until: Ns | None = None
    error: Exception | None = None


class Course(Protocol):
    """How our time goes beside the clock on the wall; see `lastbeat.clock.Clock`."""

    @property
    def stepped(self) -> Ns: ...

    @property
    def lead(self) -> Ns: ...

    @property
    def slowed(self) -> Ns: ...


class Steady(NamedTuple):
    """A clock that nobody moves."""

    stepped: Ns = 0
    lead: Ns = 0
    slowed: Ns = 0


STEADY: Final = Steady()


class _Batch:
    """Records that are committed together, and the event their requests wait for. `front` is kept for a gap ahead of them all.

    `breaks`: those of the records that are gaps. `since`: nothing before it hangs on this batch, neither a ping nor a break.
    """

    __slots__ = ("breaks", "done", "error", "front", "records", "since")

    def __init__(self, front: Ns) -> None:
        self.front = self.since = front
        self.records: list[bytes] = []
        self.breaks: list[Gap] = []
        self.done = Event()
        self.error: Exception | None = None

    def put_break(self, gap: Gap) -> None:
        self.records.append(encode(gap))
        self.breaks.append(gap)
        self.since = min(self.since, gap.start)


class Committer:
    """While one batch is being written the next one gathers, so the batch grows with the load and nobody waits for company."""

    def __init__(
        self,
        append: Callable[[Sequence[bytes]], None],
        thread: ThreadPool,
        stamps: Stamps,
        missed: Trouble | None = None,
        course: Course = STEADY,
    ) -> None:
        """`append` runs in `thread`, which must have one worker. `missed`: what was missed before this worker began. By what the `course`
        was put forward until now, it was since then.
        """
        self._append = append
        self._thread = thread
        self._stamps = stamps
        self._gathering: _Batch | None = None
        self._writing: _Batch | None = None
        self._heard = stamps.now()
        self._course, self._stepped_before = course, course.stepped
        self._unstored: list[Gap] = []  # breaks that are over, and not on record
        self._missed_at: Ns = 0  # when a ping was refused last, see `miss`
        self.trouble = missed
        if missed is not None and course.stepped:
            # As early as it can have been: so it meets what a worker that has seen it put on record, and counts once.
            self._unstored.append(self._led(Gap(stamps.next(), missed.since, missed.since + course.stepped, "clock")))

    def commit(self, record: Callable[[Ns], Record]) -> Ns:
        """Stamp the record and return when it is durable; raise what `append` raised when it is not."""
        batch = self._open_batch()
        at = self._stamps.next()
        batch.records.append(encode(self._led(record(at))))
        self._wait(batch)
        return at

    def now(self) -> Ns:
        """The time by which stamps are given."""
        return self._stamps.now()

    def mark(self) -> Ns:
        """Every record stamped before this instant is durable, and every break before it is on record, or tried to be just now."""
        batch = self._open_batch()
        if batch.records or self.trouble is not None:
            self._wait(batch, quietly=True)
        else:
            self._gathering = None
        since = self.unstored_since()
        if since is not None:
            return since
        return self._writing.since if self._writing is not None else self._stamps.next()

    def unstored_since(self) -> Ns | None:
        """Since when something was missed that is not on record; None where all is."""
        return None if self.trouble is None else min([self.trouble.since, *(gap.start for gap in self._unstored)])

    def miss(self, error: Exception) -> None:
        """A ping had to be refused for a reason that is not the journal's."""
        self._missed_at = at = self._stamps.next()
        known = self.trouble or Trouble(at, "not_stored")
        self.trouble = known._replace(until=None, error=known.error or error)

    def _open_batch(self) -> _Batch:
        """The batch that gathers now; a break that has just ended is already in it."""
        if self._gathering is None:
            self._gathering = _Batch(self._stamps.next())
        for gap in self._breaks():
            self._gathering.put_break(self._led(Gap(self._stamps.next(), *gap)))
        return self._gathering

    def _led(self, record: R) -> R:
        lead = self._course.lead
        if isinstance(record, Gap):
            return replace(record, lead=lead, slowed=self._course.slowed)
        return replace(record, lead=lead) if lead else record

    def _breaks(self) -> list[tuple[Ns, Ns, GapReason]]:
        """What lies between the last time that the loop turned and now: a time in which it did not, and one that the clock was put over."""
        now, heard = self._stamps.now(), self._heard
        step = self._course.stepped - self._stepped_before
        self._heard, self._stepped_before = now, self._stepped_before + step
        breaks: list[tuple[Ns, Ns, GapReason]] = []
        if now - step - heard > _STALL:
            breaks.append((heard, now - step, "stall" if now - step - heard <= _SUSPEND else "suspend"))
        if step:
            breaks.append((now - step, now, "clock"))
        return breaks

    def _wait(self, batch: _Batch, *, quietly: bool = False) -> None:
        if self._writing is None:
            self._writing = batch  # claimed here, so that one writer is spawned and not one for each request
            gevent.spawn(self._write_all)
        batch.done.wait()
        if batch.error is not None and not quietly:
            raise batch.error

    def _write_all(self) -> None:
        while (batch := self._gathering) is not None:
            self._gathering, self._writing = None, batch
            before = self.trouble
            ahead = list(self._unstored)
            if before is not None and before.since < batch.front:
                ahead.append(self._led(Gap(batch.front, before.since, before.until or batch.front, before.reason)))
            batch.error = self._thread.apply(_attempt, (self._append, [*map(encode, ahead), *batch.records]))
            if batch.error is not None:
                self._unstored += batch.breaks
                if before is None or before.error is None:
                    log.error("pings cannot be stored, and get 503: %s", batch.error)
                self.trouble = (before or Trouble(batch.front, "not_stored"))._replace(until=None, error=batch.error)
            else:
                self._unstored.clear()
                self._end_trouble(batch.front)
            batch.done.set()
        self._writing = None

    def _end_trouble(self, front: Ns) -> None:
        """All that was missed before `front` is on record now; a ping that was refused since then is not."""
        known = self.trouble
        if known is not None and self._missed_at > front:
            self.trouble = Trouble(max(known.since, front), "not_stored", error=known.error)
        elif known is not None:
            if known.error is not None:
                log.warning("pings can be stored again")
            self.trouble = None


def _attempt(append: Callable[[Sequence[bytes]], None], records: Sequence[bytes]) -> Exception | None:
    """The error, if any: raised in the pool's thread it would be printed for every batch."""
    try:
        append(records)
    except Exception as error:  # noqa: BLE001  # every kind of failure belongs to the requests of this batch
        return error
    return None
