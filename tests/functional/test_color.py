"""Colorfulness and chroma against closed forms, and for images without color."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut

from chromalab.color.bins import BIN_CENTERS, BIN_COUNT
from chromalab.color.spaces import rgb_to_lab
from chromalab.functional.color import (
    HUE_BINS,
    auc,
    bin_weights,
    chroma,
    circular_distance,
    colorfulness,
    gamut_share,
    hue_histogram,
    mean_chroma,
)


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


def of_hue(degrees: float, chroma: float, side: int = 8) -> torch.Tensor:
    """Return an image of one color, (1, 3, side, side) in CIELAB."""
    a, b = chroma * np.cos(np.radians(degrees)), chroma * np.sin(np.radians(degrees))
    return torch.tensor([50.0, a, b], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, side, side)


def transported(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least total of mass times steps that turns one histogram on a circle into the other."""
    count = len(first)
    gaps = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    costs = np.minimum(gaps, count - gaps)
    rows = np.kron(np.eye(count), np.ones(count))
    columns = np.kron(np.ones(count), np.eye(count))
    found = scipy.optimize.linprog(
        costs.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.concatenate([first, second])[:-1]
    )
    return float(found.fun)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 10))
def test_the_distance_is_the_least_work(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = generator.dirichlet(np.ones(count) * 0.5, size=2)
    found = circular_distance(torch.from_numpy(first)[None], torch.from_numpy(second)[None]).item()
    assert found == pytest.approx(transported(first, second) * 360 / count, abs=1e-6)
    assert 0 <= found <= 180 + 1e-9


def test_histograms_count_chroma_by_hue() -> None:
    histogram = hue_histogram(of_hue(92.0, 35.0))[0]
    assert histogram.sum().item() == pytest.approx(1)
    assert histogram[18].item() == pytest.approx((35 + 1 / HUE_BINS) / 36)
    assert histogram[40].item() == pytest.approx(1 / HUE_BINS / 36)
    half = torch.cat([of_hue(-1.0, 30.0), of_hue(181.0, 60.0)], dim=2)
    assert hue_histogram(half)[0, 71].item() == pytest.approx((15 + 1 / HUE_BINS) / 46)
    assert hue_histogram(half)[0, 36].item() == pytest.approx((30 + 1 / HUE_BINS) / 46)


def test_grey_is_uniform_and_nothing_jumps() -> None:
    grey = hue_histogram(of_hue(0.0, 0.0))
    torch.testing.assert_close(grey, torch.full((1, HUE_BINS), 1 / HUE_BINS, dtype=torch.float64))
    assert circular_distance(hue_histogram(of_hue(40.0, 1e-6)), grey).item() < 1e-4


def test_strong_colors_are_as_far_apart_as_their_hues() -> None:
    first = hue_histogram(of_hue(352.0, 99.0))
    for degrees, expected in ((352.0, 0.0), (22.0, 30.0), (172.0, 180.0)):
        found = circular_distance(first, hue_histogram(of_hue(degrees, 99.0))).item()
        assert found == pytest.approx(expected * 99 / 100, abs=0.1)


def share(*colors: tuple[float, float, float]) -> float:
    rgb = torch.tensor(colors, dtype=torch.float64).T[None, :, None]
    return float(gamut_share(rgb, rgb_to_lab(rgb)))


def test_only_colored_pixels_at_the_surface_count() -> None:
    assert share((1, 0, 0), (1, 0.4, 0.3), (0.5, 0.0, 0.2), (0.5, 0.6, 0.2)) == 0.75
    assert share((0, 0, 0), (1, 1, 1), (1, 1, 0.98), (0.5, 0.5, 0.5)) == 0


def test_a_channel_counts_as_it_is_stored() -> None:
    assert share((0.999, 0.2, 0.2)) == 1  # 254.7 is stored as 255
    assert share((0.997, 0.2, 0.2)) == 0  # 254.2 as 254
    assert share((0.6, 0.0019, 0.2)) == 1
    assert share((0.6, 0.0021, 0.2)) == 0


def lab(seed: int, scale: float = 60.0) -> torch.Tensor:
    return scale * torch.randn(2, 3, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def swept(error: np.ndarray, weights: np.ndarray, steps: int = 30_000) -> float:
    """Return the area under the weighted share of errors within each threshold, by the trapezoid rule."""
    thresholds = np.linspace(0, 150, steps + 1)
    order = np.argsort(error)
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    shares = cumulative[np.searchsorted(error[order], thresholds, side="right")]
    return float(np.trapezoid(shares, thresholds) / 150)


def test_it_is_the_area_of_a_sweep_over_thresholds() -> None:
    preds, target = lab(0), lab(1)
    weights = torch.rand(2, 9, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for photo, plain, weighted in zip(range(2), auc(preds, target), auc(preds, target, weights), strict=True):
        error = np.hypot(*(preds[photo, 1:] - target[photo, 1:]).numpy()).ravel()
        assert float(plain) == pytest.approx(swept(error, np.ones_like(error)), abs=1e-4)
        assert float(weighted) == pytest.approx(swept(error, weights[photo].numpy().ravel()), abs=1e-4)


def test_closed_values() -> None:
    target = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    preds = target.clone()
    assert auc(preds, target).item() == 1
    preds[0, 1, 0, 0], preds[0, 2, 0, 0], preds[0, 2, 1, 1] = 30, 40, 200  # errors 50 and 200; lightness has no part
    preds[0, 0] = 99
    assert auc(preds, target).item() == pytest.approx((1 + 1 + (1 - 50 / 150) + 0) / 4)


def test_pixels_have_the_weight_of_their_nearest_bin() -> None:
    weights = torch.arange(BIN_COUNT, dtype=torch.float64)
    ab = torch.from_numpy(BIN_CENTERS[[7, 200, 312]] + [[2.0, -3.0], [-4.0, 1.0], [0.0, 4.0]])
    pixels = torch.cat([torch.full((1, 3), 50.0, dtype=torch.float64), ab.T])[None, :, None]
    assert bin_weights(pixels, weights).tolist() == [[[7, 200, 312]]]
