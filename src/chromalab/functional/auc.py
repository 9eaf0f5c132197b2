"""Raw accuracy of colors: how much of a picture lies within a threshold of the truth, over all thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import nearest_bins

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_THRESHOLD = 150.0
"""Zhang et al. 2016, section 3.1: thresholds go from 0 to 150 CIELAB units."""


def auc(preds_lab: Tensor, target_lab: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the area under the curve of accuracy over thresholds, divided by that of a perfect picture.

    Zhang, Isola, Efros: *Colorful Image Colorization*, ECCV 2016, section 3.1, "raw accuracy (AuC)": a pixel is right
    at a threshold t when its (a*, b*) is within t of the true one; the share of right pixels is integrated over t from
    0 to 150. A pixel with the error e is right for all t from e on, so the area is the mean of max(0, 1 - e / 150),
    exactly: there is no sweep and no step.

    Args:
        preds_lab: CIELAB (B, 3, H, W); L* does not matter.
        target_lab: the same shape.
        weights: how much each pixel counts, (B, H, W), not negative and not all 0; all alike where they are left out.

    Returns:
        (B,), in [0, 1]; 1 where all colors are right.
    """
    error: Tensor = torch.linalg.vector_norm(preds_lab[:, 1:] - target_lab[:, 1:], dim=1)
    accuracy = (1 - error / LARGEST_THRESHOLD).clamp_min(0)
    if weights is None:
        return accuracy.mean(dim=(1, 2))
    return (accuracy * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2))


def bin_weights(lab: Tensor, weights: Tensor) -> Tensor:
    """Return for every pixel the weight of the ab bin that is nearest to its color.

    Args:
        lab: CIELAB (B, 3, H, W).
        weights: one for each of the 313 bins, (313,).

    Returns:
        (B, H, W), of the type of `weights`.
    """
    bins = nearest_bins(lab[:, 1:].permute(0, 2, 3, 1).cpu().numpy())
    return weights[torch.from_numpy(bins).to(weights.device)]
