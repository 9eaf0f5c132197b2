"""Gram matrices of features, and the distance between two pictures by them: the style loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.functional.feature_distance import at_least_single

if TYPE_CHECKING:
    from torch import Tensor


def gram_matrix(features: Tensor) -> Tensor:
    """Return how much every two channels of a feature map fire together, wherever they do.

    Johnson, Alahi and Fei-Fei 2016, *Perceptual Losses for Real-Time Style Transfer and Super-Resolution*, eq. 3:
    G_cd = 1 / (C H W) sum_hw f_chw f_dhw. Gatys, Ecker and Bethge 2016, *Image Style Transfer Using Convolutional
    Neural Networks*, eq. 3, have it without the factor.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C), symmetric. Computed in at least single precision.
    """
    channels, height, width = features.shape[1:]
    with torch.autocast(features.device.type, enabled=False):
        vectors = at_least_single(features).permute(0, 2, 3, 1).flatten(1, 2)
        return vectors.transpose(1, 2) @ vectors / (channels * height * width)


def gram_distance(preds: Tensor, target: Tensor) -> Tensor:
    """Return the squared Frobenius norm of the difference between the Gram matrices of two feature maps.

    Johnson et al. 2016, eq. 4; the code that they published takes the mean over the C^2 entries where the paper has
    their sum, and this follows the paper. Gatys et al. 2016, eq. 4, is a quarter of it: E_l = 1 / (4 N_l^2 M_l^2)
    sum (G - A)^2 with N_l = C channels, M_l = H W places and their G without the factor.

    Args:
        preds: (B, C, H, W).
        target: as `preds`.

    Returns:
        (B,), 0 where both have the same Gram matrix; the gradient there is 0.
    """
    return (gram_matrix(preds) - gram_matrix(target)).square().sum(dim=(1, 2))
