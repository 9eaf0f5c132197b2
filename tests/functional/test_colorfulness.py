"""Colorfulness and chroma against closed forms, and where they have no color to look at."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from chromalab.functional.colorfulness import chroma, colorfulness, mean_chroma


def solid(red: float, green: float, blue: float) -> torch.Tensor:
    return torch.tensor([red, green, blue], dtype=torch.float64).reshape(1, 3, 1, 1).expand(1, 3, 6, 8)


def hasler_susstrunk(rgb: np.ndarray, *, absolute: bool = False) -> float:
    """Return the paper's M of (H, W, 3) in 0..255, term by term."""
    red, green, blue = np.moveaxis(rgb.astype(float), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    if absolute:
        rg, yb = np.abs(rg), np.abs(yb)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


@given(red=st.floats(0, 1), green=st.floats(0, 1), blue=st.floats(0, 1))
def test_a_solid_color_has_means_alone(red: float, green: float, blue: float) -> None:
    expected = 0.3 * 255 * math.hypot(red - green, (red + green) / 2 - blue)
    assert colorfulness(solid(red, green, blue)).item() == pytest.approx(expected, abs=1e-6)


def test_signed_opponents_cancel() -> None:
    """Half pure red, half pure green: rg is +255 and -255, so its mean is 0; absolute opponents would say 0.3 255."""
    halves = torch.cat([solid(1, 0, 0), solid(0, 1, 0)], dim=-1)
    # yb is 127.5 everywhere
    assert colorfulness(halves).item() == pytest.approx(255 + 0.3 * 127.5)
    assert colorfulness(halves, absolute=True).item() == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_a_photo_equals_the_formula_in_numpy() -> None:
    photo = astronaut()
    rgb = torch.from_numpy(photo).permute(2, 0, 1)[None].double() / 255
    assert colorfulness(rgb).item() == pytest.approx(hasler_susstrunk(photo), abs=1e-9)
    assert colorfulness(rgb.float()).item() == pytest.approx(hasler_susstrunk(photo), abs=1e-3)
    absolute = hasler_susstrunk(photo, absolute=True)
    assert colorfulness(rgb, absolute=True).item() == pytest.approx(absolute, abs=1e-9)
    assert absolute < hasler_susstrunk(photo) - 1


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_grey_has_none_and_a_finite_gradient(level: float, absolute: bool) -> None:
    grey = solid(level, level, level).clone().requires_grad_()
    value = colorfulness(grey, absolute=absolute)
    assert value.item() == 0
    value.sum().backward()
    assert grey.grad is not None
    assert grey.grad.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), amount=st.floats(0, 1))
def test_it_is_proportional_to_the_saturation(seed: int, amount: float) -> None:
    rgb = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    grey = rgb.mean(dim=1, keepdim=True)
    torch.testing.assert_close(colorfulness(grey + amount * (rgb - grey)), amount * colorfulness(rgb))


def test_gradients_are_those_of_finite_differences() -> None:
    rgb = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(colorfulness, rgb)
    assert torch.autograd.gradcheck(mean_chroma, rgb)


def test_chroma_is_the_distance_from_the_neutral_axis() -> None:
    lab = torch.tensor([[50.0, 3, 4], [50, 0, 0], [20, -5, 12]], dtype=torch.float64).T.reshape(1, 3, 1, 3)
    assert chroma(lab).tolist() == [[[5.0, 0.0, 13.0]]]
    assert mean_chroma(lab).tolist() == [6.0]


def test_chroma_has_a_finite_gradient_on_the_neutral_axis() -> None:
    lab = torch.zeros(1, 3, 2, 2, requires_grad=True)
    mean_chroma(lab).sum().backward()
    assert lab.grad is not None
    assert torch.equal(lab.grad, torch.zeros_like(lab.grad))
