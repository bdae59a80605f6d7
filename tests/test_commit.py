from __future__ import annotations

from collections.abc import Sequence

import gevent
import pytest
from gevent.event import Event
from gevent.threadpool import ThreadPool

from ingest.commit import Committer


class Disk:
    """Takes batches one at a time, each only when the test lets it through."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.broken = False

    def append(self, records: Sequence[bytes]) -> None:
        self.batches.append(list(records))
        if self.broken:
            raise OSError("no space left on device")


def test_requests_that_come_while_one_is_written_share_the_next_commit() -> None:
    disk, thread = Disk(), ThreadPool(1)
    committer = Committer(disk.append, thread)
    waiting = [gevent.spawn(committer.commit, n, b"%d" % n) for n in range(10)]
    gevent.joinall(waiting, raise_error=True, timeout=5)
    assert disk.batches[0][0] == b"0"
    assert len(disk.batches) <= 2
    assert [record for batch in disk.batches for record in batch] == [b"%d" % n for n in range(10)]
    assert committer.oldest() is None


def test_the_oldest_record_that_is_not_durable_is_known() -> None:
    begun, let_go = Event(), Event()

    class Pool:
        def apply(self, function: object, arguments: object) -> None:
            begun.set()
            let_go.wait()

    committer = Committer(Disk().append, Pool())  # type: ignore[arg-type]  # all of a pool that is used
    gevent.spawn(committer.commit, 5, b"a")
    begun.wait()
    gevent.spawn(committer.commit, 9, b"b")
    gevent.sleep(0)
    assert committer.oldest() == 5
    let_go.set()
    gevent.sleep(0.01)
    assert committer.oldest() is None


def test_a_failed_commit_fails_its_own_requests_and_no_others() -> None:
    disk = Disk()
    committer = Committer(disk.append, ThreadPool(1))
    disk.broken = True
    with pytest.raises(OSError, match="no space left"):
        committer.commit(3, b"lost")
    assert committer.failed_at == 3
    disk.broken = False
    committer.commit(4, b"kept")
    assert committer.failed_at is None
