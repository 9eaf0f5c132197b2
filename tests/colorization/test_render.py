"""Pixels keep the photo's lightness in 8 and 16 bits; the table of colors agrees with scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from chromalab.color.lab import decode_srgb, grey_lightness, lightness_of
from chromalab.colorization.guided import Coefficients, Enlarged
from chromalab.colorization.render import (
    A_COUNT,
    A_FIRST,
    B_COUNT,
    B_FIRST,
    Renderer,
    Tone,
    color_table,
    exact_colors,
    look_up,
    places,
    unpack,
)

RNG = np.random.default_rng(0)


def chroma(strength: float, height: int, width: int) -> Enlarged:
    offset = RNG.normal(0, strength, (2, 6, 7)).astype(np.float32)
    return Enlarged(Coefficients(np.zeros_like(offset), offset), height, width)


@pytest.mark.parametrize("strength", [0, 20, 120])
@pytest.mark.parametrize("deep", [False, True])
def test_lightness_is_kept(strength: float, deep: bool) -> None:
    levels = RNG.integers(0, 256, (64, 80)).astype(np.uint8)
    values: np.ndarray = levels if not deep else (levels + RNG.random(levels.shape)).clip(0, 255).astype(np.float32)
    renderer = Renderer(chroma(strength, 64, 80), deep=deep)
    rgb = renderer.render(0, values)
    wanted = lightness_of(decode_srgb(values / 255))
    error = np.abs(rgb2lab(rgb)[..., 0] - wanted).max()
    assert error < (0.1 if deep else 0.5)
    assert renderer.stats.lightness_error == pytest.approx(error, abs=0.02)
    assert (renderer.stats.gamut_share > 0.5) == (strength == 120)


def test_fractions_are_rounded_for_8_bits() -> None:
    levels = (RNG.random((40, 40)) * 255).astype(np.float32)
    renderer = Renderer(chroma(20, 40, 40), deep=False)
    error = np.abs(rgb2lab(renderer.render(0, levels))[..., 0] - lightness_of(decode_srgb(levels / 255))).max()
    assert error < 0.5
    assert error <= renderer.stats.lightness_error + 0.02


def test_strips_equal_the_whole() -> None:
    levels = RNG.integers(0, 256, (50, 30)).astype(np.uint8)
    colors = chroma(30, 50, 30)
    whole = Renderer(colors, deep=False).render(0, levels)
    renderer = Renderer(colors, deep=False)
    parts = [renderer.render(first, levels[first : first + 7]) for first in range(0, 50, 7)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert renderer.stats.pixels == 1500


def test_tone_is_added() -> None:
    tone = Tone(np.stack([np.full(256, 5, np.float32), np.full(256, 15, np.float32)]))
    none = Coefficients(np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32))
    levels = np.full((20, 20), 128, dtype=np.uint8)
    lab = rgb2lab(Renderer(Enlarged(none, 20, 20), deep=False, tone=tone).render(0, levels))
    assert lab[10, 10, 1:] == pytest.approx([5, 15], abs=1)


def test_exact_colors_have_the_given_lab() -> None:
    level = np.full((10, 10), 128, dtype=np.float32)
    rgb, shrunk, error = exact_colors(level, np.full_like(level, 20), np.full_like(level, -15))
    assert rgb2lab(rgb)[0, 0] == pytest.approx([53.585, 20, -15], abs=0.05)
    assert shrunk == 0
    assert error < 0.01


@pytest.fixture(scope="module")
def planes() -> np.ndarray:
    """Return the packed colors, (256, a*, b*)."""
    return color_table().reshape(256, A_COUNT, B_COUNT)


def rgb_of(packed: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(packed).view(np.uint8).reshape(*packed.shape, 4)[..., :3]


@pytest.mark.parametrize("level", [0, 1, 5, 20, 60, 128, 200, 250, 254, 255])
def test_table_keeps_the_lightness_of_each_level(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    error = np.abs(lab[..., 0] - grey_lightness()[level])
    assert error.max() < 0.3
    noted = np.abs(((planes[level] >> 24 & 0x7F).astype(int) - 64) * 0.01)
    assert np.abs(noted - error).max() < 0.02


@pytest.mark.parametrize("level", [20, 60, 128, 200, 250])
def test_table_keeps_chroma_inside_the_gamut(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    inside = planes[level] >> 31 == 0
    a, b = np.arange(A_COUNT) + A_FIRST, np.arange(B_COUNT) + B_FIRST
    assert inside.any()
    assert np.abs(lab[..., 1] - a[:, None])[inside].max() < 1.5
    assert np.abs(lab[..., 2] - b)[inside].max() < 1.0


@pytest.mark.parametrize("level", [60, 128, 200])
def test_table_keeps_hue_where_chroma_is_reduced(planes: np.ndarray, level: int) -> None:
    lab = rgb2lab(rgb_of(planes[level]))
    a, b = np.meshgrid(np.arange(A_COUNT) + A_FIRST, np.arange(B_COUNT) + B_FIRST, indexing="ij")
    strong = (planes[level] >> 31 == 1) & (np.hypot(lab[..., 1], lab[..., 2]) > 20)
    turned = np.angle(np.exp(1j * (np.arctan2(lab[..., 2], lab[..., 1]) - np.arctan2(b, a))))
    assert np.degrees(np.abs(turned[strong])).max() < 4


def test_table_keeps_grays(planes: np.ndarray) -> None:
    grey = rgb_of(planes[:, -A_FIRST, -B_FIRST])
    assert np.array_equal(grey, np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))


def test_lookup_of_colors() -> None:
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
