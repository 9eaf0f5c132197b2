"""Gram matrices against closed forms and sums written out from the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from chromalab.functional.gram import gram_distance, gram_matrix


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


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_equals_finite_differences(layout: torch.memory_format) -> None:
    first, second = (features(seed).contiguous(memory_format=layout).requires_grad_() for seed in (4, 5))
    assert torch.autograd.gradcheck(gram_distance, (first, second))


def test_equal_features_have_distance_and_gradient_zero() -> None:
    f = features(6).requires_grad_()
    distance = gram_distance(f, f.detach().clone())
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2, dtype=torch.float64))
    assert f.grad is not None
    assert torch.equal(f.grad, torch.zeros_like(f))


def test_a_batch_is_its_singles() -> None:
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
