"""The color figure and the reasons for leaving a photo out."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromalab.data.usable import color_figure, why_left_out
from chromalab.photo.reading import read_photo
from tests.photo.odd_files import picture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
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


def test_color_figure_agrees_with_the_published_index(shared: Path) -> None:
    """The agreement is approximate because the index was computed from larger versions of the photos."""
    folder = shared / "data" / "photos"
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::350]
    ours = [color_figure(read_photo(folder / row["file"], shortest_side_px=96).rgb) for row in rows]
    difference = np.array(ours) - [float(row["colour"]) for row in rows]
    assert np.abs(difference).mean() < 0.3
    assert abs(difference.mean()) < 0.2


@pytest.mark.parametrize(
    ("size_px", "figure", "grey_only", "reason", "kind"),
    [
        ((1, 1), 50.0, False, "too small (1x1 px; at least 16 needed)", "too small"),
        ((15, 4000), 50.0, False, "too small (4000x15 px; at least 16 needed)", "too small"),
        ((100, 120), 0.0, True, "gray only", "gray only"),
        ((100, 120), 3.14, False, "nearly colourless (3.1 < 10)", "nearly colourless"),
        ((100, 120), 9.99, False, "nearly colourless (9.9 < 10)", "nearly colourless"),
    ],
)
def test_reasons(size_px: tuple[int, int], figure: float, grey_only: bool, reason: str, kind: str) -> None:
    skipped = why_left_out("a/b.jpg", size_px, figure, 10.0, grey_only=grey_only)
    assert skipped is not None
    assert (skipped.name, skipped.reason, skipped.kind) == ("a/b.jpg", reason, kind)


def test_usable_photos_have_no_reason() -> None:
    assert why_left_out("a", (16, 16), 10.0, 10.0, grey_only=False) is None
    assert why_left_out("a", (100, 120), 0.0, 0.0, grey_only=False) is None
