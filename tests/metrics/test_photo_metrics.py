"""Registered metrics on real photographs beside what other libraries say of the same files' values."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.color
import skimage.metrics
import torch
from skimage.data import astronaut, coffee
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from chromalab.color.bins import BIN_CENTERS, load_prior
from chromalab.metrics.color import PRIOR_FILE, RAREST
from chromalab.metrics.scorer import PhotoScorer

NAMES = ["rmse", "psnr_ab", "ms_ssim", "lightness_error", "auc", "auc_rebalanced", "gamut_share"]


def images(levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a warmer, paler image and the photograph, (176, 200, 3), of `levels` levels, divided by them."""
    target = astronaut()[20:196, 120:320] / 255
    grey = target.mean(axis=-1, keepdims=True)
    preds = np.clip(grey + 0.6 * (target - grey) + [0.05, 0.01, -0.04], 0, 1)
    return np.rint(preds * levels) / levels, np.rint(target * levels) / levels


def score(preds: np.ndarray, target: np.ndarray, names: list[str] = NAMES) -> dict[str, float]:
    first, second = (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in (preds, target))
    return {name: value.item() for name, value in PhotoScorer(names).score(first, second).items()}


@pytest.mark.parametrize("levels", [255, pytest.param(65535, marks=pytest.mark.slow)])
def test_values_are_those_of_other_libraries(levels: int) -> None:
    preds, target = images(levels)
    found = score(preds, target)
    preds_lab, target_lab = skimage.color.rgb2lab(preds), skimage.color.rgb2lab(target)
    error = np.hypot(*(preds_lab - target_lab)[..., 1:].transpose(2, 0, 1))
    nearest = np.abs(target_lab[..., None, 1:] - BIN_CENTERS).__pow__(2).sum(axis=-1).argmin(axis=-1)
    weights = 1 / np.maximum(load_prior(PRIOR_FILE), RAREST)[nearest]
    accuracy = np.maximum(0, 1 - error / 150)
    expected = {
        "rmse": np.sqrt(skimage.metrics.mean_squared_error(preds, target)),
        "psnr_ab": skimage.metrics.peak_signal_noise_ratio(target_lab[..., 1:], preds_lab[..., 1:], data_range=220),
        "lightness_error": np.abs(preds_lab - target_lab)[..., 0].mean(),
        "auc": accuracy.mean(),
        "auc_rebalanced": (accuracy * weights).sum() / weights.sum(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=3e-4), name
    first, second = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in (preds, target))
    theirs = multiscale_structural_similarity_index_measure(first, second, data_range=1.0, kernel_size=11)
    assert found["ms_ssim"] == pytest.approx(float(theirs), abs=2e-3)  # theirs pads the borders that ours leaves out


def test_rare_colors_weigh_more() -> None:
    """An image whose only fault is in its rare colors does worse when pixels are rebalanced."""
    target = astronaut()[200:400, 0:200] / 255
    lab = skimage.color.rgb2lab(target)
    vivid = np.hypot(lab[..., 1], lab[..., 2]) > 60
    assert 0.01 < vivid.mean() < 0.5
    preds = np.where(vivid[..., None], skimage.color.lab2rgb(lab * [1, 0, 0]), target)
    found = score(np.rint(preds * 255) / 255, target, ["auc", "auc_rebalanced"])
    assert found["auc_rebalanced"] < found["auc"] - 0.02


def test_a_vivid_photograph_reaches_the_edge_of_the_gamut() -> None:
    target = coffee()[100:200, 200:330] / 255
    lab = skimage.color.rgb2lab(target)
    found = score(target, target, ["gamut_share"])["gamut_share"]
    edge = (coffee()[100:200, 200:330].min(axis=-1) == 0) | (coffee()[100:200, 200:330].max(axis=-1) == 255)
    assert found == (edge & (np.hypot(lab[..., 1], lab[..., 2]) >= 10)).mean()
    assert found > 0
