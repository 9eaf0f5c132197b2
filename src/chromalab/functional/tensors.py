"""Checks of image tensors, powers with finite gradients at zero, and single-threaded blocks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from chromalab.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class ImageTooSmallError(UsageError):
    """An image has fewer pixels than a formula's windows or a network's strides need."""


def check_pair(preds: Tensor, target: Tensor) -> None:
    """Check that both tensors are RGB batches (B, 3, H, W) of floats in one shape.

    Raises:
        ValueError: the shapes differ, a shape is not (B, 3, H, W), or the values are not floats.
    """
    check_rgb(preds)
    check_rgb(target)
    if preds.shape != target.shape:
        raise ValueError(f"preds and target must have one shape, not {tuple(preds.shape)} and {tuple(target.shape)}")


def check_rgb(rgb: Tensor) -> None:
    """Check that a tensor is an RGB batch (B, 3, H, W) of floats.

    Raises:
        ValueError: the shape or the type is wrong.
    """
    if rgb.ndim != 4 or rgb.shape[1] != 3 or 0 in rgb.shape[2:]:
        raise ValueError(f"expected a batch of RGB images (B, 3, H, W), not {tuple(rgb.shape)}")
    if not rgb.is_floating_point():
        raise ValueError(f"expected floats in [0, 1], not {rgb.dtype}; divide 8-bit images by 255")


def check_size(rgb: Tensor, smallest_px: int, who: str) -> None:
    """Check that both sides of images (B, 3, H, W) have at least `smallest_px` pixels.

    Args:
        rgb: the images.
        smallest_px: the smallest allowed side.
        who: name of the formula that needs it, for the message.

    Raises:
        ImageTooSmallError: a side is shorter.
    """
    height, width = rgb.shape[-2:]
    if min(height, width) < smallest_px:
        raise ImageTooSmallError(f"{who} needs sides of at least {smallest_px} px; an image has {width}x{height}")


def at_least_single(tensor: Tensor) -> Tensor:
    """Return a half-precision tensor in single precision, and any other tensor unchanged."""
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


def image_tensor(rgb: NDArray[np.uint8]) -> Tensor:
    """Return an 8-bit image (H, W, 3) as a batch of one, (1, 3, H, W) float32 in [0, 1]."""
    return torch.tensor(rgb).permute(2, 0, 1)[None].float() / 255


def safe_sqrt(x: Tensor) -> Tensor:
    """Return the square root of x >= 0, with gradient 0 at x = 0, where the true gradient is infinite."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def safe_power(x: Tensor, exponent: float) -> Tensor:
    """Return x^exponent for an exponent above 0, with value and gradient 0 for x <= 0."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).pow(exponent), 0.0)


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run every PyTorch operation of a block in the calling thread, also in threads that are started inside.

    Splitting a small operation gains little, and on a busy machine its parts wait for one another.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
