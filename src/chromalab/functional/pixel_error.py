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

    Dividing the sum, and not every element, leaves nothing of the images' size to do in the backward pass.
    """
    return errors.sum(dim=(1, 2, 3)) / errors.shape[1:].numel()


def mean_absolute_error(preds: Tensor, target: Tensor) -> Tensor:
    """Return mean |preds - target| over channels and pixels, in [0, 1].

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,). At equality the gradient is 0.
    """
    check_pair(preds, target)
    return image_mean((preds - target).abs())


def mean_squared_error(preds: Tensor, target: Tensor) -> Tensor:
    """Return mean (preds - target)^2 over channels and pixels, in [0, 1].

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,).
    """
    check_pair(preds, target)
    return image_mean(F.mse_loss(preds, target, reduction="none"))


def peak_signal_to_noise_ratio(preds: Tensor, target: Tensor) -> Tensor:
    """Return 10 log10(1 / MSE) in dB, the peak being 1.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [0, inf]. Identical images have inf, with gradient 0.
    """
    mse = mean_squared_error(preds, target)
    differs = mse > 0
    return torch.where(differs, -10 * torch.where(differs, mse, 1.0).log10(), torch.inf)


def psnr_of_colors(preds_lab: Tensor, target_lab: Tensor) -> Tensor:
    """Return 10 log10(220^2 / MSE) in dB over a* and b*, 220 being the width of the range -110 to 110.

    All colors of sRGB lie in that range, which is the one that networks are trained over here. Published "PSNR ab"
    differ in their peaks, which shifts all values alike, and some see a* only.

    Args:
        preds_lab: CIELAB (B, 3, H, W); L* does not matter.
        target_lab: the same shape.

    Returns:
        (B,). Equal colors have inf.
    """
    mse = image_mean((preds_lab[:, 1:] - target_lab[:, 1:]).square())
    differs = mse > 0
    return torch.where(differs, 10 * (AB_RANGE**2 / torch.where(differs, mse, 1.0)).log10(), torch.inf)


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute difference of vertical neighbors plus that of horizontal ones.

    The anisotropic form of Rudin, Osher, Fatemi: *Nonlinear Total Variation Based Noise Removal Algorithms*, Physica D
    60, 1992, whose own form is the isotropic one. Each direction is a mean over channels and its pairs, so that the
    value depends neither on an image's size nor on the number of channels: it is the mean over channels of Kornia's
    `total_variation(reduction="mean")`. The sums that Kornia (by default) and torchmetrics give are H W times as large
    and more.

    Args:
        image: (B, C, H, W).

    Returns:
        (B,), at least 0; a direction of one pixel has none. Where neighbors are equal the gradient is 0.
    """
    vertical = _mean_step(image[:, :, :-1], image[:, :, 1:])
    return vertical + _mean_step(image[..., :-1], image[..., 1:])


def _mean_step(first: Tensor, second: Tensor) -> Tensor:
    steps = (second - first).abs()
    count = max(1, steps[0].numel())
    return steps.sum(dim=(1, 2, 3)) / count
