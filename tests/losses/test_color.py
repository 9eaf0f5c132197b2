"""Losses on the predicted colors alone: closed forms, and the published code's arithmetic."""

from __future__ import annotations

import math

import kornia.losses
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chromalab.color.spaces import SPACES
from chromalab.losses.base import ColorBatch, LossTerm
from chromalab.losses.color import Colorfulness, Gamut, TotalVariation

TERMS = [Colorfulness(), Colorfulness("signed"), TotalVariation(), Gamut()]
IDS = ["absolute", "signed", "total_variation", "gamut"]


def batch(rgb: torch.Tensor, space: str = "rgb") -> ColorBatch:
    """Return a batch in which a network gave `rgb`; what was true makes no difference."""
    return ColorBatch.of(SPACES[space], rgb, rgb.clamp(0, 1))


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def solid(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float64).reshape(1, 3, 1, 1).expand(1, 3, 6, 8)


def test_colorfulness_of_a_solid_color() -> None:
    """Pure blue: |rg| = 0 and |yb| = 255 everywhere."""
    for opponents in ("absolute", "signed"):
        term = Colorfulness(opponents)
        assert term(batch(solid(0, 0, 1))).item() == pytest.approx(1 - 0.3 * 255 / 100)
        assert term(batch(solid(0.3, 0.3, 0.3))).item() == pytest.approx(1)


def test_half_red_half_green() -> None:
    """Signed rg is +255 and -255, absolute 255 everywhere; yb is 127.5 everywhere."""
    halves = batch(torch.cat([solid(1, 0, 0), solid(0, 1, 0)], dim=-1))
    assert Colorfulness("signed")(halves).item() == pytest.approx(1 - (255 + 0.3 * 127.5) / 100)
    assert Colorfulness()(halves).item() == pytest.approx(1 - 0.3 * math.hypot(255, 127.5) / 100)


def test_colorfulness_is_ddcolors_on_its_own_scale() -> None:
    """Its code, per image: absolute opponents of RGB in [0, 1], sample standard deviations, 1 - M."""
    rgb = noise(0, 3, 3, 40, 40)
    ours = 100 / 255 * (1 - Colorfulness()(batch(rgb)))  # M of RGB in [0, 1]
    red, green, blue = rgb.unbind(1)
    opponents = torch.stack([(red - green).abs(), ((red + green) / 2 - blue).abs()], dim=1)
    spread, level = (x.square().sum(dim=1).sqrt() for x in (opponents.std(dim=(2, 3)), opponents.mean(dim=(2, 3))))
    torch.testing.assert_close(ours, spread + 0.3 * level, rtol=1e-3, atol=0)  # n - 1 where we have n


def test_total_variation_is_that_of_the_chroma_alone() -> None:
    rgb = noise(1, 2, 3, 9, 7)
    colors = batch(rgb, "lab")
    expected = kornia.losses.total_variation(colors.preds, reduction="mean").mean(dim=1)
    torch.testing.assert_close(TotalVariation()(colors), expected)
    greys = rgb[:, :1].expand(-1, 3, -1, -1)
    assert TotalVariation()(batch(greys, "yuv")).max() < 1e-12


def test_gamut_worked_by_hand() -> None:
    preds = torch.tensor([-0.5, 0.25, 1.5, 1.0, 0.0, 2.0]).reshape(1, 3, 1, 2)
    assert Gamut()(batch(preds)).item() == pytest.approx((0.25 + 0.25 + 1) / 6)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), reach=st.floats(0, 3))
def test_gamut_is_zero_inside_and_positive_outside(seed: int, reach: float) -> None:
    inside = noise(seed, 2, 3, 4, 5)
    assert torch.equal(Gamut()(batch(inside)) < 1e-24, torch.tensor([True, True]))
    outside = 0.5 + reach * (2 * inside - 1)
    assert (Gamut()(batch(outside)) > 1e-24).tolist() == (
        ((outside < 0) | (outside > 1)).flatten(1).any(dim=1).tolist()
    )


@pytest.mark.parametrize("space", list(SPACES))
def test_photos_are_inside_the_gamut_up_to_rounding(space: str) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.reshape(1, 3, 2, 4)
    rgb = torch.cat([corners, noise(2, 1, 3, 2, 4).float()], dim=2)
    assert Gamut()(batch(rgb, space)).max() < 1e-9


def test_gamut_calls_colors_back_only_from_outside() -> None:
    preds = torch.tensor([-0.5, 0.25, 1.5], dtype=torch.float64).reshape(1, 3, 1, 1).requires_grad_()
    lightness, color = SPACES["rgb"].encode(preds)
    Gamut()(ColorBatch(SPACES["rgb"], lightness, color, color.detach(), preds.detach())).sum().backward()
    assert preds.grad is not None
    assert preds.grad.flatten().tolist() == pytest.approx([-1 / 3, 0, 1 / 3])


@pytest.mark.parametrize("term", TERMS, ids=IDS)
@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_images(level: float, dtype: torch.dtype, space: str, term: LossTerm) -> None:
    rgb = torch.full((1, 3, 6, 6), level, dtype=dtype)
    lightness, target = SPACES[space].encode(rgb)
    for given_color in (target, SPACES[space].grey(lightness), target + 0.01):
        preds = given_color.detach().clone().requires_grad_()
        value = term(ColorBatch(SPACES[space], lightness, preds, target, rgb))
        assert value.isfinite().all()
        value.sum().backward()
        assert preds.grad is not None
        assert preds.grad.isfinite().all()


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_gradients_are_those_of_finite_differences(term: LossTerm) -> None:
    rgb = (2 * noise(3, 2, 3, 4, 4) - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(batch(x)), rgb, atol=1e-6)


@pytest.mark.parametrize("term", TERMS, ids=IDS)
def test_a_batch_equals_its_single_images(term: LossTerm) -> None:
    rgb = 2 * noise(4, 3, 3, 5, 6) - 0.5
    alone = torch.cat([term(batch(rgb[i : i + 1])) for i in range(3)])
    torch.testing.assert_close(term(batch(rgb)), alone)
