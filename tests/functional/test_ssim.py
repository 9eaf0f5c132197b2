"""SSIM against scikit-image, torchmetrics and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.data import astronaut
from torchmetrics.functional.image import structural_similarity_index_measure

from chromalab.functional.pairs import PictureTooSmallError
from chromalab.functional.ssim import C1, C2, WINDOW_PX, ssim


def scikit_image_ssim(preds: np.ndarray, target: np.ndarray) -> float:
    """Return the SSIM of (H, W, 3) in [0, 1] with the settings of Wang et al. 2004."""
    value: float = skimage.metrics.structural_similarity(
        preds, target, channel_axis=-1, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return value


def tensor(picture: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].to(dtype)


def photo_and_distortions() -> list[tuple[np.ndarray, np.ndarray]]:
    photo = astronaut()[100:190, 150:260] / 255
    rng = np.random.default_rng(0)
    grey = np.repeat(photo.mean(axis=-1, keepdims=True), 3, axis=-1)
    noisy = np.clip(photo + rng.normal(0, 0.1, photo.shape), 0, 1)
    return [(grey, photo), (noisy, photo), (1 - photo, photo), (photo[:11, :11], grey[:11, :11])]


@pytest.mark.parametrize("case", range(4))
def test_it_equals_scikit_image(case: int) -> None:
    preds, target = photo_and_distortions()[case]
    expected = scikit_image_ssim(preds, target)
    assert ssim(tensor(preds), tensor(target)).item() == pytest.approx(expected, abs=1e-12)
    float32 = ssim(tensor(preds, torch.float32), tensor(target, torch.float32)).item()
    assert float32 == pytest.approx(expected, abs=1e-5)


def test_it_equals_torchmetrics_inside() -> None:
    preds, target = (tensor(x) for x in photo_and_distortions()[0])
    _, similarities = structural_similarity_index_measure(
        preds, target, gaussian_kernel=True, sigma=1.5, data_range=1.0, return_full_image=True
    )
    inside = similarities[..., 5:-5, 5:-5]  # torchmetrics also averages windows that reach into a mirrored border
    assert ssim(preds, target).item() == pytest.approx(inside.mean().item(), abs=1e-12)


@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_flat_pictures_differ_in_luminance_alone(first: float, second: float) -> None:
    preds, target = (torch.full((1, 3, 12, 13), value, dtype=torch.float64) for value in (first, second))
    expected = (2 * first * second + C1) / (first**2 + second**2 + C1)
    assert ssim(preds, target).item() == pytest.approx(expected, abs=1e-9)


def test_black_against_white_is_nearly_zero() -> None:
    black, white = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    assert ssim(black, white).item() == pytest.approx(C1 / (1 + C1), abs=1e-6)


def test_an_inverted_checkerboard_has_negative_structure() -> None:
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(24), indexing="ij")
    board = ((rows + columns) % 2).double().expand(1, 3, 24, 24)
    # within the window a board has mean 1/2 and variance 1/4 but for the window's small leak at the highest frequency
    assert ssim(board, 1 - board).item() == pytest.approx((C2 - 0.5) / (C2 + 0.5), abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(11, 20), width=st.integers(11, 20))
def test_properties(seed: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    preds, target = torch.rand(2, 2, 3, height, width, generator=generator, dtype=torch.float64)
    values = ssim(preds, target)
    assert values.abs().max() <= 1
    torch.testing.assert_close(values, ssim(target, preds))
    torch.testing.assert_close(values, torch.cat([ssim(preds[:1], target[:1]), ssim(preds[1:], target[1:])]))
    torch.testing.assert_close(ssim(preds, preds), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(ssim(preds.mT, target.mT), values)


def test_pictures_smaller_than_the_window_are_refused() -> None:
    small = torch.zeros(1, 3, WINDOW_PX - 1, 40)
    with pytest.raises(PictureTooSmallError, match="at least 11 px; a picture has 40x10"):
        ssim(small, small)


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    preds, target = torch.rand(2, 1, 3, 11, 12, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ssim(x, target), preds.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_at_flat_pictures(level: float) -> None:
    preds = torch.full((1, 3, 12, 12), level, requires_grad=True)
    ssim(preds, torch.full_like(preds, level)).sum().backward()
    assert preds.grad is not None
    assert preds.grad.isfinite().all()
