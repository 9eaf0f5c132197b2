"""Work in threads: order, bounded look-ahead, and errors."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import torch

from chromalab.evaluation.in_order import map_in_order
from chromalab.functional.tensors import one_torch_thread

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_order_though_the_first_take_longest() -> None:
    def slow_first(index: int) -> int:
        time.sleep(0.02 if index % 4 == 0 else 0)
        return index * index

    assert list(map_in_order(slow_first, range(30), workers=4)) == [index * index for index in range(30)]


def test_nothing_is_drawn_far_ahead() -> None:
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


def test_threads_start_with_the_one_torch_thread_of_the_caller() -> None:
    with one_torch_thread():
        assert set(map_in_order(lambda _: torch.get_num_threads(), range(20), workers=3)) == {1}


def test_an_error_reaches_the_caller() -> None:
    results = map_in_order(lambda number: 1 // number, [1, 0, 1], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
