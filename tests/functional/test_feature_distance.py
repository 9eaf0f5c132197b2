"""The distance between features: closed forms, and its written-out gradient against finite differences and autograd."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chromalab.functional.feature_distance import feature_distance


def random_taps(seed: int, *, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, *shape, generator=generator, dtype=dtype) for shape in ((3, 4, 5), (7, 2, 3), (5, 1, 1))]


def channel_weights(*, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(9)
    return [torch.rand(channels, generator=generator, dtype=dtype) for channels in (3, 7, 5)]


def plain(preds: list[Tensor], target: list[Tensor], weights: list[Tensor]) -> Tensor:
    """Equation 1 of Zhang et al. 2018 word for word, one place after the other."""
    distance = torch.zeros(len(preds[0]), dtype=preds[0].dtype)
    for a, b, w in zip(preds, target, weights, strict=True):
        a_unit, b_unit = (f / f.pow(2).sum(dim=1, keepdim=True).sqrt() for f in (a, b))
        scaled = w.sqrt()[:, None, None] * (a_unit - b_unit)
        distance = distance + scaled.pow(2).sum(dim=(1, 2, 3)) / (a.shape[2] * a.shape[3])
    return distance


@given(
    angle=st.floats(0.0, math.pi),
    lengths=st.tuples(st.floats(0.01, 100.0), st.floats(0.01, 100.0)),
    weight=st.floats(0.0, 5.0),
)
def test_two_directions_are_as_far_apart_as_their_chord(
    angle: float, lengths: tuple[float, float], weight: float
) -> None:
    """|u - v|^2 = 2 - 2 cos(angle) whatever the lengths, and the mean over places keeps it."""
    a = torch.tensor([lengths[0], 0.0], dtype=torch.float64)[None, :, None, None].expand(1, 2, 3, 4)
    b = lengths[1] * torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)[None, :, None, None]
    weights = torch.full((2,), weight, dtype=torch.float64)
    distance = feature_distance([a], [b.expand(1, 2, 3, 4)], [weights])
    assert distance.item() == pytest.approx(weight * (2 - 2 * math.cos(angle)), abs=1e-6)


def test_no_weights_means_weight_one() -> None:
    preds, target = random_taps(0), random_taps(1)
    ones = [torch.ones(tap.shape[1], dtype=torch.float64) for tap in preds]
    torch.testing.assert_close(feature_distance(preds, target), plain(preds, target, ones))


def test_value_and_gradient_equal_the_plain_formula() -> None:
    weights = channel_weights()
    ours, theirs = ([tap.requires_grad_() for tap in random_taps(0) + random_taps(1)] for _ in range(2))
    mine, reference = feature_distance(ours[:3], ours[3:], weights), plain(theirs[:3], theirs[3:], weights)
    torch.testing.assert_close(mine, reference)
    factors = torch.tensor([0.3, -2.0], dtype=torch.float64)
    mine.mul(factors).sum().backward()
    reference.mul(factors).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_equals_finite_differences(layout: torch.memory_format) -> None:
    weights = channel_weights()
    inputs = [tap.contiguous(memory_format=layout).requires_grad_() for tap in random_taps(2) + random_taps(3)]
    assert torch.autograd.gradcheck(lambda *taps: feature_distance(taps[:3], taps[3:], weights), inputs)


def test_gradient_of_one_side_alone() -> None:
    preds, target = random_taps(4), [tap.requires_grad_() for tap in random_taps(5)]
    assert torch.autograd.gradcheck(lambda *taps: feature_distance(preds, taps), target)


def test_equal_features_have_distance_and_gradient_zero() -> None:
    preds = [tap.requires_grad_() for tap in random_taps(6)]
    distance = feature_distance(preds, [tap.detach().clone() for tap in preds])
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2, dtype=torch.float64))
    assert all(torch.equal(tap.grad, torch.zeros_like(tap)) for tap in preds if tap.grad is not None)
    assert all(tap.grad is not None for tap in preds)


def test_features_of_length_zero_stay_zero_and_have_gradient_zero() -> None:
    preds = torch.zeros(1, 4, 2, 2, requires_grad=True)
    target = torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    distance = feature_distance([preds], [target])
    distance.sum().backward()
    assert distance.item() == pytest.approx(1.0)  # |0 - v|^2 of a unit vector
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))


def test_half_precision_features_are_compared_in_single_precision() -> None:
    preds, target = ([100 * tap.bfloat16() for tap in random_taps(seed, dtype=torch.float32)] for seed in (7, 8))
    weights = channel_weights(dtype=torch.float32)
    expected = plain([tap.float() for tap in preds], [tap.float() for tap in target], weights)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distance = feature_distance(preds, target, weights)
    assert distance.dtype == torch.float32
    torch.testing.assert_close(distance, expected)


def test_a_batch_is_its_singles() -> None:
    preds, target = random_taps(10), random_taps(11)
    singles = [feature_distance([t[i : i + 1] for t in preds], [t[i : i + 1] for t in target]) for i in range(2)]
    torch.testing.assert_close(feature_distance(preds, target), torch.cat(singles))


def test_taps_must_pair_up() -> None:
    with pytest.raises(ValueError, match="shorter"):
        feature_distance(random_taps(0), random_taps(1)[:2])
