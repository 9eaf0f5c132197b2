"""Threads that work on many items at once and return results in order, with bounded memory."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

_AHEAD_PER_WORKER = 2


def cpu_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(function: Callable[[T], R], items: Iterable[T], *, workers: int | None = None) -> Iterator[R]:
    """Yield `function(item)` for every item, in the order of the items, computed by a pool of threads.

    At most two items per worker are being computed or waiting to be taken, so memory does not grow with their number.
    An exception is raised where its result would be taken, and work that has not begun is then dropped.

    Args:
        function: the work; it should spend its time outside Python's global interpreter lock.
        items: drawn in the thread of the caller.
        workers: number of threads; None takes one for each available processor.
    """
    count = workers or cpu_count()
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="map_in_order")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _AHEAD_PER_WORKER * count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
