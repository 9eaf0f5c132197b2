"""Both color differences against published pairs, scikit-image, and where the formulas are singular."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.color
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.functional.delta_e import delta_e_76, delta_e_2000, mean_delta_e_2000

Formula = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

REFERENCE = Path(__file__).parents[1] / "references" / "ciede2000_sharma2005.csv"


def sharma_pairs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the 34 published pairs, (34, 3, 1, 1) each, and their differences, (34,)."""
    rows = torch.from_numpy(np.loadtxt(REFERENCE, delimiter=",", skiprows=4))
    return rows[:, :3, None, None], rows[:, 3:6, None, None], rows[:, 6]


def lab_noise(seed: int, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([[0.0, -100, -100], [100, 100, 100]], dtype=torch.float64)[:, None, :, None, None]
    return torch.lerp(low, high, torch.rand(*shape, generator=generator, dtype=torch.float64))


def test_there_are_34_published_pairs() -> None:
    assert sharma_pairs()[2].shape == (34,)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_published_pairs(swapped: bool) -> None:
    first, second, expected = sharma_pairs()
    ours = delta_e_2000(second, first) if swapped else delta_e_2000(first, second)
    torch.testing.assert_close(ours.flatten(), expected, atol=5e-5, rtol=0)  # four digits are printed


def test_it_equals_scikit_image() -> None:
    first, second = lab_noise(1, 1, 3, 200, 200), lab_noise(2, 1, 3, 200, 200)
    theirs = skimage.color.deltaE_ciede2000(first[0].permute(1, 2, 0).numpy(), second[0].permute(1, 2, 0).numpy())
    np.testing.assert_allclose(delta_e_2000(first, second)[0].numpy(), theirs, atol=1e-9)


def test_delta_e_76_equals_scikit_image() -> None:
    first, second = lab_noise(1, 1, 3, 50, 50), lab_noise(2, 1, 3, 50, 50)
    theirs = skimage.color.deltaE_cie76(first[0].permute(1, 2, 0).numpy(), second[0].permute(1, 2, 0).numpy())
    np.testing.assert_allclose(delta_e_76(first, second)[0].numpy(), theirs, atol=1e-12)


def test_float32_is_good_to_a_thousandth_for_colors_of_photos() -> None:
    first = lab_noise(3, 1, 3, 60, 60)
    second = first + 10 * torch.randn(first.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    exact = delta_e_2000(first, second)
    torch.testing.assert_close(delta_e_2000(first.float(), second.float()).double(), exact, atol=1e-3, rtol=0)


@given(first=st.floats(0, 100), second=st.floats(0, 100))
def test_neutral_colors_differ_in_lightness_alone(first: float, second: float) -> None:
    middle = ((first + second) / 2 - 50) ** 2
    expected = abs(first - second) / (1 + 0.015 * middle / (20 + middle) ** 0.5)
    greys = [torch.tensor([level, 0, 0], dtype=torch.float64).reshape(1, 3, 1, 1) for level in (first, second)]
    assert delta_e_2000(*greys).item() == pytest.approx(expected, abs=1e-9)


def test_black_to_white_is_100() -> None:
    black, white = torch.zeros(1, 3, 2, 2), torch.tensor([100.0, 0, 0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert mean_delta_e_2000(black, white).item() == pytest.approx(100.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_properties(seed: int) -> None:
    first, second = lab_noise(seed, 2, 3, 5, 6), lab_noise(seed + 1, 2, 3, 5, 6)
    values = delta_e_2000(first, second)
    assert values.shape == (2, 5, 6)
    assert (values >= 0).all()
    torch.testing.assert_close(values, delta_e_2000(second, first))
    torch.testing.assert_close(values[1:], delta_e_2000(first[1:], second[1:]))
    assert torch.equal(delta_e_2000(first, first), torch.zeros_like(values))


def test_gradients_are_those_of_finite_differences() -> None:
    first, second = lab_noise(7, 1, 3, 4, 5).requires_grad_(), lab_noise(8, 1, 3, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(delta_e_2000, (first, second), atol=1e-4)
    assert torch.autograd.gradcheck(delta_e_76, (first, second))


def test_near_the_neutral_axis_the_gradient_stays_small() -> None:
    """A gray prediction of a colorful photo: the hue of the gray is rounding noise, and must not steer anything."""
    first = torch.tensor([50, 1e-6, -1e-7], dtype=torch.float64).reshape(1, 3, 1, 1).requires_grad_()
    second = torch.tensor([50.0, 30, 40], dtype=torch.float64).reshape(1, 3, 1, 1)
    delta_e_2000(first, second).sum().backward()
    assert first.grad is not None
    assert first.grad.abs().max() < 5


SINGULAR = {
    "equal colors": ((40, 20, -30), (40, 20, -30)),
    "equal grays": ((40, 0, 0), (40, 0, 0)),
    "black and black": ((0, 0, 0), (0, 0, 0)),
    "black and white": ((0, 0, 0), (100, 0, 0)),
    "gray and color": ((50, 0, 0), (50, 30, -40)),
    "one hue": ((50, 10, 10), (50, 20, 20)),
    "opposite hues": ((50, 30, 40), (50, -30, -40)),
    "hue wrap": ((50, 30, -1e-9), (50, 30, 1e-9)),
    "hue zero": ((50, 30, 0), (50, 30, 0)),
    "nearly gray": ((50, 1e-30, 1e-30), (50, 30, -40)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("formula", [delta_e_76, delta_e_2000])
def test_gradients_are_finite_at_singular_points(formula: Formula, name: str, dtype: torch.dtype) -> None:
    colors = [torch.tensor(color, dtype=dtype).reshape(1, 3, 1, 1).requires_grad_() for color in SINGULAR[name]]
    value = formula(*colors)
    assert value.isfinite().all()
    for gradient in torch.autograd.grad(value.sum(), colors):
        assert gradient.isfinite().all()
