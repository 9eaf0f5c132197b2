"""The accumulator of the Fréchet distance: groups, jackknife, and too few photos."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.functional.frechet import Moments, frechet_distance
from chromalab.metrics.distribution import JACKKNIFE_GROUPS, FrechetAccumulator

DIMENSIONS = 6


def features(seed: int, n: int) -> torch.Tensor:
    return torch.randn(n, DIMENSIONS, generator=torch.Generator().manual_seed(seed)) + seed


def filled(preds: torch.Tensor, target: torch.Tensor, batch: int) -> FrechetAccumulator:
    accumulator = FrechetAccumulator(DIMENSIONS)
    for first, second in zip(preds.split(batch), target.split(batch), strict=True):
        accumulator.add_features(first, second)
    return accumulator


def distance(preds: torch.Tensor, target: torch.Tensor) -> float:
    return frechet_distance(*(Moments.of(part.double().numpy()) for part in (preds, target)))


@pytest.mark.parametrize("batch", [1, 7, 16, 20, 33, 100])
def test_value_and_replicates_are_those_of_the_photos_left(batch: int) -> None:
    preds, target = features(0, 64), features(1, 64)
    result = filled(preds, target, batch).compute()
    assert result.n == 64
    assert result.value == pytest.approx(distance(preds, target), rel=1e-9)
    kept = [torch.arange(64) % JACKKNIFE_GROUPS != group for group in range(JACKKNIFE_GROUPS)]
    assert result.replicates == pytest.approx([distance(preds[keep], target[keep]) for keep in kept], rel=1e-9)


def test_the_standard_error_is_the_delete_a_group_jackknife() -> None:
    result = filled(features(0, 80), features(1, 80), 16).compute()
    replicates = np.array(result.replicates)
    groups = len(replicates)
    expected = math.sqrt((groups - 1) / groups * ((replicates - replicates.mean()) ** 2).sum())
    assert groups == 20
    assert result.jackknife_se == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 70), min_size=1, max_size=3))
def test_merging_in_order_equals_the_whole(cuts: list[int]) -> None:
    preds, target = features(2, 70), features(3, 70)
    edges = [0, *sorted(cuts), 70]
    merged = FrechetAccumulator(DIMENSIONS)
    for start, stop in pairwise(edges):
        part = FrechetAccumulator(DIMENSIONS)
        part.add_features(preds[start:stop], target[start:stop])
        merged.merge(part)
    whole = filled(preds, target, 70).compute()
    assert merged.compute().value == pytest.approx(whole.value, rel=1e-9)
    assert merged.compute().replicates == pytest.approx(whole.replicates, rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 29])
def test_too_few_photos_have_no_value_but_a_reason(n: int) -> None:
    result = filled(features(0, n), features(1, n), 8).compute()
    assert (result.value, result.jackknife_se, result.replicates, result.n) == (None, None, [], n)
    assert result.reason == f"a Fréchet distance needs at least 30 photographs, not {n}"


@pytest.mark.parametrize(("n", "flagged"), [(30, True), (639, True), (640, False)])
def test_few_photos_are_flagged(n: int, flagged: bool) -> None:
    result = filled(features(0, n), features(1, n), 64).compute()
    assert result.value is not None
    assert result.reason == ("compare only at equal n" if flagged else None)


def test_a_known_distance_is_found() -> None:
    """Equal covariances and means 3 apart in one direction: the distance is 9, and a third of a unit is six errors."""
    target = torch.randn(4000, DIMENSIONS, generator=torch.Generator().manual_seed(5))
    preds = torch.randn(4000, DIMENSIONS, generator=torch.Generator().manual_seed(6)) + 3 * torch.eye(DIMENSIONS)[0]
    result = filled(preds, target, 500).compute()
    assert result.value == pytest.approx(9, abs=0.33)
    assert result.jackknife_se is not None
    # the mean difference has variance 2 / n in that direction, and d(x^2) = 2 x dx
    assert result.jackknife_se == pytest.approx(2 * 3 * math.sqrt(2 / 4000), rel=0.5)
