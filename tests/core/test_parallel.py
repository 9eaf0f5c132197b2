"""The parallel map keeps the order, bounds its look-ahead and raises errors."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.core.parallel import map_in_order
from chromalab.functional.tensors import one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_order_does_not_depend_on_the_time_of_items() -> None:
    def slow_if_even(number: int) -> int:
        time.sleep(0.004 if number % 2 == 0 else 0)
        return number * number

    assert list(map_in_order(slow_if_even, range(60), workers=4)) == [number**2 for number in range(60)]


def test_only_a_few_results_wait() -> None:
    begun = 0
    lock = threading.Lock()

    def count(number: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return number

    results = map_in_order(count, iter(range(1000)), workers=2)
    for taken in range(50):
        assert next(results) == taken
        time.sleep(0.001)
        assert begun <= taken + 1 + 4
    results.close()  # type: ignore[attr-defined]


def test_an_error_is_raised_in_place_and_cancels_the_rest() -> None:
    seen = []

    def fail_at_ten(number: int) -> int:
        seen.append(number)
        if number == 10:
            raise ValueError("ten")
        return number

    results = map_in_order(fail_at_ten, range(1000), workers=2)
    assert [next(results) for _ in range(10)] == list(range(10))
    with pytest.raises(ValueError, match="ten"):
        next(results)
    assert len(seen) < 30
    assert threading.active_count() < 20


def test_few_items_are_requested_in_advance() -> None:
    drawn = 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for index in range(100):
            drawn += 1
            yield index

    results = map_in_order(abs, items(), workers=2)
    for taken in range(1, 20):
        next(results)
        assert drawn <= taken + 4


def test_threads_inherit_the_single_torch_thread_of_the_caller() -> None:
    with one_torch_thread():
        assert set(map_in_order(lambda _: torch.get_num_threads(), range(20), workers=3)) == {1}
