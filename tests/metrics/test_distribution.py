"""The Fréchet distance of two sets of features: groups, jackknife, and too few photos."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from chromalab.functional.distribution import KERNEL_ROWS, Moments, frechet_distance
from chromalab.metrics.distribution import (
    JACKKNIFE_GROUPS,
    compare_frechet,
    compare_frechet_plainly,
    compare_kernels,
    compare_means,
)
from chromalab.metrics.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    assert result.reason == f"a Fréchet distance needs at least 30 photos, not {n}"


@pytest.mark.parametrize(("n", "flagged"), [(30, True), (39, True), (40, False)])
def test_fewer_photos_than_twice_the_features_are_flagged(n: int, flagged: bool) -> None:
    sets = [Rows(20), Rows(20)]
    for seed, collected in enumerate(sets):
        collected.append(torch.randn(n, 20, generator=torch.Generator().manual_seed(seed)).numpy())
    result = compare_frechet(*sets)
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


def test_the_plain_distance_is_the_same_without_an_interval() -> None:
    preds, target = rows(features(0, 64), 10), rows(features(1, 64), 10)
    plain, jackknifed = compare_frechet_plainly(preds, target), compare_frechet(preds, target)
    assert plain.value == pytest.approx(jackknifed.value)
    assert plain.replicates == []
    assert compare_frechet_plainly(rows(features(0, 9), 9), target).value is None


def test_a_kernel_distance_is_the_mean_over_blocks_of_a_thousand() -> None:
    preds, target = features(0, 2400), features(1, 2400)
    result = compare_kernels(rows(preds, 500), rows(target, 500))
    blocks = [torch.arange(start, stop) for start, stop in ((0, 800), (800, 1600), (1600, 2400))]
    expected = [float(poly_mmd(target[block], preds[block], gamma=1 / DIMENSIONS)) for block in blocks]
    assert result.value == pytest.approx(np.mean(expected), rel=1e-4)
    assert len(result.replicates) == JACKKNIFE_GROUPS
    assert result.jackknife_se is not None
    assert 0 < result.jackknife_se < 0.2 * np.mean(expected)


def test_a_large_set_of_true_photos_is_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Rows.read

    def counted(self: Rows, start: int = 0, count: int | None = None) -> NDArray[np.float64]:
        found = original(self, start, count)
        read.append(len(found))
        return found

    monkeypatch.setattr(Rows, "read", counted)
    preds, target = features(0, 40), features(1, 2500)
    value = compare_kernels(rows(preds, 500), rows(target, 500)).value
    assert max(read) <= KERNEL_ROWS
    x, y = preds.double(), target.double()
    kernels = [(rows @ rows.T / DIMENSIONS + 1) ** 3 for rows in (x, y)]
    within = [(of_all.sum() - of_all.trace()) / (len(of_all) * (len(of_all) - 1)) for of_all in kernels]
    assert value == pytest.approx(float(sum(within) - 2 * ((x @ y.T / DIMENSIONS + 1) ** 3).mean()), rel=1e-9)


def test_kernel_distances_of_one_population_are_about_zero_and_can_be_negative() -> None:
    generator = torch.Generator().manual_seed(3)
    values = []
    for _ in range(40):
        preds, target = torch.randn(2, 60, DIMENSIONS, generator=generator)
        values.append(compare_kernels(rows(preds, 60), rows(target, 60)).value or 0.0)
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(40)
    few = compare_kernels(rows(features(0, 7), 7), rows(features(1, 7), 7))
    assert (few.value, few.reason) == (None, "a kernel distance needs at least 30 photos, not 7")


def single(values: list[float]) -> Rows:
    collected = Rows(1)
    collected.append(np.array(values)[:, None])
    return collected


def test_the_difference_of_means_is_not_the_mean_difference() -> None:
    preds, target = [10.0, 50.0] * 20, [50.0, 10.0] * 20
    assert compare_means(single(preds), single(target)).value == 0
    shifted = compare_means(single([value + 3 for value in preds]), single(target))
    assert shifted.value == pytest.approx(3)
    kept = np.arange(40) % JACKKNIFE_GROUPS != 4
    assert shifted.replicates[4] == pytest.approx(
        abs(np.mean(np.array(preds)[kept]) + 3 - np.mean(np.array(target)[kept]))
    )
    few = compare_means(single([1.0]), single([4.0]))
    assert (few.value, few.reason) == (3, "an interval needs at least 20 photos, not 1")
    assert compare_means(Rows(1), Rows(1)).reason == "there are no photos"
