"""Errors of pixel values against the true photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromalab.functional.pixel_error import (
    mean_absolute_error,
    mean_squared_error,
    peak_signal_to_noise_ratio,
    psnr_of_colors,
)
from chromalab.metrics.metric import PhotoMetric

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
    note="infinite for identical pictures",
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
