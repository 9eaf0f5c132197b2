"""Errors of pixel values (MAE, MSE, PSNR) and total variation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.functional.tensors import check_pair

if TYPE_CHECKING:
    from torch import Tensor


AB_RANGE = 220.0
"""Width of the range of a* and b*, from -110 to 110."""


def image_mean(errors: Tensor) -> Tensor:
    """Return the mean over channels and pixels of (B, C, H, W) as (B,).

    Dividing the sum instead of every element avoids an operation on full images in the backward pass.
    """
    return errors.sum(dim=(1, 2, 3)) / errors.shape[1:].numel()


def mean_absolute_error(preds: Tensor, target: Tensor) -> Tensor:
    """Return mean |preds - target| over channels and pixels.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [0, 1]. The gradient is 0 at equality.
    """
    check_pair(preds, target)
    return image_mean((preds - target).abs())


def mean_squared_error(preds: Tensor, target: Tensor) -> Tensor:
    """Return mean (preds - target)^2 over channels and pixels.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [0, 1].
    """
    check_pair(preds, target)
    return image_mean(F.mse_loss(preds, target, reduction="none"))


def peak_signal_to_noise_ratio(preds: Tensor, target: Tensor) -> Tensor:
    """Return 10 log10(1 / MSE) in dB, for a peak of 1.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [0, inf]; infinite with gradient 0 for identical images.
    """
    mse = mean_squared_error(preds, target)
    differs = mse > 0
    return torch.where(differs, -10 * torch.where(differs, mse, 1.0).log10(), torch.inf)


def psnr_of_colors(preds_lab: Tensor, target_lab: Tensor) -> Tensor:
    """Return 10 log10(220^2 / MSE) in dB over a* and b*, where 220 is the width of the range -110 to 110.

    All colors of sRGB lie in this range, which is also that of chromalab's networks. Published values of "PSNR ab" use
    other peaks, which shifts all values by a constant, and some use a* only.

    Args:
        preds_lab: CIELAB (B, 3, H, W); L* does not matter.
        target_lab: the same shape.

    Returns:
        (B,), infinite for equal colors.
    """
    mse = image_mean((preds_lab[:, 1:] - target_lab[:, 1:]).square())
    differs = mse > 0
    return torch.where(differs, 10 * (AB_RANGE**2 / torch.where(differs, mse, 1.0)).log10(), torch.inf)


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute difference of vertical neighbors plus that of horizontal ones.

    This is the anisotropic form of Rudin, Osher, Fatemi: *Nonlinear Total Variation Based Noise Removal Algorithms*,
    Physica D 60, 1992, who use the isotropic form. Each direction is a mean over channels and pairs of pixels, so the
    value depends neither on the size of an image nor on the number of channels. It equals the mean over channels of
    Kornia's `total_variation(reduction="mean")`. The sums that Kornia (by default) and torchmetrics return are larger
    by a factor of at least H W.

    Args:
        image: (B, C, H, W).

    Returns:
        (B,), at least 0. A direction with a single pixel contributes 0. The gradient is 0 for equal neighbors.
    """
    vertical = _mean_step(image[:, :, :-1], image[:, :, 1:])
    return vertical + _mean_step(image[..., :-1], image[..., 1:])


def _mean_step(first: Tensor, second: Tensor) -> Tensor:
    steps = (second - first).abs()
    count = max(1, steps[0].numel())
    return steps.sum(dim=(1, 2, 3)) / count
