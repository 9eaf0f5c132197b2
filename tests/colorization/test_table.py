"""The table of colors against CIELAB of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from chromalab.color.lab import grey_lightness
from chromalab.colorization.table import (
    A_COUNT,
    A_FIRST,
    B_COUNT,
    B_FIRST,
    color_table,
    look_up,
    places,
    unpack,
)


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    """Return the packed colors, (256, a*, b*)."""
    return color_table().reshape(256, A_COUNT, B_COUNT)


def rgb_of(packed: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(packed).view(np.uint8).reshape(*packed.shape, 4)[..., :3]


@pytest.mark.parametrize("level", [0, 1, 5, 20, 60, 128, 200, 250, 254, 255])
def test_lightness_is_the_levels(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    error = np.abs(lab[..., 0] - grey_lightness()[level])
    assert error.max() < 0.3
    noted = np.abs(((planes[level] >> 24 & 0x7F).astype(int) - 64) * 0.01)
    assert np.abs(noted - error).max() < 0.02


@pytest.mark.parametrize("level", [20, 60, 128, 200, 250])
def test_chroma_is_what_was_asked_inside_the_gamut(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    inside = planes[level] >> 31 == 0
    a, b = np.arange(A_COUNT) + A_FIRST, np.arange(B_COUNT) + B_FIRST
    assert inside.any()
    assert np.abs(lab[..., 1] - a[:, None])[inside].max() < 1.5
    assert np.abs(lab[..., 2] - b)[inside].max() < 1.0


@pytest.mark.parametrize("level", [60, 128, 200])
def test_hue_stays_where_chroma_is_reduced(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    a, b = np.meshgrid(np.arange(A_COUNT) + A_FIRST, np.arange(B_COUNT) + B_FIRST, indexing="ij")
    strong = (planes[level] >> 31 == 1) & (np.hypot(lab[..., 1], lab[..., 2]) > 20)
    turned = np.angle(np.exp(1j * (np.arctan2(lab[..., 2], lab[..., 1]) - np.arctan2(b, a))))
    assert np.degrees(np.abs(turned[strong])).max() < 4


def test_greys_stay_greys(planes: np.ndarray) -> None:
    grey = rgb_of(planes[:, -A_FIRST, -B_FIRST])
    assert np.array_equal(grey, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))


def test_looking_up() -> None:
    level = np.array([[0, 128, 255]], dtype=np.float32)
    a = np.array([[0, 30.4, 500]], dtype=np.float32)
    b = np.array([[0, -10.6, -500]], dtype=np.float32)
    packed = np.empty((1, 3), dtype=np.uint32)
    look_up(places(level, a, b), packed)
    colors = unpack(packed)
    assert colors.rgb[0, 0].tolist() == [0, 0, 0]
    assert rgb2lab(colors.rgb)[0, 1] == pytest.approx([grey_lightness()[128], 30, -11], abs=1)
    assert colors.shrunk == 1
    assert 0 <= colors.lightness_error < 0.3
