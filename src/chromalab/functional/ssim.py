"""SSIM (Wang et al. 2004) as scikit-image computes it with the paper's settings, and MS-SSIM (Wang et al. 2003)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor
from torch.autograd.function import once_differentiable

from chromalab.core.wording import plural
from chromalab.functional.tensors import check_pair, check_size, safe_power

if TYPE_CHECKING:
    from torch import Tensor


WINDOW_PX = 11
"""Side of the Gaussian window; an image must be at least as large."""

SIGMA_PX = 1.5
C1 = 0.01**2
C2 = 0.03**2
"""Constants K1 = 0.01 and K2 = 0.03 of Wang et al. 2004, section III-C, for values in [0, 1]."""

_RADIUS = WINDOW_PX // 2

# Large images are processed in bands of rows to save memory; few rows are computed twice.
_BAND_PIXELS = 2**16
_MIN_BAND_ROWS = 4 * _RADIUS


def ssim(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean structural similarity over channels and over pixels whose window lies inside the image.

    Wang, Bovik, Sheikh, Simoncelli: *Image Quality Assessment: From Error Visibility to Structural Similarity*,
    IEEE TIP 13(4), 2004, eq. 13 with an 11x11 Gaussian window of sigma 1.5 and population covariances. It equals
    scikit-image's `structural_similarity(..., gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1)`. The paper takes luminance alone; this is the mean over R, G and B.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.

    Returns:
        (B,), in [-1, 1], 1 for identical images. In float32 the variances of nearly flat regions are rounded, with an
        error of about 5e-6; use float64 if this matters. Differentiable once.

    Raises:
        ValueError: the batches have different shapes or are not RGB.
        ImageTooSmallError: the images are smaller than the window.
    """
    check_pair(preds, target)
    check_size(preds, WINDOW_PX, "SSIM")
    rows = max(_MIN_BAND_ROWS, _BAND_PIXELS // preds.shape[-1])
    bands = [
        similarity_map(preds[:, :, top : top + rows + 2 * _RADIUS], target[:, :, top : top + rows + 2 * _RADIUS])
        for top in range(0, preds.shape[-2] - 2 * _RADIUS, rows)
    ]
    return torch.cat(bands, dim=2).mean(dim=(1, 2, 3))


def similarity_map(preds: Tensor, target: Tensor) -> Tensor:
    """Return eq. 13 for every window inside the images (B, 3, H, W), as (B, 3, H - 10, W - 10)."""
    luminance, structure = luminance_and_structure(preds, target)
    return luminance * structure


def luminance_and_structure(preds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two factors of eq. 13, luminance and contrast with structure, (B, 3, H - 10, W - 10) each.

    The second is the product c s of eq. 9 and 10 with C3 = C2 / 2, which is negative for opposite structures.
    """
    # The two variances enter only as their sum, so four maps are filtered instead of five. They are filtered together
    # because PyTorch starts its threads anew for every operation.
    means = _window_mean(torch.stack([preds, target, preds.square() + target.square(), preds * target]))
    mean_x, mean_y, mean_of_squares, mean_of_product = means.unbind()
    means_squared = mean_x.square() + mean_y.square()
    means_product = mean_x * mean_y
    luminance = (2 * means_product + C1) / (means_squared + C1)
    structure = (2 * (mean_of_product - means_product) + C2) / (mean_of_squares - means_squared + C2)
    return luminance, structure


def _window_mean(x: Tensor) -> Tensor:
    """Return the Gaussian-weighted means (..., H - 10, W - 10) of (..., H, W); differentiable once."""
    mean: Tensor = _WindowMean.apply(x)  # type: ignore[no-untyped-call]
    return mean


class _WindowMean(torch.autograd.Function):
    """A filter with symmetric weights, whose gradient is the same filter applied to the zero-padded gradient.

    Autograd would compute the gradient of shifted sums as a sum of shifted copies, with three times as many operations.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        """Return the means."""
        return _filtered(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ARG004
        """Return the gradient in x, (..., H, W)."""
        return _filtered(F.pad(grad, [2 * _RADIUS] * 4))


def _filtered(x: Tensor) -> Tensor:
    return _weighted_sum(_weighted_sum(x, dim=-2), dim=-1)


def _weighted_sum(x: Tensor, *, dim: int) -> Tensor:
    """Return the weighted sum of 11 neighbors along one axis.

    Shifted sums are several times faster on a CPU than PyTorch's convolution, which is slow for a single channel.
    """
    weights = _gaussian()
    size = x.shape[dim] - 2 * _RADIUS
    total = weights[0] * x.narrow(dim, _RADIUS, size)
    pair = torch.empty_like(total)
    for distance in range(1, _RADIUS + 1):
        torch.add(x.narrow(dim, _RADIUS - distance, size), x.narrow(dim, _RADIUS + distance, size), out=pair)
        total.add_(pair, alpha=weights[distance])
    return total


def _gaussian() -> list[float]:
    """Return the weights at distances 0 to 5 from the center, which sum to 1 over all eleven."""
    distances = torch.arange(_RADIUS + 1, dtype=torch.float64)
    half = torch.exp(-(distances**2) / (2 * SIGMA_PX**2))
    weights: list[float] = (half / (half[0] + 2 * half[1:].sum())).tolist()
    return weights


WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The published exponents of the five scales, from fine to coarse."""


def smallest_side_px(scales: int) -> int:
    """Return the shortest side for which the coarsest scale holds one window.

    >>> smallest_side_px(5)
    161
    """
    return ((WINDOW_PX - 1) << (scales - 1)) + 1


def ms_ssim(preds: Tensor, target: Tensor, scales: int = len(WEIGHTS)) -> Tensor:
    """Return the multi-scale structural similarity, the mean over R, G and B.

    Wang, Simoncelli, Bovik: *Multi-Scale Structural Similarity for Image Quality Assessment*, Asilomar 2003, eq. 7: the
    product over scales of contrast and structure, and of luminance at the coarsest scale, each raised to its weight. As
    in the authors' code (msssim.m), windows, constants and borders are those of `ssim`, maps are averaged before they
    are raised to their weights, and images are halved by means over 2x2 pixels, or over fewer at an odd border. The
    paper takes luminance alone; this is the mean over R, G and B, as in `ssim`.

    If the mean contrast and structure of a scale is negative, so that no real power is defined, it counts as 0 (as in
    torchmetrics and pytorch-msssim), and this channel of the image has similarity 0 and gradient 0.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.
        scales: 1 to 5; the paper has 5. For fewer, the weights of the finest scales are divided by their sum, which is
            this project's choice.

    Returns:
        (B,), in [0, 1], 1 for identical images.

    Raises:
        ValueError: the batches have different shapes or are not RGB, or `scales` is not 1 to 5.
        ImageTooSmallError: the coarsest scale is smaller than the window, for sides below 161 px at five scales and
            below 81, 41, 21 and 11 px at fewer. (The authors' code requires 176 px, which is 11 * 2^4.)
    """
    check_pair(preds, target)
    weights = scale_weights(scales)
    check_size(preds, smallest_side_px(scales), f"MS-SSIM at {plural(scales, 'scale')}")
    product: Tensor | float = 1.0
    for weight in weights[:-1]:
        _, structure = luminance_and_structure(preds, target)
        product = product * safe_power(structure.mean(dim=(2, 3)), weight)
        preds, target = _halved(preds), _halved(target)
    luminance, structure = luminance_and_structure(preds, target)
    similarity = product * safe_power((luminance * structure).mean(dim=(2, 3)), weights[-1])
    return similarity.mean(dim=1)


def scale_weights(scales: int) -> tuple[float, ...]:
    """Return the exponents of `scales` scales: the five published ones, or fewer, divided by their sum.

    Raises:
        ValueError: `scales` is not 1 to 5.

    >>> [round(weight, 4) for weight in scale_weights(2)]
    [0.1356, 0.8644]
    """
    if not 1 <= scales <= len(WEIGHTS):
        raise ValueError(f"MS-SSIM has 1 to {len(WEIGHTS)} scales, not {scales}")
    kept = WEIGHTS[:scales]
    return kept if scales == len(WEIGHTS) else tuple(weight / sum(kept) for weight in kept)


def _halved(rgb: Tensor) -> Tensor:
    return F.avg_pool2d(rgb, 2, ceil_mode=True)
