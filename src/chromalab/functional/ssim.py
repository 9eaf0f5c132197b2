"""Structural similarity, Wang et al. 2004, as scikit-image computes it with the paper's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.functional.pairs import check_pair

if TYPE_CHECKING:
    from torch import Tensor

WINDOW_PX = 11
"""Side of the Gaussian window; a picture must be at least as large."""

SIGMA_PX = 1.5
C1 = 0.01**2
C2 = 0.03**2
"""Constants K1 = 0.01 and K2 = 0.03 of Wang et al. 2004, section III-C, for values in [0, 1]."""

_RADIUS = WINDOW_PX // 2

# Large pictures are gone through in bands of rows, for the memory of their maps; few rows are computed twice.
_BAND_PIXELS = 2**16
_MIN_BAND_ROWS = 4 * _RADIUS


def ssim(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean structural similarity over channels and over pixels whose window lies inside the picture.

    Wang, Bovik, Sheikh, Simoncelli: *Image Quality Assessment: From Error Visibility to Structural Similarity*,
    IEEE TIP 13(4), 2004, eq. 13 with an 11x11 Gaussian window of sigma 1.5 and population covariances. It equals
    scikit-image's `structural_similarity(..., gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1)`. The paper takes luminance alone; this is the mean over R, G and B.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [-1, 1], 1 for identical pictures. In float32 the variances of nearly flat regions are rounded: the
        result is good to about 5e-6; use float64 where that matters.

    Raises:
        ValueError: the pictures are smaller than the window.
    """
    check_pair(preds, target)
    if min(preds.shape[-2:]) < WINDOW_PX:
        raise ValueError(f"SSIM needs at least {WINDOW_PX}x{WINDOW_PX} px, not {preds.shape[-1]}x{preds.shape[-2]}")
    rows = max(_MIN_BAND_ROWS, _BAND_PIXELS // preds.shape[-1])
    bands = [
        similarity_map(preds[:, :, top : top + rows + 2 * _RADIUS], target[:, :, top : top + rows + 2 * _RADIUS])
        for top in range(0, preds.shape[-2] - 2 * _RADIUS, rows)
    ]
    return torch.cat(bands, dim=2).mean(dim=(1, 2, 3))


def similarity_map(preds: Tensor, target: Tensor) -> Tensor:
    """Return eq. 13 for every window inside the pictures (B, 3, H, W): (B, 3, H - 10, W - 10)."""
    # The two variances enter only as their sum, so four maps are filtered instead of five.
    mean_x, mean_y = _window_mean(preds), _window_mean(target)
    means_squared = mean_x.square() + mean_y.square()
    means_product = mean_x * mean_y
    variances = _window_mean(preds.square() + target.square()) - means_squared
    covariance = _window_mean(preds * target) - means_product
    luminance = (2 * means_product + C1) / (means_squared + C1)
    structure = (2 * covariance + C2) / (variances + C2)
    return luminance * structure


def _window_mean(x: Tensor) -> Tensor:
    """Return the Gaussian-weighted means (B, C, H - 10, W - 10) of (B, C, H, W)."""
    return _weighted_sum(_weighted_sum(x, dim=-2), dim=-1)


def _weighted_sum(x: Tensor, *, dim: int) -> Tensor:
    """Weigh 11 neighbours along one axis.

    Shifted sums are several times faster on a CPU than PyTorch's convolution, which has no fast path for one channel.
    """
    weights = _gaussian()
    size = x.shape[dim] - 2 * _RADIUS
    total = weights[0] * x.narrow(dim, _RADIUS, size)
    for distance in range(1, _RADIUS + 1):
        pair = x.narrow(dim, _RADIUS - distance, size) + x.narrow(dim, _RADIUS + distance, size)
        total = torch.add(total, pair, alpha=weights[distance])
    return total


def _gaussian() -> list[float]:
    """Return the weights at distances 0 to 5 from the centre, which sum to 1 over all eleven."""
    distances = torch.arange(_RADIUS + 1, dtype=torch.float64)
    half = torch.exp(-(distances**2) / (2 * SIGMA_PX**2))
    weights: list[float] = (half / (half[0] + 2 * half[1:].sum())).tolist()
    return weights
