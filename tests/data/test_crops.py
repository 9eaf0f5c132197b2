"""Crops lie inside the photo, are uniform, and depend on their coordinates alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from chromalab.data.crops import Window, crop_into, crop_window
from tests.photo.odd_files import picture


@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    share=st.floats(0, 1),
    seed=st.integers(0),
    epoch=st.integers(0),
)
def test_windows_lie_inside(height: int, width: int, share: float, seed: int, epoch: int) -> None:
    side = max(1, round(share * min(height, width)))
    window = crop_window(height, width, side, seed=seed, epoch=epoch, photo_id="a")
    assert 0 <= window.top <= height - side
    assert 0 <= window.left <= width - side
    assert window == crop_window(height, width, side, seed=seed, epoch=epoch, photo_id="a")


def test_positions_and_mirroring_are_uniform_and_independent() -> None:
    windows = Counter(
        crop_window(20, 21, 18, seed=3, epoch=epoch, photo_id=str(photo)) for epoch in range(40) for photo in range(300)
    )
    every = [Window(top, left, mirrored) for top in range(3) for left in range(4) for mirrored in (False, True)]
    assert set(windows) == set(every)
    assert chisquare([windows[window] for window in every]).pvalue > 1e-3


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epoch": 1}, {"photo_id": "b"}])
def test_every_coordinate_counts(changed: dict[str, int | str]) -> None:
    plain: dict[str, int | str] = {"seed": 0, "epoch": 0, "photo_id": "a"}
    windows = [crop_window(10_000, 10_000, 8, **coordinates) for coordinates in (plain, plain | changed)]  # type: ignore[arg-type]
    assert windows[0] != windows[1]


@pytest.mark.parametrize("mirrored", [False, True])
def test_crop_is_the_window(mirrored: bool) -> None:
    rgb = picture()
    out = np.empty((24, 24, 3), np.uint8)
    crop_into(out, rgb, Window(5, 17, mirrored))
    expected = rgb[5:29, 17:41]
    assert np.array_equal(out, np.flip(expected, axis=1) if mirrored else expected)


def test_crop_of_a_read_only_photo() -> None:
    rgb = picture(24, 24)
    rgb.flags.writeable = False
    out = np.empty((24, 24, 3), np.uint8)
    crop_into(out, rgb, Window(0, 0, mirrored=False))
    assert np.array_equal(out, rgb)
