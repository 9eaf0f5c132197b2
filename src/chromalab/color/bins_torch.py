"""Colours to distributions over the ab bins and back: in torch, for networks and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.color.bins import BIN_CENTERS

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 0.38
"""Zhang et al. 2016, section 2.3: between the mean (1) and the mode (0) of the distribution."""


def annealed_mean(logits: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the annealed mean of distributions over the ab bins (Zhang et al. 2016, eq. 5).

    f_T(z) = exp(log z / T) / sum exp(log z / T) for a distribution z, which for logits is their softmax at 1 / T.

    Args:
        logits: (B, 313, H, W).
        temperature: T, above 0; 1 is the plain mean, and near 0 the mode is left.

    Returns:
        (a*, b*) in CIELAB units, (B, 2, H, W), inside the convex hull of the bins.
    """
    weights = torch.softmax(logits / temperature, dim=1)
    centers = torch.as_tensor(BIN_CENTERS, dtype=logits.dtype, device=logits.device)
    return torch.einsum("bqhw,qc->bchw", weights, centers)
