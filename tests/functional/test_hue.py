"""Histograms of hue and the distance between them, against a linear program."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.functional.hue import HUE_BINS, circular_distance, hue_histogram


def of_hue(degrees: float, chroma: float, side: int = 8) -> torch.Tensor:
    """Return a picture of one color, (1, 3, side, side) in CIELAB."""
    a, b = chroma * np.cos(np.radians(degrees)), chroma * np.sin(np.radians(degrees))
    return torch.tensor([50.0, a, b], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, side, side)


def transported(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least total of mass times steps that turns one histogram on a circle into the other."""
    count = len(first)
    gaps = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    costs = np.minimum(gaps, count - gaps)
    rows = np.kron(np.eye(count), np.ones(count))
    columns = np.kron(np.ones(count), np.eye(count))
    found = scipy.optimize.linprog(
        costs.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.concatenate([first, second])[:-1]
    )
    return float(found.fun)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 10))
def test_the_distance_is_the_least_work(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.dirichlet(np.ones(count) * 0.5, size=2)
    found = circular_distance(torch.from_numpy(first)[None], torch.from_numpy(second)[None]).item()
    assert found == pytest.approx(transported(first, second) * 360 / count, abs=1e-6)
    assert 0 <= found <= 180 + 1e-9


def test_histograms_count_chroma_by_hue() -> None:
    histogram = hue_histogram(of_hue(92.0, 35.0))[0]
    assert histogram.sum().item() == pytest.approx(1)
    assert histogram[18].item() == pytest.approx((35 + 1 / HUE_BINS) / 36)
    assert histogram[40].item() == pytest.approx(1 / HUE_BINS / 36)
    half = torch.cat([of_hue(-1.0, 30.0), of_hue(181.0, 60.0)], dim=2)
    assert hue_histogram(half)[0, 71].item() == pytest.approx((15 + 1 / HUE_BINS) / 46)
    assert hue_histogram(half)[0, 36].item() == pytest.approx((30 + 1 / HUE_BINS) / 46)


def test_grey_is_uniform_and_nothing_jumps() -> None:
    grey = hue_histogram(of_hue(0.0, 0.0))
    torch.testing.assert_close(grey, torch.full((1, HUE_BINS), 1 / HUE_BINS, dtype=torch.float64))
    assert circular_distance(hue_histogram(of_hue(40.0, 1e-6)), grey).item() < 1e-4


def test_strong_colors_are_as_far_apart_as_their_hues() -> None:
    first = hue_histogram(of_hue(352.0, 99.0))
    for degrees, expected in ((352.0, 0.0), (22.0, 30.0), (172.0, 180.0)):
        found = circular_distance(first, hue_histogram(of_hue(degrees, 99.0))).item()
        assert found == pytest.approx(expected * 99 / 100, abs=0.1)
