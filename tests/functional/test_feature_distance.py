"""The distance between features: closed forms, and its written-out gradient against finite differences and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chromalab.functional.perceptual import feature_distance, gram_distance, gram_matrix


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


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_equals_finite_differences(layout: torch.memory_format) -> None:
    weights = channel_weights()
    inputs = [tap.contiguous(memory_format=layout).requires_grad_() for tap in random_taps(2) + random_taps(3)]
    assert torch.autograd.gradcheck(lambda *taps: feature_distance(taps[:3], taps[3:], weights), inputs)


@pytest.mark.slow
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


def features(seed: int, *, shape: tuple[int, ...] = (2, 5, 3, 4), dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_sums_of_johnson_equation_3() -> None:
    f = features(0).numpy()
    count, channels, height, width = f.shape
    expected = np.zeros((count, channels, channels))
    for b, c, d, h, w in np.ndindex(count, channels, channels, height, width):
        expected[b, c, d] += f[b, c, h, w] * f[b, d, h, w] / (channels * height * width)
    torch.testing.assert_close(gram_matrix(features(0)), torch.from_numpy(expected))


def test_the_sums_of_johnson_equation_4_and_gatys_equation_4() -> None:
    """Gatys: E_l = 1 / (4 N^2 M^2) sum (G - A)^2 over Gram matrices that nothing divides."""
    first, second = features(1), features(2)
    channels, places = 5, 12
    johnson, gatys = [], []
    for a, b in zip(first, second, strict=True):
        f, g = a.reshape(channels, places).numpy(), b.reshape(channels, places).numpy()
        difference = f @ f.T - g @ g.T
        johnson.append(np.linalg.norm(difference / (channels * places), ord="fro") ** 2)
        gatys.append((difference**2).sum() / (4 * channels**2 * places**2))
    distance = gram_distance(first, second)
    torch.testing.assert_close(distance, torch.tensor(johnson))
    torch.testing.assert_close(distance / 4, torch.tensor(gatys))


@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_constant_channels_have_a_closed_form(a: float, b: float) -> None:
    """C channels that are `a` everywhere: every entry is a^2 / C, so the distance is (a^2 - b^2)^2."""
    first, second = (torch.full((1, 7, 2, 3), value, dtype=torch.float64) for value in (a, b))
    assert gram_distance(first, second).item() == pytest.approx((a * a - b * b) ** 2, abs=1e-12)


def test_where_things_are_does_not_matter() -> None:
    f = features(3)
    moved = f.flatten(2)[:, :, torch.randperm(12, generator=torch.Generator().manual_seed(0))].reshape(f.shape)
    torch.testing.assert_close(gram_matrix(f), gram_matrix(moved))
    torch.testing.assert_close(gram_distance(f, moved), torch.zeros(2, dtype=torch.float64))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gram_gradient_equals_finite_differences(layout: torch.memory_format) -> None:
    first, second = (features(seed).contiguous(memory_format=layout).requires_grad_() for seed in (4, 5))
    assert torch.autograd.gradcheck(gram_distance, (first, second))


def test_gram_equal_features_have_distance_and_gradient_zero() -> None:
    f = features(6).requires_grad_()
    distance = gram_distance(f, f.detach().clone())
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2, dtype=torch.float64))
    assert f.grad is not None
    assert torch.equal(f.grad, torch.zeros_like(f))


def test_gram_a_batch_is_its_singles() -> None:
    first, second = features(7), features(8)
    singles = [gram_distance(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(gram_distance(first, second), torch.cat(singles))


def test_half_precision_features_are_multiplied_in_single_precision() -> None:
    """A hundred squared, times as many places, is beyond what half precision can hold."""
    f = (100 + features(9, shape=(1, 4, 16, 16), dtype=torch.float32)).half()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        gram = gram_matrix(f)
    assert gram.dtype == torch.float32
    flat = f.double().flatten(2)
    torch.testing.assert_close(gram.double(), flat @ flat.transpose(1, 2) / (4 * 256), rtol=1e-5, atol=0)
