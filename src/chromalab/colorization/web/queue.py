"""The work queue, with limits on concurrent work, waiting work, and the time of each photo."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from chromalab.core.errors import ChromalabError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_POLL_S = 0.1


class QueueFullError(ChromalabError):
    """Too many photos are waiting."""


class OutOfTimeError(ChromalabError):
    """A photo was not finished in time."""


class CancelledError(ChromalabError):
    """The client has disconnected."""


@dataclass
class Counts:
    """Counters since the start of the server, for the metrics page: each photo counts once, by what its client got."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0
    out_of_time: int = 0
    refused: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float = 0.0) -> None:
        """Increment a counter."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
            self.seconds += seconds


class Ticket:
    """A place in the queue, which work checks between its steps."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Make the next check raise `CancelledError`."""
        self._cancelled.set()

    def check(self) -> None:
        """Stop the work if the client has disconnected or the time is over.

        Raises:
            CancelledError: the client has disconnected.
            OutOfTimeError: the time is over.
        """
        if self._cancelled.is_set():
            raise CancelledError("the client has disconnected")
        if time.monotonic() > self.deadline:
            raise OutOfTimeError("the photo was not finished in time")


class WorkQueue:
    """Runs work in a fixed number of threads.

    Args:
        workers: number of threads.
        waiting: largest number of waiting photos.
        timeout_s: time limit from arrival to result, in seconds.
    """

    def __init__(self, workers: int, waiting: int, timeout_s: float) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="colorize")
        self._room = workers + waiting
        self._timeout_s = timeout_s
        self._inside: set[Future[Any]] = set()
        self.workers = workers
        self.counts = Counts()

    @property
    def inside(self) -> int:
        """Number of photos that are being processed or waiting."""
        return len(self._inside)

    async def run(
        self,
        work: Callable[[Ticket], T],
        disconnected: Callable[[], Awaitable[bool]],
        left: Callable[[], object] = lambda: None,
    ) -> T:
        """Run `work` in a thread and return its result.

        Args:
            work: function that calls `check` of its ticket between its steps.
            disconnected: returns whether the client has disconnected.
            left: called once when the work has ended or will never begin.

        Raises:
            QueueFullError: too many photos are waiting.
            OutOfTimeError: the work was not finished in time.
            CancelledError: the client has disconnected.
        """
        if self.inside >= self._room:
            self.counts.add("refused")
            left()
            raise QueueFullError(f"{self.inside} photos are being processed or waiting: try again later")
        ticket = Ticket(time.monotonic() + self._timeout_s)
        running = self._pool.submit(_timed, work, ticket)
        self._inside.add(running)
        running.add_done_callback(self._inside.discard)
        running.add_done_callback(lambda _: left())
        try:
            result, seconds = await self._result(asyncio.wrap_future(running), ticket, disconnected)
        except (CancelledError, asyncio.CancelledError):
            ticket.cancel()
            self.counts.add("cancelled")
            raise
        except OutOfTimeError:
            self.counts.add("out_of_time")
            raise
        except Exception:
            self.counts.add("failed")
            raise
        finally:
            running.cancel()  # only work that has not begun
        self.counts.add("done", seconds)
        return result

    async def _result(
        self, future: asyncio.Future[tuple[T, float]], ticket: Ticket, disconnected: Callable[[], Awaitable[bool]]
    ) -> tuple[T, float]:
        future.add_done_callback(_retrieve)
        while True:
            done, _ = await asyncio.wait([future], timeout=_POLL_S)
            if done:
                return future.result()
            if await disconnected():
                raise CancelledError("the client has disconnected")
            if time.monotonic() > ticket.deadline:
                raise OutOfTimeError(f"the photo was not finished within {self._timeout_s:g} s")

    def close(self) -> None:
        """Wait for running work, and drop waiting work."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _timed(work: Callable[[Ticket], T], ticket: Ticket) -> tuple[T, float]:
    """Return the result of work, and its seconds."""
    started = time.monotonic()
    ticket.check()
    return work(ticket), time.monotonic() - started


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Retrieve the error of work, so that asyncio does not log those of abandoned work."""
    if not future.cancelled():
        future.exception()
