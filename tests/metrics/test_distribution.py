"""The Fréchet distance of two sets of features: groups, jackknife, and too few photos."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from chromalab.functional.frechet import Moments, frechet_distance
from chromalab.metrics.distribution import JACKKNIFE_GROUPS, compare_frechet
from chromalab.metrics.rows import Rows

if TYPE_CHECKING:
    from chromalab.metrics.facts import SetValue

DIMENSIONS = 6


def features(seed: int, n: int) -> torch.Tensor:
    return torch.randn(n, DIMENSIONS, generator=torch.Generator().manual_seed(seed)) + seed


def rows(features: torch.Tensor, batch: int) -> Rows:
    collected = Rows(DIMENSIONS)
    for part in features.split(batch):
        collected.append(part.numpy())
    return collected


def compared(preds: torch.Tensor, target: torch.Tensor, batch: int) -> SetValue:
    return compare_frechet(rows(preds, batch), rows(target, batch))


def distance(preds: torch.Tensor, target: torch.Tensor) -> float:
    return frechet_distance(*(Moments.of(part.double().numpy()) for part in (preds, target)))


@pytest.mark.parametrize("batch", [1, 7, 16, 20, 33, 100])
def test_value_and_replicates_are_those_of_the_photos_left(batch: int) -> None:
    preds, target = features(0, 64), features(1, 64)
    result = compared(preds, target, batch)
    assert result.n == 64
    assert result.value == pytest.approx(distance(preds, target), rel=1e-9)
    kept = [torch.arange(64) % JACKKNIFE_GROUPS != group for group in range(JACKKNIFE_GROUPS)]
    assert result.replicates == pytest.approx([distance(preds[keep], target[keep]) for keep in kept], rel=1e-9)


def test_the_standard_error_is_the_delete_a_group_jackknife() -> None:
    result = compared(features(0, 80), features(1, 80), 16)
    replicates = np.array(result.replicates)
    groups = len(replicates)
    expected = math.sqrt((groups - 1) / groups * ((replicates - replicates.mean()) ** 2).sum())
    assert groups == 20
    assert result.jackknife_se == pytest.approx(expected)


def test_rows_beyond_one_block_keep_their_groups() -> None:
    preds, target = features(2, 2345), features(3, 2345)
    result = compared(preds, target, 500)
    kept = torch.arange(2345) % JACKKNIFE_GROUPS != 7
    assert result.value == pytest.approx(distance(preds, target), rel=1e-9)
    assert result.replicates[7] == pytest.approx(distance(preds[kept], target[kept]), rel=1e-9)


def test_the_sets_may_be_of_different_photographs() -> None:
    preds, target = features(2, 50), features(3, 70)
    result = compared(preds, target, 64)
    assert result.n == 50
    assert result.value == pytest.approx(distance(preds, target), rel=1e-9)


@pytest.mark.parametrize("n", [0, 1, 29])
def test_too_few_photos_have_no_value_but_a_reason(n: int) -> None:
    result = compared(features(0, n), features(1, n), 8)
    assert (result.value, result.jackknife_se, result.replicates, result.n) == (None, None, [], n)
    assert result.reason == f"a Fréchet distance needs at least 30 photographs, not {n}"


@pytest.mark.parametrize(("n", "flagged"), [(30, True), (639, True), (640, False)])
def test_few_photos_are_flagged(n: int, flagged: bool) -> None:
    result = compared(features(0, n), features(1, n), 64)
    assert result.value is not None
    assert result.reason == ("compare only at equal n" if flagged else None)


def test_a_known_distance_is_found() -> None:
    """Equal covariances and means 3 apart in one direction: the distance is 9, and a third of a unit is six errors."""
    target = torch.randn(4000, DIMENSIONS, generator=torch.Generator().manual_seed(5))
    preds = torch.randn(4000, DIMENSIONS, generator=torch.Generator().manual_seed(6)) + 3 * torch.eye(DIMENSIONS)[0]
    result = compared(preds, target, 500)
    assert result.value == pytest.approx(9, abs=0.33)
    assert result.jackknife_se is not None
    # the mean difference has variance 2 / n in that direction, and d(x^2) = 2 x dx
    assert result.jackknife_se == pytest.approx(2 * 3 * math.sqrt(2 / 4000), rel=0.5)
