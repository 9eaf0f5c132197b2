"""Fidelity to the ground truth: pixel errors, PSNR, SSIM, MS-SSIM and the error of the lightness."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from chromalab.functional.pixel_error import (
    mean_absolute_error,
    mean_squared_error,
    peak_signal_to_noise_ratio,
    psnr_of_colors,
)
from chromalab.functional.ssim import WEIGHTS, WINDOW_PX, ms_ssim, smallest_side_px, ssim
from chromalab.metrics.metric import Metric, PhotoMetric

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _one_by_one(preds: PhotoView, target: PhotoView, *, similarity: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return a similarity of every pair, (B,).

    The maps of a single photo fit in the processor's cache; those of a whole batch do not and take four times as long.
    """
    pairs = zip(preds.exact.split(1), target.exact.split(1), strict=True)
    return torch.cat([similarity(*pair) for pair in pairs])


_error = partial(PhotoMetric, role="fidelity", direction="lower", high=1.0)
_similarity = partial(PhotoMetric, role="fidelity", direction="higher")

MAE = _error(
    name="mae",
    label="MAE",
    formula="mean |e| over RGB in [0, 1], e = prediction - target",
    source="mean absolute error",
    measure=lambda preds, target: mean_absolute_error(preds.exact, target.exact),
)
MSE = _error(
    name="mse",
    label="MSE",
    formula="mean e^2 over RGB in [0, 1], e = prediction - target",
    source="mean squared error",
    measure=lambda preds, target: mean_squared_error(preds.exact, target.exact),
)
RMSE = _error(
    name="rmse",
    label="RMSE",
    formula="sqrt(mean e^2) over RGB in [0, 1], e = prediction - target; the mean over photos of each photo's value",
    source="root mean squared error",
    measure=lambda preds, target: mean_squared_error(preds.exact, target.exact).sqrt(),
)
PSNR = _similarity(
    name="psnr",
    label="PSNR",
    unit="dB",
    formula="10 log10(1 / MSE), RGB in [0, 1]; the mean over photos of each photo's value",
    source="peak signal-to-noise ratio, peak 1",
    note="infinite for identical images",
    measure=lambda preds, target: peak_signal_to_noise_ratio(preds.exact, target.exact),
)
PSNR_AB = _similarity(
    name="psnr_ab",
    label="PSNR of ab",
    unit="dB",
    formula="10 log10(220^2 / MSE) over a* and b*; the mean over photos of each photo's value",
    source="peak signal-to-noise ratio; the peak, the width of -110..110, is this project's",
    note="infinite for equal colors; published values differ in their peak, by a constant",
    measure=lambda preds, target: psnr_of_colors(preds.lab, target.lab),
)
SSIM = _similarity(
    name="ssim",
    label="SSIM",
    low=-1.0,
    high=1.0,
    formula="mean over R, G, B and interior pixels; Gaussian window 11x11, sigma 1.5, range 1, population covariances",
    source="Wang et al. 2004, eq. 13, on RGB instead of luminance",
    note="mostly about lightness, which a colorizer keeps",
    measure=partial(_one_by_one, similarity=ssim),
    smallest_side_px=WINDOW_PX,
)
MS_SSIM = _similarity(
    name="ms_ssim",
    label="MS-SSIM",
    high=1.0,
    formula="mean over R, G, B of l_5^.1333 prod_j cs_j^w_j over five halvings, w .0448 .2856 .3001 .2363 .1333",
    source="Wang, Simoncelli, Bovik 2003, eq. 7, on RGB instead of luminance",
    note="mostly about lightness, which a colorizer keeps; a scale of negative structure counts as 0",
    measure=partial(_one_by_one, similarity=ms_ssim),
    smallest_side_px=smallest_side_px(len(WEIGHTS)),
)
LIGHTNESS_ERROR = PhotoMetric(
    name="lightness_error",
    label="Lightness error",
    direction="lower",
    high=100.0,
    role="fidelity",
    formula="mean over pixels of |L*(prediction) - L*(gray photograph)|; without gray photographs the target's L*",
    source="CIE 1976 (L*a*b*)",
    reference="lightness",
    note="a colorizer should not change lightness; rounding to 8 bits alone gives about 0.1",
    measure=lambda preds, target: (preds.lab[:, 0] - target.lab[:, 0]).abs().mean(dim=(1, 2)),
)

ENTRIES: tuple[Metric, ...] = (MAE, MSE, RMSE, PSNR, PSNR_AB, SSIM, MS_SSIM, LIGHTNESS_ERROR)
