"""The work queue: places of photos whose clients have left, and counters."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from chromalab.colorization.web.queue import CancelledError, OutOfTimeError, Ticket, WorkQueue

if TYPE_CHECKING:
    from collections.abc import Callable


async def stays() -> bool:
    return False


async def has_left() -> bool:
    return True


def until(released: threading.Event) -> Callable[[Ticket], int]:
    """Return work that ends when it is released."""

    def work(_: Ticket) -> int:
        released.wait(20)
        return 1

    return work


async def occupied(timeout_s: float) -> tuple[WorkQueue, threading.Event, asyncio.Task[int]]:
    """Return a queue with room for one more photo, and the work in it, which ends when it is released."""
    queue, released = WorkQueue(1, 1, timeout_s), threading.Event()
    first = asyncio.create_task(queue.run(until(released), stays))
    await asyncio.sleep(0.01)
    return queue, released, first


async def emptied(queue: WorkQueue) -> None:
    while queue.inside:
        await asyncio.sleep(0.01)


def test_a_waiting_photo_whose_client_has_left_gives_its_place_back() -> None:
    async def scenario() -> None:
        queue, released, first = await occupied(60)
        with pytest.raises(CancelledError):
            await queue.run(lambda _: 2, has_left)
        third = asyncio.create_task(queue.run(lambda _: 3, stays))  # there is room for it
        await asyncio.sleep(0.01)
        assert queue.inside == 2
        released.set()
        assert [await first, await third] == [1, 3]
        assert (queue.inside, queue.counts.cancelled, queue.counts.done, queue.counts.refused) == (0, 1, 2, 0)
        queue.close()

    asyncio.run(scenario())


def test_a_waiting_photo_that_is_out_of_time_gives_its_place_back() -> None:
    async def scenario() -> None:
        queue, released, first = await occupied(0.3)
        with pytest.raises(OutOfTimeError):
            await queue.run(lambda _: 2, stays)
        with pytest.raises(OutOfTimeError):
            await first
        assert queue.inside == 1  # work that runs is not interrupted
        released.set()
        await emptied(queue)
        queue.close()

    asyncio.run(scenario())


def test_photos_that_are_out_of_time_are_counted_once() -> None:
    def checked(ticket: Ticket) -> None:
        while True:
            time.sleep(0.001)
            ticket.check()

    async def scenario() -> None:
        queue = WorkQueue(1, 5, 0.15)
        for _ in range(5):
            with pytest.raises(OutOfTimeError):
                await queue.run(checked, stays)
        await emptied(queue)
        assert (queue.counts.out_of_time, queue.counts.failed, queue.counts.done) == (5, 0, 0)
        queue.close()

    asyncio.run(scenario())
