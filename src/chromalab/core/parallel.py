"""A parallel map in threads that keeps the order of the items and bounds memory use."""

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
    """Yield `function(item)` for every item, in the order of the items, computed by a thread pool.

    At most two items per worker are in progress or waiting to be consumed, so memory use does not depend on the number
    of items. An exception is raised in place of its result, and work that has not started is then canceled.

    Args:
        function: the work, which should spend most of its time outside the global interpreter lock.
        items: iterated in the thread of the caller.
        workers: number of threads; None means one per available processor.
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
