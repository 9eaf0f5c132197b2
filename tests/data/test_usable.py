"""The color figure and the reasons for leaving a photo out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.data.usable import color_figure, why_unusable
from chromalab.photo.reading import Photo, read_photo
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path


def photo(height: int = 100, width: int = 120, *, grey_only: bool = False) -> Photo:
    return Photo(np.zeros((64, 64, 3), np.uint8), grey_only, "photo.jpg", height, width)


@given(red=st.integers(0, 255), green=st.integers(0, 255), blue=st.integers(0, 255))
def test_color_figure_of_one_color(red: int, green: int, blue: int) -> None:
    flat = np.full((70, 90, 3), (red, green, blue), np.uint8)
    assert color_figure(flat) == max(red, green, blue) - min(red, green, blue)


def test_color_figure_is_a_mean_over_pixels() -> None:
    half = np.full((64, 64, 3), 90, np.uint8)
    half[:, :32, 0] = 110
    assert color_figure(half) == 10.0


def test_color_figure_does_not_depend_on_the_size() -> None:
    figures = [color_figure(picture(side, side * 3 // 2)) for side in (64, 128, 256)]
    assert max(figures) - min(figures) < 0.02 * max(figures)


def test_color_figure_is_the_one_of_the_published_index(shared: Path) -> None:
    """The index was made from the photos' larger originals, so it agrees only nearly."""
    folder = shared / "data" / "photos"
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::350]
    ours = [color_figure(read_photo(folder / row["file"], shortest_side_px=96).rgb) for row in rows]
    difference = np.array(ours) - [float(row["colour"]) for row in rows]
    assert np.abs(difference).mean() < 0.3
    assert abs(difference.mean()) < 0.2


@pytest.mark.parametrize(
    ("given_photo", "figure", "reason", "kind"),
    [
        (photo(1, 1), 50.0, "too small (1x1 px; at least 16 needed)", "too small"),
        (photo(15, 4000), 50.0, "too small (4000x15 px; at least 16 needed)", "too small"),
        (photo(grey_only=True), 0.0, "gray only", "gray only"),
        (photo(), 3.14, "nearly colourless (3.1 < 10)", "nearly colourless"),
        (photo(), 9.99, "nearly colourless (9.9 < 10)", "nearly colourless"),
    ],
)
def test_reasons(given_photo: Photo, figure: float, reason: str, kind: str) -> None:
    skipped = why_unusable("a/b.jpg", given_photo, figure, 10.0)
    assert skipped is not None
    assert (skipped.name, skipped.reason, skipped.kind) == ("a/b.jpg", reason, kind)


def test_usable() -> None:
    assert why_unusable("a", photo(16, 16), 10.0, 10.0) is None
    assert why_unusable("a", photo(), 0.0, 0.0) is None
