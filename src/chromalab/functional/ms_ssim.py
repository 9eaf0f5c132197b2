"""Multi-scale structural similarity, Wang, Simoncelli, Bovik 2003."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.functional.pairs import check_pair, check_size, safe_power
from chromalab.functional.ssim import WINDOW_PX, luminance_and_structure

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The published exponents of the five scales, the finest first."""


def smallest_side_px(scales: int) -> int:
    """Return the shortest side of a picture whose coarsest scale has room for one window.

    >>> smallest_side_px(5)
    161
    """
    return ((WINDOW_PX - 1) << (scales - 1)) + 1


def ms_ssim(preds: Tensor, target: Tensor, scales: int = len(WEIGHTS)) -> Tensor:
    """Return the multi-scale structural similarity, the mean over R, G and B.

    Wang, Simoncelli, Bovik: *Multi-Scale Structural Similarity for Image Quality Assessment*, Asilomar 2003, eq. 7: the
    product over scales of contrast and structure, at the coarsest scale of luminance too, each to its weight. As in
    the authors' code (msssim.m): windows, constants and borders of `ssim`; maps are averaged before they are raised to
    their weights; and pictures are halved by means of 2x2 pixels, at an odd border of those that are there. The paper
    takes luminance alone; this is the mean over R, G and B, as in `ssim`.

    Where a scale's mean contrast and structure is negative, which no real power is defined for, it counts as 0 (as in
    torchmetrics and pytorch-msssim): the picture's channel has similarity 0 and gradient 0.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.
        scales: 1 to 5, of which 5 is published; with fewer the weights of the finest scales are divided by their sum,
            which is this project's choice.

    Returns:
        (B,), in [0, 1], 1 for identical pictures.

    Raises:
        ValueError: the batches are of different shapes, or not RGB, or `scales` is no such number.
        PictureTooSmallError: the coarsest scale would be smaller than the window: below 161 px at five scales, 81, 41,
            21 and 11 px at fewer. (The authors' code asks for 176, which is 11 after five scales without a remainder.)
    """
    check_pair(preds, target)
    weights = scale_weights(scales)
    check_size(preds, smallest_side_px(scales), f"MS-SSIM at {scales} scale{'s' if scales > 1 else ''}")
    product: Tensor | float = 1.0
    for weight in weights[:-1]:
        _, structure = luminance_and_structure(preds, target)
        product = product * safe_power(structure.mean(dim=(2, 3)), weight)
        preds, target = _halved(preds), _halved(target)
    luminance, structure = luminance_and_structure(preds, target)
    similarity = product * safe_power((luminance * structure).mean(dim=(2, 3)), weights[-1])
    return similarity.mean(dim=1)


def scale_weights(scales: int) -> tuple[float, ...]:
    """Return the exponents of `scales` scales: the published five as they are, fewer scaled to a sum of 1.

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
