"""The sliced Wasserstein distance against SciPy in one dimension, and in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch
from torch.autograd import gradcheck

from chromalab.functional.sliced_wasserstein import random_directions, sliced_wasserstein


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def directions(count: int, dimensions: int) -> torch.Tensor:
    return random_directions(count, dimensions, torch.Generator().manual_seed(3))


def test_one_dimension_is_scipys_distance() -> None:
    preds, target = vectors(3, 1, 40), 2 * vectors(3, 1, 40, seed=1) + 1
    expected = [scipy.stats.wasserstein_distance(a[0], b[0]) for a, b in zip(preds, target, strict=True)]
    found = sliced_wasserstein(preds, target, torch.ones(1, 1), power=1)
    np.testing.assert_allclose(found.numpy(), expected)


def test_several_dimensions_are_the_mean_of_scipys_distances_over_directions() -> None:
    preds, target, ways = vectors(2, 3, 25), vectors(2, 3, 25, seed=1), directions(7, 3)
    expected = [
        np.mean([scipy.stats.wasserstein_distance(way @ a, way @ b) for way in ways.numpy()])
        for a, b in zip(preds.numpy(), target.numpy(), strict=True)
    ]
    np.testing.assert_allclose(sliced_wasserstein(preds, target, ways, power=1).numpy(), expected)


@pytest.mark.parametrize("power", [1, 2])
def test_a_shift_costs_its_projection(power: int) -> None:
    """Of a set shifted by d, every projection moves by theta . d; order is kept."""
    target, shift, ways = vectors(1, 2, 30), torch.tensor([3.0, -4.0], dtype=torch.float64), directions(9, 2)
    expected = (ways @ shift).abs().pow(power).mean()
    found = sliced_wasserstein(target + shift[:, None], target, ways, power)
    torch.testing.assert_close(found, expected[None])


def test_over_all_directions_a_shift_costs_its_squared_length_over_the_dimensions() -> None:
    target, shift = vectors(1, 2, 5), torch.tensor([3.0, -4.0], dtype=torch.float64)
    found = sliced_wasserstein(target + shift[:, None], target, directions(20_000, 2))
    assert found.item() == pytest.approx(25 / 2, rel=0.03)


def test_the_order_of_the_vectors_does_not_matter() -> None:
    target = vectors(2, 3, 20)
    mixed = target[:, :, torch.randperm(20, generator=torch.Generator().manual_seed(0))]
    torch.testing.assert_close(sliced_wasserstein(mixed, target, directions(5, 3)), torch.zeros(2, dtype=torch.float64))


def test_directions_have_unit_length_and_come_from_their_generator() -> None:
    found = directions(50, 3)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(50, dtype=torch.float64))
    assert torch.equal(found, directions(50, 3))
    assert not torch.equal(found, random_directions(50, 3, torch.Generator().manual_seed(4)))


@pytest.mark.parametrize("power", [1, 2])
def test_gradients_are_those_of_finite_differences(power: int) -> None:
    preds, target = vectors(2, 2, 6).requires_grad_(), vectors(2, 2, 6, seed=1)
    assert gradcheck(lambda x: sliced_wasserstein(x, target, directions(4, 2), power), preds)


def test_sets_of_different_sizes_and_other_powers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have one shape, not \(1, 2, 5\) and \(1, 2, 6\)"):
        sliced_wasserstein(vectors(1, 2, 5), vectors(1, 2, 6), directions(3, 2))
    with pytest.raises(ValueError, match="power must be 1 or 2, not 3"):
        sliced_wasserstein(vectors(1, 2, 5), vectors(1, 2, 5), directions(3, 2), power=3)
