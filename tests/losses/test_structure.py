"""Structure losses: that they are taken of the right pictures; the formulas have tests of their own."""

from __future__ import annotations

import kornia.losses
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from chromalab.color.spaces import SPACES
from chromalab.functional.pairs import PictureTooSmallError
from chromalab.functional.ssim import C1
from chromalab.losses.base import ColorBatch, LossTerm
from chromalab.losses.structure import SSIM, MultiScaleSSIM

TERMS = pytest.mark.parametrize("term", [SSIM(), MultiScaleSSIM(2)], ids=["ssim", "ms_ssim"])


def pictures(count: int, side: int, *, seed: int = 0) -> torch.Tensor:
    """Return smooth pictures with a little noise, so that their structure is much the same at every scale."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator, dtype=torch.float64)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)


def batch(preds: torch.Tensor, target: torch.Tensor) -> ColorBatch:
    return ColorBatch.of(SPACES["rgb"], preds, target)


def test_ssim_is_twice_kornias_loss_inside() -> None:
    preds, target = pictures(2, 40), pictures(2, 40, seed=1)
    theirs = kornia.losses.ssim_loss(preds, target, 11, reduction="none", padding="valid").mean(dim=(1, 2, 3))
    torch.testing.assert_close(SSIM()(batch(preds, target)), 2 * theirs)


def test_ms_ssim_is_torchmetrics_but_for_its_border() -> None:
    """Of gray pictures, for it averages over channels first; its coarsest scale also sees a mirrored border."""
    grey = pictures(2, 192).mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    noisy = grey + 0.1 * pictures(2, 192, seed=1)[:, :1]
    theirs = multiscale_structural_similarity_index_measure(noisy, grey, data_range=1.0, reduction="none")
    torch.testing.assert_close(1 - MultiScaleSSIM()(batch(noisy, grey)), theirs, rtol=0, atol=2e-3)


@TERMS
def test_black_against_white_costs_nearly_1(term: LossTerm) -> None:
    black, white = torch.zeros(1, 3, 24, 24), torch.ones(1, 3, 24, 24)
    luminance = C1 / (1 + C1)
    expected = luminance if isinstance(term, SSIM) else luminance ** (0.2856 / (0.0448 + 0.2856))
    assert term(batch(black, white)).item() == pytest.approx(1 - expected, abs=1e-5)


@TERMS
@pytest.mark.parametrize("space", list(SPACES))
def test_a_perfect_prediction_costs_only_what_rounding_does(space: str, term: LossTerm) -> None:
    target = pictures(2, 32).float()
    assert term(ColorBatch.of(SPACES[space], target, target)).abs().max() < 2e-5


@TERMS
def test_colors_beyond_the_gamut_are_not_clipped(term: LossTerm) -> None:
    target = pictures(1, 32)
    preds = (target + 0.5).requires_grad_()
    value = term(batch(preds, target))
    assert value.item() > term(batch(preds.detach().clamp(0, 1), target)).item() * 0.5
    value.sum().backward()
    assert preds.grad is not None
    assert (preds.grad[preds > 1] != 0).all()


def test_the_smallest_pictures_are_told() -> None:
    assert SSIM().smallest_px == 11
    assert [MultiScaleSSIM(scales).smallest_px for scales in range(1, 6)] == [11, 21, 41, 81, 161]
    small = torch.rand(1, 3, 160, 200)
    with pytest.raises(PictureTooSmallError, match="161 px; a picture has 200x160"):
        MultiScaleSSIM()(batch(small, small))


@TERMS
def test_gradients_are_those_of_finite_differences(term: LossTerm) -> None:
    target = pictures(1, 22)
    preds = (target + 0.05 * pictures(1, 22, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(batch(x, target)), preds, fast_mode=True)
