"""Fidelity to the ground truth: pixel errors, SSIM, MS-SSIM and the error of the lightness."""

from __future__ import annotations

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
    from torch import Tensor

    from chromalab.metrics.photo_view import PhotoView


def _mae(preds: PhotoView, target: PhotoView) -> Tensor:
    return mean_absolute_error(preds.exact, target.exact)


def _mse(preds: PhotoView, target: PhotoView) -> Tensor:
    return mean_squared_error(preds.exact, target.exact)


def _rmse(preds: PhotoView, target: PhotoView) -> Tensor:
    return mean_squared_error(preds.exact, target.exact).sqrt()


def _psnr_ab(preds: PhotoView, target: PhotoView) -> Tensor:
    return psnr_of_colors(preds.lab, target.lab)


def _psnr(preds: PhotoView, target: PhotoView) -> Tensor:
    return peak_signal_to_noise_ratio(preds.exact, target.exact)


MAE = PhotoMetric(
    name="mae",
    label="MAE",
    direction="lower",
    high=1.0,
    role="fidelity",
    formula="mean |e| over RGB in [0, 1], e = prediction - target",
    source="mean absolute error",
    measure=_mae,
)
MSE = PhotoMetric(
    name="mse",
    label="MSE",
    direction="lower",
    high=1.0,
    role="fidelity",
    formula="mean e^2 over RGB in [0, 1], e = prediction - target",
    source="mean squared error",
    measure=_mse,
)
RMSE = PhotoMetric(
    name="rmse",
    label="RMSE",
    direction="lower",
    high=1.0,
    role="fidelity",
    formula="sqrt(mean e^2) over RGB in [0, 1], e = prediction - target; the mean over photos of each photo's value",
    source="root mean squared error",
    measure=_rmse,
)
PSNR = PhotoMetric(
    name="psnr",
    label="PSNR",
    unit="dB",
    direction="higher",
    role="fidelity",
    formula="10 log10(1 / MSE), RGB in [0, 1]; the mean over photos of each photo's value",
    source="peak signal-to-noise ratio, peak 1",
    note="infinite for identical images",
    measure=_psnr,
)
PSNR_AB = PhotoMetric(
    name="psnr_ab",
    label="PSNR of ab",
    unit="dB",
    direction="higher",
    role="fidelity",
    formula="10 log10(220^2 / MSE) over a* and b*; the mean over photos of each photo's value",
    source="peak signal-to-noise ratio; the peak, the width of -110..110, is this project's",
    note="infinite for equal colors; published ones differ in their peak, by a constant",
    measure=_psnr_ab,
)


def _lightness_error(preds: PhotoView, target: PhotoView) -> Tensor:
    return (preds.lab[:, 0] - target.lab[:, 0]).abs().mean(dim=(1, 2))


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
LIGHTNESS_ERROR = PhotoMetric(
    name="lightness_error",
    label="Lightness error",
    direction="lower",
    high=100.0,
    role="fidelity",
    formula="mean over pixels of |L*(prediction) - L*(gray photograph)|; without gray photographs the target's L*",
    source="CIE 1976 (L*a*b*)",
    reference="lightness",
    note="what a colorizer should never change; rounding to 8 bits alone gives about 0.1",
    measure=_lightness_error,
)


ENTRIES: tuple[Metric, ...] = (MAE, MSE, RMSE, PSNR, PSNR_AB, SSIM, MS_SSIM, LIGHTNESS_ERROR)
