"""The queue: a few photos at a time, a few waiting, each with an end."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from chromalab.core.errors import ChromalabError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_LOOK_EVERY_S = 0.1


class QueueFullError(ChromalabError):
    """No more photos may wait."""


class OutOfTimeError(ChromalabError):
    """A photo was not done in time."""


class CancelledError(ChromalabError):
    """Nobody waits for the result any more."""


@dataclass
class Counts:
    """What the queue has seen since the server started; for the metrics page."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0
    out_of_time: int = 0
    refused: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float = 0.0) -> None:
        """Count one more."""
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)
            self.seconds += seconds


class Ticket:
    """A place in the queue; work looks at it now and then, and stops when nobody waits any more."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Say that nobody waits any more."""
        self._given_up.set()

    def check(self) -> None:
        """Stop the work where nobody waits, or where its time is over.

        Raises:
            CancelledError: the client has gone.
            OutOfTimeError: the time is over.
        """
        if self._given_up.is_set():
            raise CancelledError("nobody waits for this photo any more")
        if time.monotonic() > self.deadline:
            raise OutOfTimeError("the photo was not done in time")


class WorkQueue:
    """Runs work in a few threads.

    Args:
        workers: threads.
        waiting: how much may wait beside what is being done.
        timeout_s: from arrival to result.
    """

    def __init__(self, workers: int, waiting: int, timeout_s: float) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="colorize")
        self._room = workers + waiting
        self._timeout_s = timeout_s
        self.workers = workers
        self.inside = 0
        self.counts = Counts()

    async def run(self, work: Callable[[Ticket], T], gone: Callable[[], Awaitable[bool]]) -> T:
        """Return what `work` gives.

        Args:
            work: what to do; it calls `check` of its ticket between its steps.
            gone: tells whether the client has gone.

        Raises:
            QueueFullError: too much is waiting.
            OutOfTimeError: it was not done in time.
            CancelledError: the client has gone.
        """
        if self.inside >= self._room:
            self.counts.add("refused")
            raise QueueFullError(f"{self.inside} photos are being done or wait: try again later")
        self.inside += 1
        ticket = Ticket(time.monotonic() + self._timeout_s)
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._timed, work, ticket)
        future.add_done_callback(self._leave)
        try:
            while True:
                done, _ = await asyncio.wait([future], timeout=_LOOK_EVERY_S)
                if done:
                    return future.result()
                if await gone():
                    ticket.give_up()
                    raise CancelledError("the client has gone")
                if time.monotonic() > ticket.deadline:
                    self.counts.add("out_of_time")
                    raise OutOfTimeError(f"the photo was not done within {self._timeout_s:g} s")
        except asyncio.CancelledError:
            ticket.give_up()
            raise

    def _timed(self, work: Callable[[Ticket], T], ticket: Ticket) -> T:
        started = time.monotonic()
        try:
            ticket.check()
            result = work(ticket)
        except CancelledError:
            self.counts.add("cancelled")
            raise
        except OutOfTimeError:
            raise
        except Exception:
            self.counts.add("failed")
            raise
        self.counts.add("done", time.monotonic() - started)
        return result

    def _leave(self, future: asyncio.Future[T]) -> None:
        self.inside -= 1
        if not future.cancelled():
            future.exception()  # looked at, so that one that nobody waits for is not complained about

    def close(self) -> None:
        """Let running work end, and drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
