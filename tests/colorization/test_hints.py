"""Hints are parsed, placed and propagated along edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from chromalab.colorization.hints import (
    Hint,
    Hints,
    apply_hints,
    color_ab,
    overlay_seeds,
    parse_hint,
    seeds_of,
)
from chromalab.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HALVES = np.repeat(np.array([[60.0] * 50 + [180.0] * 50], dtype=np.float32), 60, axis=0)
NO_CHROMA = np.zeros((2, 60, 100), dtype=np.float32)


def propagated(*hints: Hint, levels: np.ndarray = HALVES) -> np.ndarray:
    seeds, colors = seeds_of(list(hints), (600, 1000), levels.shape)
    return apply_hints(levels, np.zeros((2, *levels.shape), dtype=np.float32), seeds, colors)


def test_colors_stop_at_edges() -> None:
    """A hint in the left half colors that half, and not the equally near right half."""
    found = propagated(Hint(x=400, y=300, color="#ff0000"))
    red = np.array(color_ab("#ff0000"))
    assert found[:, 30, 40] == pytest.approx(red, abs=1e-3)
    assert found[0, 30, 48] > 0.3 * red[0]
    assert np.abs(found[:, :, 52:]).max() < 1


def test_network_colors_stay_far_from_hints() -> None:
    levels = np.full((60, 400), 100, dtype=np.float32)
    chroma = np.full((2, 60, 400), 7, dtype=np.float32)
    seeds, colors = seeds_of([Hint(x=0, y=0, color="#0000ff")], (60, 400), (60, 400))
    found = apply_hints(levels, chroma, seeds, colors)
    assert found[:, :, 300:] == pytest.approx(7)


def test_nearer_of_two_hints_dominates() -> None:
    levels = np.full((60, 100), 100, dtype=np.float32)
    found = propagated(Hint(x=100, y=300, color="#ff0000"), Hint(x=900, y=300, color="#0000ff"), levels=levels)
    assert found[:, 30, 10] == pytest.approx(color_ab("#ff0000"), abs=0.5)
    assert found[:, 30, 90] == pytest.approx(color_ab("#0000ff"), abs=0.5)


@given(st.floats(0, 59), st.floats(0, 99), st.integers(0, 0xFFFFFF))
@example(0.0, 29.0, 5)  # 29 / 100 * 100 is a little less than 29
@example(0.0, 1.999999999999993, 5)
def test_chroma_stays_between_network_and_hint(y: float, x: float, color: int) -> None:
    hint = Hint(x=x, y=y, color=f"#{color:06x}")
    seeds, colors = seeds_of([hint], (60, 100), (60, 100))
    found = apply_hints(HALVES, NO_CHROMA, seeds, colors)
    bounds = np.sort(np.stack([np.zeros(2), colors[0]]), axis=0)
    assert (found >= bounds[0][:, None, None] - 1e-3).all()
    assert (found <= bounds[1][:, None, None] + 1e-3).all()
    (place,) = np.argwhere(seeds == 0)
    assert (np.abs(place + 0.5 - (y, x)) <= 0.5 + 1e-5).all(), "the pixel that the point lies in"
    assert found[:, place[0], place[1]] == pytest.approx(colors[0], abs=1e-2)


def test_rectangles_in_percent() -> None:
    seeds, _ = seeds_of(
        [Hint(x=10, y=20, width=30, height=10, color="#ff0000", unit="percent")], (600, 1000), (60, 100)
    )
    assert (seeds >= 0).sum() == 30 * 6
    assert seeds[12, 10] == 0
    assert seeds[11, 10] == -1


def test_parsing_of_texts() -> None:
    assert parse_hint("120,80=#8a2b2b") == Hint(x=120, y=80, color="#8a2b2b")
    assert parse_hint(" 12.5% , 80% = #8A2B2B").unit == "percent"
    assert parse_hint("1,2,3,4=#000000").width == 3
    for text in ("", "1,2", "1,2=red", "1,2,3=#000000", "-1,2=#000000", "1%,2=#000000", "1.2.3,4=#000000"):
        with pytest.raises(ConfigError):
            parse_hint(text)


def test_hints_outside_the_photo_are_refused() -> None:
    for hint in (Hint(x=1000, y=0, color="#ff0000"), Hint(x=0, y=0, width=1001, height=1, color="#ff0000")):
        with pytest.raises(ConfigError, match="outside the photo of 1000x600 px"):
            seeds_of([hint], (600, 1000), (60, 100))


def test_colors_are_cielab() -> None:
    assert color_ab("#8a2b2b") == pytest.approx(rgb2lab(np.array([[[0x8A, 0x2B, 0x2B]]]) / 255)[0, 0, 1:], abs=1e-3)


def test_hints_from_json(tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    path.write_text('{"hints": [{"x": 1, "y": 2, "color": "#8a2b2b"}]}')
    assert Hints.load(path).hints == [Hint(x=1, y=2, color="#8a2b2b")]
    path.write_text('{"hints": [{"x": 1, "y": 2, "colour": "#8a2b2b"}]}')
    with pytest.raises(ConfigError, match=r"hints\.0\.color"):
        Hints.load(path)


def test_painted_hints() -> None:
    rgba = np.zeros((600, 1000, 4), dtype=np.uint8)
    rgba[100:103, 500:503] = (255, 0, 0, 255)  # thinner than a pixel of the small copy
    rgba[300:400, 100:200] = (0, 0, 255, 255)
    seeds, colors = overlay_seeds(rgba, (60, 100))
    assert colors[seeds[10, 50]] == pytest.approx(color_ab("#ff0000"), abs=0.01)
    assert colors[seeds[35, 15]] == pytest.approx(color_ab("#0000ff"), abs=0.01)
    assert (seeds >= 0).sum() == 1 + 100


def test_invalid_painted_hints_are_refused() -> None:
    with pytest.raises(ConfigError, match="transparent"):
        overlay_seeds(np.zeros((60, 100, 4), dtype=np.uint8), (60, 100))
    with pytest.raises(ConfigError, match="transparent"):
        overlay_seeds(np.full((60, 100, 4), 255, dtype=np.uint8), (60, 100))
    with pytest.raises(ConfigError, match="shape"):
        overlay_seeds(np.zeros((100, 60, 4), dtype=np.uint8), (60, 100))
    noise = np.random.default_rng(0).integers(0, 255, (60, 100, 4)).astype(np.uint8)
    with pytest.raises(ConfigError, match="hard brush"):
        overlay_seeds(noise, (60, 100))
