"""CIELAB in NumPy against scikit-image, and the boundary of the gamut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab

from chromalab.color import lab

RGB = np.random.default_rng(0).random((2000, 3))


def test_lab_agrees_with_scikit_image() -> None:
    ours = lab.rgb_to_lab(RGB)
    # scikit-image puts the knee of the curve at 0.008856, where (6/29)^3 is 0.0088564...
    assert np.abs(ours - rgb2lab(RGB)).max() < 1e-3
    assert np.abs(lab.lab_to_rgb(ours) - RGB).max() < 1e-9
    assert np.abs(lab.lab_to_rgb(ours) - lab2rgb(ours)).max() < 1e-5


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_known_colors(rgb: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """The expected values come from brucelindbloom.com's calculator for sRGB under D65."""
    assert lab.rgb_to_lab(np.array(rgb, dtype=float)) == pytest.approx(expected, abs=0.02)


@given(st.floats(0, 1))
def test_transfer_curve_and_lightness_are_inverted(value: float) -> None:
    linear = lab.decode_srgb(np.array(value))
    assert float(lab.encode_srgb(linear)) == pytest.approx(value, abs=1e-6)
    assert float(lab.luminance_of(lab.lightness_of(linear))) == pytest.approx(float(linear), abs=1e-12)


def test_curves_accept_negative_light() -> None:
    assert float(lab.encode_srgb(np.array(-0.1))) == pytest.approx(-1.292)
    assert float(lab.decode_srgb(np.array(-1.292))) == pytest.approx(-0.1)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.floats(0, 255), st.floats(-np.pi, np.pi), st.floats(0, 300))
def test_shrunk_colors_are_inside_the_gamut(level: float, hue: float, chroma: float) -> None:
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    factor = float(lab.shrink_into_gamut(np.array(level), np.array(a), np.array(b)))
    lightness = float(lab.lightness_of(lab.decode_srgb(np.array(level / 255))))
    linear = lab.lab_to_linear(np.array([lightness, a * factor, b * factor]))
    assert 0 <= factor <= 1
    # Between table entries, colors near a corner of the gamut may be slightly outside and are clipped.
    assert linear.min() > -0.003
    assert linear.max() < 1.02


def test_the_boundary_has_the_stated_margin() -> None:
    """The limit is a quarter of a unit below the true one, computed here from the zero and one of every channel."""
    level, hue = 128, np.radians(np.arange(360))
    lightness = lab.grey_lightness()[level]
    chroma = np.linspace(0, 150, 15001)
    for degree in range(0, 360, 15):
        colors = np.stack(
            [np.full_like(chroma, lightness), chroma * np.cos(hue[degree]), chroma * np.sin(hue[degree])], axis=-1
        )
        linear = lab.lab_to_linear(colors)
        inside = ((linear >= 0) & (linear <= 1)).all(axis=-1)
        true_limit = chroma[np.flatnonzero(~inside)[0] - 1]
        assert lab.chroma_limit()[level, degree] == pytest.approx(true_limit - 0.25, abs=0.1)


def test_level_of_grays() -> None:
    assert lab.level_of(lab.grey_lightness()) == pytest.approx(np.arange(256), abs=1e-9)
