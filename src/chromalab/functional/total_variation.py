"""Total variation: how much neighboring pixels differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def total_variation(image: Tensor) -> Tensor:
    """Return the mean absolute difference of vertical neighbors plus that of horizontal ones.

    The anisotropic form of Rudin, Osher, Fatemi: *Nonlinear Total Variation Based Noise Removal Algorithms*, Physica D
    60, 1992, whose own form is the isotropic one. Each direction is a mean over channels and its pairs, so that the
    value depends neither on a picture's size nor on the number of channels: it is the mean over channels of Kornia's
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
