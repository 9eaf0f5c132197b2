"""The Lite0 distance against its definition, and what it promises at odd places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from chromalab.functional.lite0_distance import Lite0Distance
from chromalab.nets.efficientnet_lite import load_efficientnet_lite0


@pytest.fixture(scope="module")
def distance() -> Lite0Distance:
    return Lite0Distance()


def pictures(count: int, height: int, width: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_equal_to_the_definition(distance: Lite0Distance) -> None:
    first, second = pictures(2, 70, 50, seed=0), pictures(2, 70, 50, seed=1)
    trunk = load_efficientnet_lite0().requires_grad_(requires_grad=False)
    expected = torch.zeros(2)
    for a, b in zip(trunk.taps(first), trunk.taps(second), strict=True):
        cosine = functional.cosine_similarity(a, b, dim=1)
        expected += (2 - 2 * cosine).mean(dim=(1, 2))  # the squared chord between unit vectors
    torch.testing.assert_close(distance(first, second), expected, rtol=1e-4, atol=1e-5)


def test_one_pass_gives_distance_and_features(distance: Lite0Distance) -> None:
    first, second = pictures(2, 64, 64, seed=2), pictures(2, 64, 64, seed=3)
    comparison = distance.compare(first, second)
    torch.testing.assert_close(comparison.distance, distance(first, second))
    torch.testing.assert_close(comparison.preds_features, distance.features(first))
    torch.testing.assert_close(comparison.target_features, distance.features(second))
    assert comparison.preds_features.shape == (2, 320)


def test_features_are_the_spatial_mean_of_the_fifth_tap(distance: Lite0Distance) -> None:
    rgb = pictures(1, 64, 96)
    fifth = distance.trunk.taps(rgb)[4]
    assert fifth.shape == (1, 320, 2, 3)
    torch.testing.assert_close(distance.features(rgb), fifth.flatten(2).sum(dim=2) / 6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 2), (31, 33)])
def test_pictures_of_any_size_have_finite_values_and_gradients(
    distance: Lite0Distance, height: int, width: int
) -> None:
    preds = pictures(1, height, width, seed=4).requires_grad_()
    value = distance(preds, pictures(1, height, width, seed=5))
    value.sum().backward()
    assert 0 < value.item() <= 20
    assert preds.grad is not None
    assert bool(preds.grad.isfinite().all())


@pytest.mark.parametrize("grey", [0.0, 127 / 255, 0.5, 1.0])
def test_equal_pictures_have_distance_and_gradient_zero(distance: Lite0Distance, grey: float) -> None:
    preds = torch.full((2, 3, 40, 40), grey, requires_grad=True)
    value = distance(preds, preds.detach().clone())
    value.sum().backward()
    assert torch.equal(value, torch.zeros(2))
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))


def test_gradient_equals_finite_differences() -> None:
    """Along a random direction in float64, with a step so small that it meets no kink of ReLU6."""
    distance = Lite0Distance().double()
    preds = pictures(1, 20, 24, seed=6, dtype=torch.float64).requires_grad_()
    target = pictures(1, 20, 24, seed=7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(distance(preds, target).sum(), preds)
    direction = torch.randn(preds.shape, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    step = 1e-9
    with torch.no_grad():
        slope = (distance(preds + step * direction, target) - distance(preds - step * direction, target)) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=1e-5)


def test_a_batch_is_its_singles(distance: Lite0Distance) -> None:
    first, second = pictures(3, 40, 56, seed=9), pictures(3, 40, 56, seed=10)
    singles = [distance(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(distance(first, second), torch.cat(singles), rtol=1e-4, atol=1e-5)


def test_the_trunk_is_frozen(distance: Lite0Distance) -> None:
    assert not any(parameter.requires_grad for parameter in distance.parameters())


def test_pictures_of_different_sizes_are_refused(distance: Lite0Distance) -> None:
    with pytest.raises(ValueError, match="one shape"):
        distance(pictures(1, 40, 40), pictures(2, 40, 40))
