"""The guided filter agrees with a direct implementation of the paper's equations, and enlarging with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from chromalab.colorization.guided import Coefficients, Enlarged, enlarge, fit

RNG = np.random.default_rng(0)


def plain_guided_filter(guide: np.ndarray, plane: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Compute eqs. 5, 6 and 8 of He, Sun, Tang (2013) in a loop over windows, with repeated border pixels."""
    pad = 2 * radius
    padded_guide, padded_plane = (np.pad(values, pad, mode="edge") for values in (guide, plane))
    height, width = guide.shape

    def coefficients(row: int, column: int) -> tuple[float, float]:
        window = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1]
        g, p = padded_guide[window], padded_plane[window]
        slope = ((g * p).mean() - g.mean() * p.mean()) / (g.var() + epsilon)
        return slope, p.mean() - slope * g.mean()

    inside = {(row, column): coefficients(row + pad, column + pad) for row in range(height) for column in range(width)}
    result = np.zeros_like(guide)
    for row in range(height):
        for column in range(width):
            near = [
                inside[min(max(r, 0), height - 1), min(max(c, 0), width - 1)]
                for r in range(row - radius, row + radius + 1)
                for c in range(column - radius, column + radius + 1)
            ]
            slope, offset = np.mean(near, axis=0)
            result[row, column] = slope * guide[row, column] + offset
    return result


def test_coefficients_equal_the_papers_filter() -> None:
    guide = RNG.random((14, 17)).astype(np.float32)
    planes = RNG.normal(0, 20, (2, 14, 17)).astype(np.float32)
    found = fit(guide * 255, planes, radius=2, epsilon=0.01)
    filtered = found.slope * guide * 255 + found.offset
    for ours, plane in zip(filtered, planes, strict=True):
        assert np.abs(ours - plain_guided_filter(guide, plane, 2, 0.01)).max() < 1e-3


def test_constant_chroma_stays() -> None:
    guide = RNG.random((30, 40)).astype(np.float32) * 255
    found = fit(guide, np.full((2, 30, 40), 17, dtype=np.float32), radius=4)
    assert found.slope * guide + found.offset == pytest.approx(17, abs=1e-3)


def test_chroma_follows_an_edge() -> None:
    """An edge of chroma three pixels from an edge of lightness moves to it."""
    guide = np.zeros((40, 60), dtype=np.float32)
    guide[:, 30:] = 200
    chroma = np.zeros((2, 40, 60), dtype=np.float32)
    chroma[:, :, 33:] = 40
    found = fit(guide, chroma, radius=8)
    filtered = found.slope * guide + found.offset
    step = filtered[0, 20, 30] - filtered[0, 20, 29]
    assert step > 15


@pytest.mark.parametrize("size", [(60, 90), (7, 5), (13, 200), (1, 1)])
def test_enlarging_is_linear_between_pixel_centers(size: tuple[int, int]) -> None:
    small = RNG.random((2, 13, 9)).astype(np.float32)
    height, width = size
    rows = (np.arange(height) + 0.5) * 13 / height - 0.5
    columns = (np.arange(width) + 0.5) * 9 / width - 0.5
    expected = [
        map_coordinates(plane, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest") for plane in small
    ]
    assert np.abs(enlarge(small, height, width) - np.array(expected)).max() < 1e-5


@pytest.mark.parametrize("first", [0, 11])
def test_strips_are_slope_times_level_plus_offset(first: int) -> None:
    slope, offset = RNG.normal(0, 0.1, (2, 8, 9)).astype(np.float32), RNG.normal(0, 20, (2, 8, 9)).astype(np.float32)
    level = (RNG.random((50, 70)) * 255).astype(np.float32)
    expected = enlarge(slope, 50, 70) * level + enlarge(offset, 50, 70)
    chroma = np.full((2, 50, 70), np.nan)
    for start, stop, levels, a, b in Enlarged(Coefficients(slope, offset), 50, 70).strips(
        first, 50, lambda start, stop: level[start:stop]
    ):
        assert np.array_equal(levels, level[start:stop])
        chroma[0, start:stop], chroma[1, start:stop] = a, b
    assert np.abs(chroma[:, first:] - expected[:, first:]).max() < 1e-3


def test_single_pixels() -> None:
    one = Coefficients(np.zeros((2, 1, 1), np.float32), np.ones((2, 1, 1), np.float32))
    runs = list(Enlarged(one, 1, 1).strips(0, 1, lambda start, stop: np.zeros((stop - start, 1), np.float32)))
    assert len(runs) == 1
    assert runs[0][3].item() == 1
