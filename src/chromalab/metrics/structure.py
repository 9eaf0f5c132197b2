"""Similarity of local structure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from chromalab.functional.ms_ssim import WEIGHTS, ms_ssim, smallest_side_px
from chromalab.functional.ssim import WINDOW_PX, ssim
from chromalab.metrics.metric import PhotoMetric

if TYPE_CHECKING:
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _ssim(preds: PhotoView, target: PhotoView) -> Tensor:
    # One photo at a time: its maps stay in the processor's cache, those of a batch don't, and take four times as long.
    pairs = zip(preds.exact.split(1), target.exact.split(1), strict=True)
    return torch.cat([ssim(*pair) for pair in pairs])


def _ms_ssim(preds: PhotoView, target: PhotoView) -> Tensor:
    pairs = zip(preds.exact.split(1), target.exact.split(1), strict=True)
    return torch.cat([ms_ssim(*pair) for pair in pairs])


SSIM = PhotoMetric(
    name="ssim",
    label="SSIM",
    direction="higher",
    low=-1.0,
    high=1.0,
    role="fidelity",
    formula="mean over R, G, B and interior pixels; Gaussian window 11x11, sigma 1.5, range 1, population covariances",
    source="Wang et al. 2004, eq. 13, on RGB instead of luminance",
    note="mostly about lightness, which a colorizer keeps",
    measure=_ssim,
    smallest_side_px=WINDOW_PX,
)
MS_SSIM = PhotoMetric(
    name="ms_ssim",
    label="MS-SSIM",
    direction="higher",
    high=1.0,
    role="fidelity",
    formula="mean over R, G, B of l_5^.1333 prod_j cs_j^w_j over five halvings, w .0448 .2856 .3001 .2363 .1333",
    source="Wang, Simoncelli, Bovik 2003, eq. 7, on RGB instead of luminance",
    note="mostly about lightness, which a colorizer keeps; a scale of negative structure counts as 0",
    measure=_ms_ssim,
    smallest_side_px=smallest_side_px(len(WEIGHTS)),
)
