"""How steady the colors of a video are: the color distribution consistency index (CDC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 256
CHANNELS = 3
STEPS = (1, 2, 4)
"""Frames between the two that are compared."""


def js_divergence(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Jensen-Shannon divergence of distributions along the last axis, in nats: 0 to log 2.

    Args:
        first: (..., K), summing to 1.
        second: the same shape.
    """
    middle = (first + second) / 2
    return (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    total: NDArray[np.float64] = (p * np.log(ratio)).sum(axis=-1)
    return total


def color_distribution_consistency(histograms: NDArray[np.float64]) -> float:
    """Return the CDC index of the frames of a video: lower is steadier.

    Liu et al.: *Temporally Consistent Video Colorization with Deep Feature Propagation and Self-Regularization
    Learning* (TCVC), 2021: the Jensen-Shannon divergence of the histograms of R, G and B between frames i and i + t,
    averaged over frames and channels, then over t = 1, 2 and 4. Logarithms are natural, as in the published code.

    Args:
        histograms: (frames, 3, 256), each summing to 1 over the last axis; at least 5 frames.

    Raises:
        ValueError: there are fewer frames.
    """
    if len(histograms) <= max(STEPS):
        raise ValueError(f"CDC needs at least {max(STEPS) + 1} frames, not {len(histograms)}")
    return float(np.mean([js_divergence(histograms[:-step], histograms[step:]).mean() for step in STEPS]))
