"""MAE, MSE and PSNR against closed forms and two other libraries."""

from __future__ import annotations

import math

import kornia.losses
import numpy as np
import pytest
import skimage.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import peak_signal_noise_ratio
from torchmetrics.functional.image import total_variation as torchmetrics_sum

from chromalab.functional.pixel_error import (
    mean_absolute_error,
    mean_squared_error,
    peak_signal_to_noise_ratio,
    psnr_of_colors,
    total_variation,
)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(shift=st.floats(-0.5, 0.5), seed=st.integers(0, 99))
def test_a_constant_shift_has_closed_forms(shift: float, seed: int) -> None:
    target = 0.5 + 0 * noise(seed, 2, 3, 5, 7)
    preds = target + shift
    assert mean_absolute_error(preds, target).tolist() == pytest.approx([abs(shift)] * 2)
    assert mean_squared_error(preds, target).tolist() == pytest.approx([shift**2] * 2)


def test_black_against_white_is_the_largest_error() -> None:
    black, white = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    assert mean_absolute_error(black, white).item() == 1
    assert mean_squared_error(black, white).item() == 1
    assert peak_signal_to_noise_ratio(black, white).item() == 0


def test_psnr_agrees_with_two_other_libraries() -> None:
    preds, target = noise(1, 3, 3, 20, 30), noise(2, 3, 3, 20, 30)
    ours = peak_signal_to_noise_ratio(preds, target)
    for index, value in enumerate(ours.tolist()):
        theirs = skimage.metrics.peak_signal_noise_ratio(target[index].numpy(), preds[index].numpy(), data_range=1)
        assert value == pytest.approx(theirs, abs=1e-9)
    torchmetrics_values = peak_signal_noise_ratio(preds, target, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(ours, torchmetrics_values, atol=1e-5, rtol=0)


def test_identical_images_have_infinite_psnr_and_no_gradient() -> None:
    target = noise(3, 2, 3, 8, 8)
    preds = target.clone().requires_grad_()
    values = peak_signal_to_noise_ratio(preds, target)
    assert values.tolist() == [math.inf, math.inf]
    (gradient,) = torch.autograd.grad(values.sum(), preds)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_one_identical_pair_leaves_the_others_alone() -> None:
    target = noise(4, 2, 3, 8, 8)
    preds = target.clone()
    preds[1] += 0.1
    assert peak_signal_to_noise_ratio(preds, target).tolist() == [math.inf, pytest.approx(20.0)]


@pytest.mark.parametrize("measure", [mean_absolute_error, mean_squared_error, peak_signal_to_noise_ratio])
def test_gradients_are_those_of_finite_differences(measure: object) -> None:
    assert callable(measure)
    preds, target = noise(5, 2, 3, 3, 4).requires_grad_(), noise(6, 2, 3, 3, 4)
    assert torch.autograd.gradcheck(lambda x: measure(x, target), preds)


@pytest.mark.parametrize(
    ("preds", "target", "message"),
    [
        (torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), "one shape"),
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), "batch of RGB"),
        (torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "batch of RGB"),
        (torch.zeros(1, 3, 0, 4), torch.zeros(1, 3, 0, 4), "batch of RGB"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 3, 4, 4), "divide"),
    ],
)
def test_an_invalid_pair_of_images_is_refused(preds: torch.Tensor, target: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_absolute_error(preds, target)


def test_eight_bit_images_keep_their_exact_error() -> None:
    rng = np.random.default_rng(7)
    preds, target = rng.integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    expected = np.abs(preds.astype(int) - target.astype(int)).mean() / 255
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None].double() / 255 for x in (preds, target)]
    assert mean_absolute_error(*tensors).item() == pytest.approx(expected, abs=1e-12)


def test_psnr_of_colors_ignores_lightness() -> None:
    preds, target = 50 * noise(1, 3, 3, 20, 30), 50 * noise(2, 3, 3, 20, 30)
    for index, value in enumerate(psnr_of_colors(preds, target).tolist()):
        theirs = skimage.metrics.peak_signal_noise_ratio(
            target[index, 1:].numpy(), preds[index, 1:].numpy(), data_range=220
        )
        assert value == pytest.approx(theirs, abs=1e-9)
    preds[:, 1:] = target[:, 1:]
    assert psnr_of_colors(preds, target).tolist() == [math.inf] * 3


def total_variation_noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_worked_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0, 3.0], [4.0, 4.0, 4.0]]]])
    # down: 4, 3, 1; to the right: 1, 2, 0, 0
    assert total_variation(image).item() == pytest.approx(8 / 3 + 3 / 4)


def test_it_is_the_mean_over_channels_of_kornias_means() -> None:
    image = total_variation_noise(2, 2, 7, 5)
    expected = kornia.losses.total_variation(image, reduction="mean").mean(dim=1)
    torch.testing.assert_close(total_variation(image), expected)


def test_of_a_square_it_is_torchmetrics_sum_over_the_number_of_pairs() -> None:
    image = total_variation_noise(3, 2, 6, 6)
    pairs = 2 * 5 * 6
    torch.testing.assert_close(total_variation(image), torchmetrics_sum(image, reduction="none") / pairs)


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
    image = total_variation_noise(2, 3, 5, 4, seed=seed)
    values = total_variation(image)
    assert (values >= 0).all()
    torch.testing.assert_close(total_variation(factor * image + shift), factor * values)
    torch.testing.assert_close(total_variation(image.flip(-1).mT), values)
    torch.testing.assert_close(total_variation(image[1:]), values[1:])


def test_total_variation_gradients_are_those_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(total_variation, total_variation_noise(2, 2, 4, 3).requires_grad_())
    flat = torch.zeros(1, 2, 4, 4, requires_grad=True)
    total_variation(flat).sum().backward()
    assert flat.grad is not None
    assert torch.equal(flat.grad, torch.zeros_like(flat))
