"""Colors of plausible versions have the network's probabilities, and neighboring pixels have similar colors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist
from scipy.stats import gumbel_r, norm

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT, nearest_bins
from chromalab.color.bins_torch import annealed_mean
from chromalab.colorization.sampling import (
    BIN_REACH,
    FIELD_SHARE,
    SHARPNESS,
    mean_chroma,
    sample_chroma,
    shares,
    uncertainty,
)
from chromalab.core.seeds import derive_seed

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)


def two_colors(share: float, rows: int = 12, columns: int = 16) -> np.ndarray:
    """Return logits with the probability `share` for red and the rest for blue."""
    logits = np.full((BIN_COUNT, rows, columns), -30, dtype=np.float32)
    red, blue = (int(nearest_bins(np.array(color, dtype=float))) for color in ((60, 40), (20, -60)))
    logits[red], logits[blue] = np.log(share), np.log(1 - share)
    return logits


@pytest.mark.parametrize("share", [0.15, 0.5, 0.8])
def test_colors_of_versions_have_the_networks_probabilities(share: float) -> None:
    logits = two_colors(share)
    red = [(sample_chroma(logits, seed)[1] > 0)[::6, ::8].mean() for seed in range(150)]
    assert np.mean(red) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 150))


def test_neighboring_pixels_have_similar_colors() -> None:
    logits = two_colors(0.5, 24, 32)
    changes = []
    for seed in range(20):
        red = sample_chroma(logits, seed)[1] > 0
        changes.append((red[:, 1:] != red[:, :-1]).mean())
    assert np.mean(changes) < 0.06  # of independent choices half would differ


def test_versions_are_repeatable_and_differ() -> None:
    logits = RNG.normal(0, 2, (BIN_COUNT, 8, 9)).astype(np.float32)
    assert np.array_equal(sample_chroma(logits, 3), sample_chroma(logits, 3))
    assert np.abs(sample_chroma(logits, 3) - sample_chroma(logits, 4)).mean() > 5


@pytest.mark.parametrize(("rows", "columns"), [(48, 64), (50, 20), (7, 90)])
def test_the_noise_is_blurred_white_noise_over_neighboring_bins(rows: int, columns: int) -> None:
    """Against the definition, with SciPy's periodic blur and quantiles of the Gumbel distribution."""
    generator = np.random.Generator(np.random.PCG64(derive_seed(5, "color version")))
    white = generator.standard_normal((BIN_COUNT, rows, columns))
    sigma = FIELD_SHARE * min(rows, columns)
    kernel = np.exp(-2 * cdist(BIN_CENTERS, BIN_CENTERS, "sqeuclidean") / BIN_REACH**2)
    kernel /= np.linalg.norm(kernel, axis=1, keepdims=True)
    mixed = np.tensordot(kernel, gaussian_filter(white, (0, sigma, sigma), mode="wrap"), axes=1)
    mixed /= np.sqrt(np.square(mixed).mean(axis=(1, 2), keepdims=True))
    constant = kernel @ generator.standard_normal(BIN_COUNT)
    noise = gumbel_r.ppf(norm.cdf((mixed + constant[:, None, None]) / np.sqrt(2)))
    logits = RNG.normal(0, 2, (BIN_COUNT, rows, columns)).astype(np.float32)
    expected = mean_chroma((logits + noise).astype(np.float32), SHARPNESS)
    assert np.abs(sample_chroma(logits, 5) - expected).mean() < 0.02


def test_low_temperature_gives_the_likeliest_color() -> None:
    logits = two_colors(0.7)
    cold = [(sample_chroma(logits, seed, 0.05)[1] > 0).mean() for seed in range(40)]
    assert np.mean(cold) > 0.95


def test_means_equal_those_of_torch() -> None:
    logits = RNG.normal(0, 2, (BIN_COUNT, 5, 7)).astype(np.float32)
    expected = annealed_mean(torch.from_numpy(logits)[None])[0].numpy()
    assert np.abs(mean_chroma(logits, 0.38) - expected).max() < 1e-3
    assert shares(logits).sum(axis=0) == pytest.approx(1, abs=1e-5)


def test_uncertainty_is_the_standard_deviation() -> None:
    logits = two_colors(0.5)
    red, blue = (BIN_CENTERS[int(nearest_bins(np.array(color, dtype=float)))] for color in ((60, 40), (20, -60)))
    assert uncertainty(logits) == pytest.approx(np.hypot(*(red - blue)) / 2, rel=1e-3)
    sure = np.full((BIN_COUNT, 2, 2), -50, dtype=np.float32)
    sure[7] = 0
    assert uncertainty(sure) == pytest.approx(0, abs=0.1)
