"""Where PyTorch's own threads do harm."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let every PyTorch operation inside run in the thread that calls it, and threads started inside do the same.

    Dividing one small operation gains little, and costs much on a busy machine: its parts wait for one another, and
    none may be running.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
