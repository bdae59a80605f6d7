"""Work that may wait for a disk or a lock, done in a thread of a pool while the loop goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")


def aside(threads: ThreadPool, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` returns, or what it raises: raised here, since gevent prints what is raised in a pool's thread."""
    outcome: tuple[T, None] | tuple[None, Exception] = threads.apply(_attempt, (work, args, kwargs))
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def _attempt(work: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[T, None] | tuple[None, Exception]:
    try:
        return work(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001  # every kind of failure belongs to who asked
        return None, error
