"""Pixels keep the photo's lightness, in 8 bits and in 16."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from chromalab.color.lab import decode_srgb, lightness_of
from chromalab.colorization.guided import Coefficients, Enlarged
from chromalab.colorization.render import Renderer, Tone, exact_colors

RNG = np.random.default_rng(0)


def chroma(strength: float, height: int, width: int) -> Enlarged:
    offset = RNG.normal(0, strength, (2, 6, 7)).astype(np.float32)
    return Enlarged(Coefficients(np.zeros_like(offset), offset), height, width)


@pytest.mark.parametrize("strength", [0, 20, 120])
@pytest.mark.parametrize("deep", [False, True])
def test_lightness_stays(strength: float, deep: bool) -> None:
    levels = RNG.integers(0, 256, (64, 80)).astype(np.uint8)
    values: np.ndarray = levels if not deep else (levels + RNG.random(levels.shape)).clip(0, 255).astype(np.float32)
    renderer = Renderer(chroma(strength, 64, 80), deep=deep)
    rgb = renderer.render(0, values)
    wanted = lightness_of(decode_srgb(values / 255))
    error = np.abs(rgb2lab(rgb)[..., 0] - wanted).max()
    assert error < (0.1 if deep else 0.5)
    assert renderer.account.lightness_error == pytest.approx(error, abs=0.02)
    assert (renderer.account.gamut_share > 0.5) == (strength == 120)


def test_fractions_are_rounded_for_8_bits() -> None:
    levels = (RNG.random((40, 40)) * 255).astype(np.float32)
    renderer = Renderer(chroma(20, 40, 40), deep=False)
    error = np.abs(rgb2lab(renderer.render(0, levels))[..., 0] - lightness_of(decode_srgb(levels / 255))).max()
    assert error < 0.5
    assert error <= renderer.account.lightness_error + 0.02


def test_strips_and_the_whole_are_the_same() -> None:
    levels = RNG.integers(0, 256, (50, 30)).astype(np.uint8)
    colors = chroma(30, 50, 30)
    whole = Renderer(colors, deep=False).render(0, levels)
    renderer = Renderer(colors, deep=False)
    parts = [renderer.render(first, levels[first : first + 7]) for first in range(0, 50, 7)]
    assert np.array_equal(np.concatenate(parts), whole)
    assert renderer.account.pixels == 1500


def test_tones_are_added() -> None:
    tone = Tone(np.stack([np.full(256, 5, np.float32), np.full(256, 15, np.float32)]))
    none = Coefficients(np.zeros((2, 2, 2), np.float32), np.zeros((2, 2, 2), np.float32))
    levels = np.full((20, 20), 128, dtype=np.uint8)
    lab = rgb2lab(Renderer(Enlarged(none, 20, 20), deep=False, tone=tone).render(0, levels))
    assert lab[10, 10, 1:] == pytest.approx([5, 15], abs=1)


def test_exact_colors_are_what_was_asked() -> None:
    level = np.full((10, 10), 128, dtype=np.float32)
    rgb, shrunk, error = exact_colors(level, np.full_like(level, 20), np.full_like(level, -15))
    assert rgb2lab(rgb)[0, 0] == pytest.approx([53.585, 20, -15], abs=0.05)
    assert shrunk == 0
    assert error < 0.01
