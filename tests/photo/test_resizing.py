"""Resizing agrees with Pillow, preserves uniform images, and returns the requested sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chromalab.photo.reading import resize, resize_shortest_side
from chromalab.photo.resizing import target_size
from tests.photo.odd_files import picture

SIDES = st.integers(1, 300)


@pytest.mark.parametrize("size", [16, 31, 64, 96, 150])
def test_reduction_equals_pillows_lanczos(size: int) -> None:
    rgb = picture(200, 300)
    expected = np.asarray(Image.fromarray(rgb).resize((round(size * 1.5), size), Image.Resampling.LANCZOS), np.float64)
    ours = resize(rgb, size, round(size * 1.5))
    assert np.abs(ours - expected).mean() < 0.3
    assert np.abs(ours - expected).max() <= 4
    assert abs((ours - expected).mean()) < 0.03


@pytest.mark.parametrize("factor", [1.13, 2.0, 3.7])
def test_enlargement_equals_pillows_bicubic(factor: float) -> None:
    rgb = picture(50, 80)
    height, width = round(50 * factor), round(80 * factor)
    expected = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    difference = np.abs(resize(rgb, height, width) - expected)[4:-4, 4:-4]  # Pillow treats the margins otherwise
    assert difference.mean() < 0.6
    assert difference.max() <= 6


@given(height=SIDES, width=SIDES, size=st.integers(1, 120))
def test_target_size(height: int, width: int, size: int) -> None:
    scaled = target_size(height, width, size)
    assert min(scaled) == size
    exact = max(height, width) * size / min(height, width)
    assert abs(max(scaled) - exact) <= 0.5
    assert (scaled[0] <= scaled[1]) == (height <= width) or scaled[0] == scaled[1]


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), new_height=SIDES, new_width=SIDES)
def test_sizes_and_uniform_images(height: int, width: int, new_height: int, new_width: int) -> None:
    flat = np.full((height, width, 3), (10, 128, 250), np.uint8)
    scaled = resize(flat, new_height, new_width)
    assert scaled.shape == (new_height, new_width, 3)
    assert np.all(scaled == (10, 128, 250))


@pytest.mark.parametrize("size", [20, 77, 150])
def test_mirroring_and_resizing_commute(size: int) -> None:
    """A filter with an offset of a fraction of a pixel would fail."""
    rgb = picture(61, 91)
    first = resize_shortest_side(rgb, size).astype(int)
    second = resize_shortest_side(rgb[::-1, ::-1], size)[::-1, ::-1]
    assert np.abs(first - second).max() <= 1


def test_same_size_returns_the_same_array() -> None:
    rgb = picture()
    assert resize(rgb, 60, 90) is rgb
