"""The prior of photos with known colors, and its chart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from chromalab.color.bins import BIN_COUNT, PriorRecord, nearest_bins
from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.data.prior import (
    CELL_PX,
    PriorSummary,
    count_bins,
    entropy_bits,
    near_grey_share,
    photo_prior,
    prior_chart,
)
from tests.data.photo_folder import make_photos, open_folder
from tests.photo.odd_files import save


def bin_at(a: float, b: float) -> int:
    return int(nearest_bins(np.array([a, b], dtype=np.float64)))


def rgb_of(a: float, b: float, lightness: float = 60) -> NDArray[np.uint8]:
    """Return the 8-bit color of a point of the ab plane inside sRGB."""
    rgb = lab_to_rgb(torch.tensor([lightness, a, b], dtype=torch.float64).reshape(1, 3, 1, 1)).flatten()
    assert float(rgb.min()) >= 0
    assert float(rgb.max()) <= 1
    return np.asarray(np.rint(rgb.numpy() * 255), dtype=np.uint8)


def test_known_colors_are_counted(tmp_path: Path) -> None:
    colors = {(40, 20): 40, (10, -40): 60, (-40, 40): 80}
    for (a, b), width in colors.items():
        save(tmp_path / "photos" / f"{width}.png", np.full((40, width, 3), rgb_of(a, b), dtype=np.uint8))
    photos = open_folder(tmp_path / "photos", tmp_path / "cache", size_px=40)
    prior = photo_prior(photos, source="photos")
    expected = {bin_at(*color): 40 * width for color, width in colors.items()}
    assert {bin_: count for bin_, count in enumerate(prior.counts) if count} == expected
    assert (prior.n_photos, prior.n_pixels, prior.size_px, prior.source) == (3, 7200, 40, "photos")
    assert prior.data_sha256 == photos.data_sha256


def test_bins_agree_with_the_training_space() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    lab = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None].double() / 255)
    expected = np.bincount(nearest_bins(lab[0, 1:].permute(1, 2, 0).numpy()).ravel(), minlength=BIN_COUNT)
    # scikit-image's and Kornia's matrices are rounded differently, by 0.02, which rarely moves a pixel into another bin
    assert np.abs(count_bins(rgb) - expected).sum() <= 0.005 * 64 * 64


def test_black_gray_and_white_share_a_bin() -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    assert count_bins(greys)[bin_at(0, 0)] == 256


def test_a_prior_does_not_depend_on_the_order_of_work(tmp_path: Path) -> None:
    photos = open_folder(make_photos(tmp_path / "photos", 5), tmp_path / "cache")
    whole = photo_prior(photos)
    alone = [photo_prior(photos.subset([index])).counts for index in range(5)]
    assert whole.counts == np.sum(alone, axis=0).tolist()
    assert whole == photo_prior(photos)


def test_statistics_of_a_prior_equal_manual_calculation() -> None:
    p = np.zeros(BIN_COUNT)
    p[[bin_at(0, 0), bin_at(10, -10), bin_at(20, 0), bin_at(-90, 50)]] = [0.5, 0.25, 0.125, 0.125]
    assert near_grey_share(p) == 0.75
    assert entropy_bits(p) == 1.75
    assert entropy_bits(np.full(BIN_COUNT, 1 / BIN_COUNT)) == pytest.approx(np.log2(313))


def test_the_summary_contains_the_counts() -> None:
    counts = [0] * BIN_COUNT
    counts[bin_at(0, 0)], counts[bin_at(20, 30)] = 3, 1
    summary = PriorSummary.of(PriorRecord(counts=counts, n_photos=1, n_pixels=4, size_px=2))
    assert (summary.bins_used, summary.near_grey_share) == (2, 0.75)
    assert [(top.a, top.b, top.share) for top in summary.top] == [(0, 0, 0.75), (20, 30, 0.25)]
    assert list(summary.lines())[-1].endswith("(0, 0) 75.0%, (20, 30) 25.0%")


def cell(chart: NDArray[np.uint8], a: int, b: int) -> NDArray[np.uint8]:
    row, column = (100 - b) // 10 + 1, (a + 90) // 10 + 1
    return chart[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]


def filled(square: NDArray[np.uint8]) -> int:
    """Return the side of the colored square in a cell."""
    return int((square.max(axis=2) - square.min(axis=2) > 8).any(axis=0).sum())


def test_more_probable_bins_have_larger_squares() -> None:
    p = np.zeros(BIN_COUNT)
    for (a, b), share in {(30, 40): 1.0, (40, 40): 1e-2, (50, 40): 1e-4, (60, 40): 1e-9}.items():
        p[bin_at(a, b)] = share
    chart = prior_chart(p)
    assert chart.dtype == np.uint8
    sides = [filled(cell(chart, a, 40)) for a in (30, 40, 50, 60, 70)]
    assert sides[0] == CELL_PX - 2
    assert sides == sorted(sides, reverse=True)
    assert sides[3] == 4
    assert sides[4] == 0


def test_colors_of_the_chart_are_those_of_the_plane() -> None:
    chart = prior_chart(np.full(BIN_COUNT, 1 / BIN_COUNT))
    middle = CELL_PX // 2
    for a, b in ((40, 20), (-30, 30), (10, -40), (20, 60)):
        expected = lab_to_rgb(torch.tensor([65.0, a, b]).reshape(1, 3, 1, 1)).flatten().numpy() * 255
        np.testing.assert_allclose(cell(chart, a, b)[middle, middle], expected, atol=1.5)
    assert chart[0, 0].tolist() == [255, 255, 255]


def test_bins_without_pixels_are_outlines() -> None:
    p = np.zeros(BIN_COUNT)
    p[bin_at(30, 40)] = 1
    square = cell(prior_chart(p), -50, 20)
    assert square[CELL_PX // 2, CELL_PX // 2].tolist() == [255, 255, 255]
    assert square.min() == 225
