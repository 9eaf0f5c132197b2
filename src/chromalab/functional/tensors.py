"""Checks of image tensors, powers with finite gradients at zero, and single-threaded blocks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class ImageTooSmallError(UsageError):
    """An image has fewer pixels than a formula's windows or a network's strides need."""


def check_pair(preds: Tensor, target: Tensor) -> None:
    """Refuse what is not a pair of equally shaped RGB batches (B, 3, H, W) of floats.

    Raises:
        ValueError: the shapes differ or are no RGB batches, or the values are no floats.
    """
    check_rgb(preds)
    check_rgb(target)
    if preds.shape != target.shape:
        raise ValueError(f"preds and target must have one shape, not {tuple(preds.shape)} and {tuple(target.shape)}")


def check_rgb(rgb: Tensor) -> None:
    """Refuse what is not an RGB batch (B, 3, H, W) of floats.

    Raises:
        ValueError: the shape or the type is another.
    """
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape[2:]:
        raise ValueError(f"expected a batch of RGB images (B, 3, H, W), not {tuple(rgb.shape)}")
    if not rgb.is_floating_point():
        raise ValueError(f"expected floats in [0, 1], not {rgb.dtype}: divide 8-bit images by 255")


def check_size(rgb: Tensor, smallest_px: int, who: str) -> None:
    """Refuse images (B, 3, H, W) with a side shorter than `smallest_px`.

    Args:
        rgb: the images.
        smallest_px: the shortest side that will do.
        who: asks for it, as the message names it.

    Raises:
        ImageTooSmallError: a side is shorter.
    """
    height, width = rgb.shape[-2:]
    if min(height, width) < smallest_px:
        raise ImageTooSmallError(f"{who} needs sides of at least {smallest_px} px; an image has {width}x{height}")


def safe_sqrt(x: Tensor) -> Tensor:
    """Return the square root of x >= 0, with gradient 0 where x is 0 (there the true one is infinite)."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def safe_power(x: Tensor, exponent: float) -> Tensor:
    """Return x^exponent of x >= 0 for an exponent above 0, with value and gradient 0 where x is 0 or less."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).pow(exponent), 0.0)


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
