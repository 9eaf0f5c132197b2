"""CDC against closed forms and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.spatial.distance

from chromalab.functional.cdc import color_distribution_consistency, js_divergence


def histograms(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(256, 0.1), size=(frames, 3))


def test_the_divergence_is_scipys() -> None:
    first, second = histograms(2)
    expected = scipy.spatial.distance.jensenshannon(first, second, axis=-1) ** 2
    assert js_divergence(first, second) == pytest.approx(expected)


def test_the_index_is_the_mean_over_steps_frames_and_channels() -> None:
    frames = histograms(9)
    expected = np.mean(
        [
            np.mean(
                [
                    scipy.spatial.distance.jensenshannon(frames[i, channel], frames[i + step, channel]) ** 2
                    for i in range(9 - step)
                    for channel in range(3)
                ]
            )
            for step in (1, 2, 4)
        ]
    )
    assert color_distribution_consistency(frames) == pytest.approx(expected)


def test_closed_forms() -> None:
    still = np.repeat(histograms(1), 6, axis=0)
    assert color_distribution_consistency(still) == 0
    flicker = np.zeros((10, 3, 256))
    flicker[np.arange(10), :, np.arange(10) % 2 * 200] = 1  # each frame shares no level with the next
    assert color_distribution_consistency(flicker) == pytest.approx(math.log(2) / 3)
    with pytest.raises(ValueError, match="at least 5 frames, not 4"):
        color_distribution_consistency(still[:4])
