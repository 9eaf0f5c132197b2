"""The contextual loss against its equations written out in NumPy, and in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from chromalab.functional.contextual import contextual_loss, sample_positions
from tests.functional.contextual_reference import numpy_contextual_loss


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 2.0])
def test_the_loss_is_that_of_the_equations(bandwidth: float) -> None:
    preds, target = features(2, 4, 6), features(2, 4, 9, seed=1)
    expected = [numpy_contextual_loss(x, y, bandwidth) for x, y in zip(preds.numpy(), target.numpy(), strict=True)]
    np.testing.assert_allclose(contextual_loss(preds, target, bandwidth).numpy(), expected, rtol=1e-9)


def test_sets_of_the_same_distinct_features_cost_nothing_wherever_they_are() -> None:
    target = features(1, 8, 5)
    mixed = target[:, :, [3, 0, 4, 1, 2]]
    assert contextual_loss(mixed, target).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [1, 7])
def test_features_that_are_all_alike_cost_the_logarithm_of_their_number(count: int) -> None:
    """They equal their mean, so every cosine is defined as 0 and every share is 1 / M."""
    alike = torch.full((1, 4, count), 0.5, dtype=torch.float64, requires_grad=True)
    value = contextual_loss(alike, alike.detach())
    value.sum().backward()
    assert value.item() == pytest.approx(math.log(count))
    assert alike.grad is not None
    assert torch.equal(alike.grad, torch.zeros_like(alike))


def test_more_of_the_features_in_common_cost_less() -> None:
    target, other = features(1, 8, 10), features(1, 8, 10, seed=1)
    values = [contextual_loss(torch.cat([target[..., :n], other[..., n:]], 2), target).item() for n in (10, 7, 3, 0)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 0.5


def test_gradients_are_those_of_finite_differences() -> None:
    preds, target = features(2, 3, 5).requires_grad_(), features(2, 3, 6, seed=1).requires_grad_()
    assert gradcheck(contextual_loss, (preds, target))


def test_a_batch_is_its_singles() -> None:
    preds, target = features(3, 4, 6), features(3, 4, 6, seed=1)
    singles = [contextual_loss(preds[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(contextual_loss(preds, target), torch.cat(singles))


def test_few_positions_are_all_taken_and_many_are_sampled_alike_in_every_call() -> None:
    given = features(2, 3, 5, 6)
    torch.testing.assert_close(sample_positions(given, 30), given.flatten(2))
    sampled = sample_positions(given, 8)
    assert sampled.shape == (2, 3, 8)
    places = torch.arange(30, dtype=torch.float64).reshape(1, 1, 5, 6)
    taken = sample_positions(places, 8).flatten().long()
    assert len(set(taken.tolist())) == 8
    torch.testing.assert_close(sampled, given.flatten(2)[:, :, taken])
