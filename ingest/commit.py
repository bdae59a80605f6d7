"""Group commit: requests that arrive together share one append with one fsync, made off the loop, and go on when it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from store.model import Ns


class _Batch:
    """Records that are committed together, and the event their requests wait for."""

    __slots__ = ("done", "error", "first_at", "records")

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.first_at: Ns | None = None
        self.done = Event()
        self.error: Exception | None = None


class Committer:
    """While one batch is being written the next one gathers, so the batch grows with the load and nobody waits for company."""

    def __init__(self, append: Callable[[Sequence[bytes]], None], thread: ThreadPool) -> None:
        """`append` runs in `thread`, which must have one worker: a journal is written by one thread."""
        self._append = append
        self._thread = thread
        self._gathering = _Batch()
        self._writing: _Batch | None = None
        # The stamp of the first record of the newest batch that failed; None after one that succeeded.
        self.failed_at: Ns | None = None

    def commit(self, at: Ns, record: bytes) -> None:
        """Return when the record is durable; raise what `append` raised when it is not.

        Call in the order of the stamps `at`, without yielding between taking a stamp and calling.
        """
        batch = self._gathering
        batch.records.append(record)
        if batch.first_at is None:
            batch.first_at = at
        if self._writing is None:
            self._writing = batch  # claimed here, so that one writer is spawned and not one for each request
            gevent.spawn(self._write_all)
        batch.done.wait()
        if batch.error is not None:
            raise batch.error

    def oldest(self) -> Ns | None:
        """The stamp of the oldest record that is not durable yet; None when all are."""
        return self._writing.first_at if self._writing is not None else None

    def _write_all(self) -> None:
        while self._gathering.records:
            batch, self._gathering = self._gathering, _Batch()
            self._writing = batch
            try:
                self._thread.apply(self._append, (batch.records,))
                self.failed_at = None
            except Exception as error:  # noqa: BLE001  # every kind of failure belongs to the requests of this batch
                batch.error = error
                self.failed_at = batch.first_at
            batch.done.set()
        self._writing = None
