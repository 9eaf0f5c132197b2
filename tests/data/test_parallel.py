"""Ordered parallel work that holds little and stops at the first error."""

from __future__ import annotations

import threading
import time

import pytest

from chromalab.data.parallel import map_in_order


def test_order_is_kept_whatever_finishes_first() -> None:
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
        assert begun <= taken + 1 + 8
    results.close()  # type: ignore[attr-defined]


def test_error_is_raised_in_its_place_and_ends_the_work() -> None:
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
