"""The kernel distance against its definition and another library."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from chromalab.functional.kid import kernel_sums, squared_mmd


def vectors(seed: int, n: int, dimensions: int = 5) -> torch.Tensor:
    return torch.randn(n, dimensions, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def literal(preds: torch.Tensor, target: torch.Tensor) -> float:
    """Return Bińkowski et al.'s eq. 4, pair by pair."""

    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(preds), len(target)
    among_preds = sum(k(preds[i], preds[j]) for i, j in product(range(n), repeat=2) if i != j) / (n * (n - 1))
    among_target = sum(k(target[i], target[j]) for i, j in product(range(m), repeat=2) if i != j) / (m * (m - 1))
    return among_preds + among_target - 2 * sum(k(x, y) for x in preds for y in target) / (n * m)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (9, 14), (30, 21)])
def test_it_is_the_mean_over_pairs(n: int, m: int) -> None:
    preds, target = vectors(0, n), vectors(1, m) + 0.5
    sums = kernel_sums(preds, target, groups=4)
    assert squared_mmd(sums) == pytest.approx(literal(preds, target), rel=1e-10)


def test_it_agrees_with_torchmetrics() -> None:
    preds, target = vectors(2, 50, 64), vectors(3, 50, 64) + 0.2
    theirs = float(poly_mmd(target, preds, degree=3, gamma=1 / 64, coef=1.0))
    assert squared_mmd(kernel_sums(preds, target, groups=20)) == pytest.approx(theirs, rel=1e-9)


def test_a_group_left_out_is_as_if_it_had_not_been_there() -> None:
    preds, target = vectors(4, 23), vectors(5, 31) * 2
    sums = kernel_sums(preds, target, groups=5)
    for group in range(5):
        kept, target_kept = (rows[torch.arange(len(rows)) % 5 != group] for rows in (preds, target))
        assert squared_mmd(sums, without=group) == pytest.approx(literal(kept, target_kept), rel=1e-10)
