"""Blotches: exactly what two running medians say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from chromalab.functional.blotches import blotches

if TYPE_CHECKING:
    from collections.abc import Callable


def literal(
    lightness: np.ndarray, chroma: np.ndarray, median: Callable[[np.ndarray], np.ndarray] | None = None
) -> float:
    running = median or (lambda plane: scipy.ndimage.median_filter(plane, size=31))
    off, near = np.abs(chroma - running(chroma)), np.abs(lightness - running(lightness))
    return float(((off > 15) & (near <= 3)).mean())


def mirrored_median(plane: np.ndarray) -> np.ndarray:
    """Return the running median of a plane mirrored at its borders as often as it takes.

    SciPy's is another one where the window reaches beyond the mirror image of the whole plane.
    """
    rows, columns = (np.arange(-15, side + 15) % (2 * side) for side in plane.shape)
    rows, columns = (np.minimum(at, 2 * side - 1 - at) for at, side in zip((rows, columns), plane.shape, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(plane[np.ix_(rows, columns)], (31, 31))
    found: np.ndarray = np.median(windows, axis=(2, 3))
    return found


def planes(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lab = skimage.color.rgb2lab(rgb)
    return lab[..., 0], np.hypot(lab[..., 1], lab[..., 2])


@pytest.mark.parametrize(("top", "left"), [(0, 0), (100, 200), (300, 60)])
def test_blotches_of_photos_equal_those_by_plain_medians(top: int, left: int) -> None:
    lightness, chroma = planes(astronaut()[top : top + 70, left : left + 90])
    assert blotches(lightness, chroma) == literal(lightness, chroma)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), height=st.integers(1, 40), width=st.integers(1, 40), smooth=st.sampled_from([0.0, 3.0])
)
def test_any_planes(seed: int, height: int, width: int, smooth: float) -> None:
    generator = np.random.default_rng(seed)
    noise = [scipy.ndimage.gaussian_filter(generator.normal(size=(height, width)), smooth) for _ in range(2)]
    lightness = np.clip(50 + (4 + 20 * smooth) * noise[0], 0, 100)
    chroma = np.clip(20 + (15 + 200 * smooth) * noise[1], 0, 130)
    assert blotches(lightness, chroma) == literal(lightness, chroma, mirrored_median)
    if min(height, width) > 15:
        assert blotches(lightness, chroma) == literal(lightness, chroma)


def test_values_on_the_very_thresholds() -> None:
    lightness = np.full((41, 41), 40.0)
    chroma = np.full((41, 41), 20.0)
    chroma[:4], lightness[0] = 35.0, 43.0  # 15 off is not more than 15
    assert blotches(lightness, chroma) == literal(lightness, chroma) == 0
    chroma[:4] = 35.0 + 1e-9
    assert blotches(lightness, chroma) == literal(lightness, chroma) == 4 / 41
    lightness[0] = 43.0 + 1e-9
    assert blotches(lightness, chroma) == literal(lightness, chroma) == 3 / 41


def test_a_red_patch_on_a_grey_wall_is_a_blotch_and_a_red_car_is_none() -> None:
    lightness, chroma = np.full((100, 100), 60.0), np.zeros((100, 100))
    assert blotches(lightness, chroma) == 0
    chroma[40:50, 40:50] = 40
    assert blotches(lightness, chroma) == 0.01
    lightness[40:50, 40:50] = 40  # the gray photograph has something there
    assert blotches(lightness, chroma) == 0
