"""Total variation against numbers worked by hand, Kornia and torchmetrics."""

from __future__ import annotations

import kornia.losses
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import total_variation as torchmetrics_sum

from chromalab.functional.total_variation import total_variation


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_worked_by_hand() -> None:
    picture = torch.tensor([[[[0.0, 1.0, 3.0], [4.0, 4.0, 4.0]]]])
    # down: 4, 3, 1; to the right: 1, 2, 0, 0
    assert total_variation(picture).item() == pytest.approx(8 / 3 + 3 / 4)


def test_it_is_the_mean_over_channels_of_kornias_means() -> None:
    picture = noise(2, 2, 7, 5)
    expected = kornia.losses.total_variation(picture, reduction="mean").mean(dim=1)
    torch.testing.assert_close(total_variation(picture), expected)


def test_of_a_square_it_is_torchmetrics_sum_over_the_number_of_pairs() -> None:
    picture = noise(3, 2, 6, 6)
    pairs = 2 * 5 * 6
    torch.testing.assert_close(total_variation(picture), torchmetrics_sum(picture, reduction="none") / pairs)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (5, 1)])
def test_a_direction_of_one_pixel_has_none(height: int, width: int) -> None:
    ramp = torch.arange(5.0)[: height * width].reshape(1, 1, height, width).requires_grad_()
    value = total_variation(ramp)
    assert value.item() == (0 if height == width else 1)
    value.sum().backward()
    assert ramp.grad is not None
    assert ramp.grad.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0, 10), shift=st.floats(-5, 5))
def test_properties(seed: int, factor: float, shift: float) -> None:
    picture = noise(2, 3, 5, 4, seed=seed)
    values = total_variation(picture)
    assert (values >= 0).all()
    torch.testing.assert_close(total_variation(factor * picture + shift), factor * values)
    torch.testing.assert_close(total_variation(picture.flip(-1).mT), values)
    torch.testing.assert_close(total_variation(picture[1:]), values[1:])


def test_gradients_are_those_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(total_variation, noise(2, 2, 4, 3).requires_grad_())
    flat = torch.zeros(1, 2, 4, 4, requires_grad=True)
    total_variation(flat).sum().backward()
    assert flat.grad is not None
    assert torch.equal(flat.grad, torch.zeros_like(flat))
