"""Raw accuracy: the closed form is the area of the sweep that it stands for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT
from chromalab.functional.auc import auc, bin_weights


def lab(seed: int, scale: float = 60.0) -> torch.Tensor:
    return scale * torch.randn(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def swept(error: np.ndarray, weights: np.ndarray, steps: int = 30_000) -> float:
    """Return the area under the weighted share of errors within each threshold, by the trapezoid rule."""
    thresholds = np.linspace(0, 150, steps + 1)
    order = np.argsort(error)
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    shares = cumulative[np.searchsorted(error[order], thresholds, side="right")]
    return float(np.trapezoid(shares, thresholds) / 150)


def test_it_is_the_area_of_a_sweep_over_thresholds() -> None:
    preds, target = lab(0), lab(1)
    weights = torch.rand(2, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for photo, plain, weighted in zip(range(2), auc(preds, target), auc(preds, target, weights), strict=True):
        error = np.hypot(*(preds[photo, 1:] - target[photo, 1:]).numpy()).ravel()
        assert float(plain) == pytest.approx(swept(error, np.ones_like(error)), abs=1e-4)
        assert float(weighted) == pytest.approx(swept(error, weights[photo].numpy().ravel()), abs=1e-4)


def test_closed_values() -> None:
    target = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    preds = target.clone()
    assert auc(preds, target).item() == 1
    preds[0, 1, 0, 0], preds[0, 2, 0, 0], preds[0, 2, 1, 1] = 30, 40, 200  # errors 50 and 200; lightness has no part
    preds[0, 0] = 99
    assert auc(preds, target).item() == pytest.approx((1 + 1 + (1 - 50 / 150) + 0) / 4)


def test_pixels_have_the_weight_of_their_nearest_bin() -> None:
    weights = torch.arange(BIN_COUNT, dtype=torch.float64)
    ab = torch.from_numpy(BIN_CENTERS[[7, 200, 312]] + [[2.0, -3.0], [-4.0, 1.0], [0.0, 4.0]])
    pixels = torch.cat([torch.full((1, 3), 50.0, dtype=torch.float64), ab.T])[None, :, None]
    assert bin_weights(pixels, weights).tolist() == [[[7, 200, 312]]]
