"""Pixel losses against numbers worked by hand and against the functions of other libraries."""

from __future__ import annotations

import kornia.losses
import numpy as np
import pytest
import scipy.special
import skimage.color
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.nn import functional

from chromalab.color.spaces import AB_SCALE, SPACES
from chromalab.functional.laplacian import laplacian_pyramid
from chromalab.losses.base import ColorBatch, LossTerm
from chromalab.losses.compose import build
from chromalab.losses.pixel import L1, Charbonnier, DeltaE76, DeltaE2000, GradientL1, Huber, LaplacianPyramid


def batch(preds: torch.Tensor, target: torch.Tensor) -> ColorBatch:
    lightness = torch.full_like(preds[:, :1], 0.5)
    return ColorBatch(SPACES["lab"], lightness, preds, target, torch.zeros(len(preds), 3, *preds.shape[2:]))


def noise(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Return colors whose errors lie on both sides of the bends of every loss."""
    return 0.1 * noise(1, 3, 2, 5, 7), 0.1 * noise(2, 3, 2, 5, 7)


def numpy_batch() -> tuple[ColorBatch, np.ndarray, np.ndarray]:
    """Return two images each of random Lab colors, as a batch and as arrays (B, H, W, 3) of CIELAB."""
    lightness = noise(3, 2, 1, 6, 5)
    ab = 1.4 * noise(4, 2, 2, 2, 6, 5) - 0.7
    colors = ColorBatch(SPACES["lab"], lightness, ab[0], ab[1], torch.zeros(2, 3, 6, 5))
    labs = [torch.cat([100 * lightness, AB_SCALE * x], dim=1).permute(0, 2, 3, 1).numpy() for x in ab]
    return colors, labs[0], labs[1]


def test_errors_worked_by_hand() -> None:
    preds = torch.tensor([[[[0.0, 0.5]], [[1.0, -1.0]]], [[[0.0, 0.0]], [[0.0, 0.0]]]])
    target = torch.zeros(2, 2, 1, 2)
    values = build("l1 + l2 + huber(delta=0.5) + charbonnier(eps=1)")(batch(preds, target))
    assert values["l1"].tolist() == pytest.approx([2.5 / 4, 0])
    assert values["l2"].tolist() == pytest.approx([2.25 / 4, 0])
    assert values["huber"].tolist() == pytest.approx([(0.25 + 2 * 0.75) / 4, 0])
    assert values["charbonnier"].tolist() == pytest.approx([(1 + 1.25**0.5 + 2 * 2**0.5) / 4, 1])


def test_the_mean_over_images_is_pytorchs_loss() -> None:
    preds, target = pair()
    objective = build("l1 + 2*l2")
    total = objective.total(objective(batch(preds, target)))
    expected = functional.l1_loss(preds, target) + 2 * functional.mse_loss(preds, target)
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("delta", [1 / 110, 0.05, 1.0])
def test_huber_is_scipys_and_smooth_l1_is_it_over_delta(delta: float) -> None:
    preds, target = pair()
    expected = torch.from_numpy(scipy.special.huber(delta, (preds - target).numpy())).mean(dim=(1, 2, 3))
    torch.testing.assert_close(Huber(delta, "huber")(batch(preds, target)), expected)
    torch.testing.assert_close(Huber(delta)(batch(preds, target)), expected / delta)


def test_huber_with_the_published_weight_is_the_published_sum_over_channels() -> None:
    """InstColorization's 10 x HuberLoss(delta=1/110) from its definition: a sum over a and b, a mean over pixels."""
    preds, target = pair()
    error, delta = (preds - target).abs(), 1 / 110
    near = error < delta
    per_pixel = torch.where(near, error.square() / 2 / delta, error - delta / 2).sum(dim=1)
    torch.testing.assert_close(20 * Huber()(batch(preds, target)), 10 * per_pixel.mean(dim=(1, 2)))


def test_far_out_smooth_l1_is_l1_less_half_a_delta() -> None:
    preds, target = pair()
    far = batch(preds + 1, target)
    torch.testing.assert_close(Huber(delta=0.1)(far), L1()(far) - 0.05)


def test_charbonnier_is_scipys_pseudo_huber() -> None:
    preds, target = pair()
    eps = 0.02
    expected = scipy.special.pseudo_huber(eps, (preds - target).numpy()) / eps + eps
    torch.testing.assert_close(
        Charbonnier(eps)(batch(preds, target)), torch.from_numpy(expected).mean(dim=(1, 2, 3)), rtol=1e-9, atol=0
    )


def test_charbonnier_at_1_is_kornias_and_1() -> None:
    preds, target = pair()
    theirs = kornia.losses.charbonnier_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))
    torch.testing.assert_close(Charbonnier(eps=1)(batch(preds, target)), theirs + 1)


def test_delta_e_76_is_scikit_images() -> None:
    colors, preds, target = numpy_batch()
    expected = skimage.color.deltaE_cie76(preds, target).mean(axis=(1, 2))
    torch.testing.assert_close(DeltaE76()(colors), torch.from_numpy(expected))


def test_delta_e_2000_is_scikit_images() -> None:
    colors, preds, target = numpy_batch()
    expected = skimage.color.deltaE_ciede2000(preds, target).mean(axis=(1, 2))
    torch.testing.assert_close(DeltaE2000()(colors), torch.from_numpy(expected))


def test_without_color_delta_e_76_is_the_chroma_that_is_missing() -> None:
    lost = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1) / AB_SCALE
    assert DeltaE76()(batch(torch.zeros_like(lost), lost)).item() == pytest.approx(5)


TERMS = pytest.mark.parametrize("term", [DeltaE76(), DeltaE2000()], ids=["76", "2000"])


@TERMS
@pytest.mark.parametrize("space", list(SPACES))
def test_color_differences_are_those_of_the_images_in_every_space(space: str, term: LossTerm) -> None:
    """Of grays, which are in the gamut: scikit-image clips what isn't."""
    target = noise(6, 2, 3, 8, 8)
    lightness, color = SPACES[space].encode(target)
    found = ColorBatch(SPACES[space], lightness, SPACES[space].grey(lightness), color, target)
    labs = [skimage.color.rgb2lab(rgb.permute(0, 2, 3, 1).numpy()) for rgb in (found.preds_rgb, target)]
    formula = skimage.color.deltaE_cie76 if isinstance(term, DeltaE76) else skimage.color.deltaE_ciede2000
    expected = formula(*labs).mean(axis=(1, 2))
    np.testing.assert_allclose(term(found).numpy(), expected, rtol=2e-3)  # its white point has fewer digits


@TERMS
@pytest.mark.parametrize("space", list(SPACES))
def test_the_loss_of_a_perfect_prediction_is_rounding_error(space: str, term: LossTerm) -> None:
    """In lab, whose colors are not converted, that is nothing; through RGB it is far below what anybody sees."""
    target = noise(7, 2, 3, 32, 32, dtype=torch.float32)
    values = term(ColorBatch.of(SPACES[space], target, target))
    assert values.max() <= (0 if space == "lab" else 1e-3)


@TERMS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_where_formulas_are_singular(
    level: float, space: str, dtype: torch.dtype, term: LossTerm
) -> None:
    rgb = torch.full((1, 3, 4, 4), level, dtype=dtype)
    lightness, target = SPACES[space].encode(rgb)
    opposite = SPACES[space].encode(torch.cat([rgb[:, :2] * 0.5, rgb[:, 2:]], dim=1))[1]
    for color in (target, target + 1e-7, opposite, 2 * target - opposite, SPACES[space].grey(lightness)):
        preds = color.detach().clone().requires_grad_()
        term(ColorBatch(SPACES[space], lightness, preds, opposite, rgb)).sum().backward()
        assert preds.grad is not None
        assert preds.grad.isfinite().all()


@pytest.mark.parametrize(
    "term", [Huber(0.05), Huber(0.05, "huber"), Charbonnier(0.02), DeltaE76(), DeltaE2000()], ids=str
)
def test_gradients_are_those_of_finite_differences(term: LossTerm) -> None:
    preds, target = (x[:1] for x in pair())
    assert torch.autograd.gradcheck(lambda x: term(batch(x, target)), preds.requires_grad_(), atol=1e-4)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), size=st.floats(0, 2))
def test_properties(seed: int, size: float) -> None:
    preds, target = (size * (2 * noise(seed + i, 2, 2, 3, 4) - 1) for i in range(2))
    for term in (Huber(), Huber(form="huber"), Charbonnier(), DeltaE76(), DeltaE2000()):
        values = term(batch(preds, target))
        assert (values >= 0).all()
        torch.testing.assert_close(values, term(batch(target, preds)))
        torch.testing.assert_close(values[1:], term(batch(preds[1:], target[1:])))


def test_gradient_l1_is_that_of_numpys_differences() -> None:
    preds, target = pair()
    expected = sum(
        np.abs(np.diff(preds, axis=axis) - np.diff(target, axis=axis)).mean(axis=(1, 2, 3)) for axis in (2, 3)
    )
    np.testing.assert_allclose(GradientL1()(batch(preds, target)).numpy(), expected)


def test_gradient_l1_ignores_a_constant_error_and_sees_the_direction_of_an_edge() -> None:
    edge = torch.zeros(1, 2, 4, 6)
    edge[..., 3:] = 0.5
    assert GradientL1()(batch(edge + 0.1, edge)).item() == pytest.approx(0, abs=1e-6)
    reversed_edge = GradientL1()(batch(-edge, edge)).item()
    assert reversed_edge == pytest.approx(2 * 0.5 / 5)  # one of five horizontal steps


def test_laplacian_pyramid_with_one_level_is_l1() -> None:
    colors = batch(*pair())
    torch.testing.assert_close(LaplacianPyramid(levels=1)(colors), L1()(colors))


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_laplacian_pyramid_of_a_constant_error_is_its_size(levels: int) -> None:
    """A constant error has no details, so only the remainder counts."""
    target = noise(1, 2, 2, 9, 12)
    values = LaplacianPyramid(levels)(batch(target - 0.25, target))
    torch.testing.assert_close(values, torch.full((2,), 0.25, dtype=torch.float64))


def test_laplacian_pyramid_is_lap1_over_the_size_of_the_image() -> None:
    """Bojanowski et al. 2018: sum_j 2^(2j) |L_j(preds) - L_j(target)|_1, here of two channels of 16 x 32 pixels."""
    preds, target = noise(1, 2, 2, 16, 32), noise(2, 2, 2, 16, 32)
    levels = zip(laplacian_pyramid(preds, 4), laplacian_pyramid(target, 4), strict=True)
    lap1 = sum(4**j * (a - b).abs().sum(dim=(1, 2, 3)).numpy() for j, (a, b) in enumerate(levels))
    np.testing.assert_allclose(LaplacianPyramid(4)(batch(preds, target)).numpy(), lap1 / (2 * 16 * 32))


@pytest.mark.slow
@pytest.mark.parametrize("term", [GradientL1(), LaplacianPyramid(3)], ids=["gradient_l1", "laplacian_pyramid"])
def test_gradients_of_differences_are_those_of_finite_differences(term: LossTerm) -> None:
    preds, target = pair()
    assert gradcheck(lambda x: term(batch(x, target)), preds.requires_grad_(), eps=1e-8, atol=1e-6)
