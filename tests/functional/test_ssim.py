"""SSIM against scikit-image, torchmetrics and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate1d
from skimage.data import astronaut
from torchmetrics.functional.image import structural_similarity_index_measure

from chromalab.functional.ssim import C1, C2, WEIGHTS, WINDOW_PX, ms_ssim, scale_weights, smallest_side_px, ssim
from chromalab.functional.tensors import ImageTooSmallError


def scikit_image_ssim(preds: np.ndarray, target: np.ndarray) -> float:
    """Return the SSIM of (H, W, 3) in [0, 1] with the settings of Wang et al. 2004."""
    value: float = skimage.metrics.structural_similarity(
        preds, target, channel_axis=-1, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    return value


def tensor(image: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].to(dtype)


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
def test_flat_images_differ_in_luminance_alone(first: float, second: float) -> None:
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


def test_images_smaller_than_the_window_are_refused() -> None:
    small = torch.zeros(1, 3, WINDOW_PX - 1, 40)
    with pytest.raises(ImageTooSmallError, match="at least 11 px; an image has 40x10"):
        ssim(small, small)


def test_gradients_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    preds, target = torch.rand(2, 1, 3, 11, 12, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ssim(x, target), preds.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_at_flat_images(level: float) -> None:
    preds = torch.full((1, 3, 12, 12), level, requires_grad=True)
    ssim(preds, torch.full_like(preds, level)).sum().backward()
    assert preds.grad is not None
    assert preds.grad.isfinite().all()


def published(preds: np.ndarray, target: np.ndarray, weights: tuple[float, ...]) -> float:
    """Return the MS-SSIM of two channels (H, W) as the authors' msssim.m has it.

    That is: windows inside the image, means of maps, and every second of the 2x2 means, which mirror the border.
    """
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(x: np.ndarray) -> np.ndarray:
        full: np.ndarray = correlate1d(correlate1d(x, window, axis=0), window, axis=1)
        return full[5:-5, 5:-5]

    def halved(x: np.ndarray) -> np.ndarray:
        mirrored = np.pad(x, ((0, 1), (0, 1)), mode="symmetric")
        means = (mirrored[:-1, :-1] + mirrored[1:, :-1] + mirrored[:-1, 1:] + mirrored[1:, 1:]) / 4
        return np.asarray(means[::2, ::2])

    value = 1.0
    for scale, weight in enumerate(weights):
        m1, m2 = mean(preds), mean(target)
        v1, v2, c12 = mean(preds**2) - m1**2, mean(target**2) - m2**2, mean(preds * target) - m1 * m2
        similarity = (2 * c12 + C2) / (v1 + v2 + C2)
        if scale == len(weights) - 1:
            similarity = similarity * (2 * m1 * m2 + C1) / (m1**2 + m2**2 + C1)
        value *= max(similarity.mean(), 0.0) ** weight
        preds, target = halved(preds), halved(target)
    return float(value)


def ms_ssim_tensor(image: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(dtype)


def photo_and_distortion(height: int, width: int, *, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    photo = astronaut()[60 : 60 + height, 120 : 120 + width] / 255
    return np.clip(photo + np.random.default_rng(0).normal(0, noise, photo.shape), 0, 1), photo


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("height", "width"), [(176, 192), (161, 203)], ids=["even", "odd"])
def test_it_equals_the_published_recipe(height: int, width: int) -> None:
    preds, target = photo_and_distortion(height, width)
    expected = np.mean([published(preds[..., c], target[..., c], WEIGHTS) for c in range(3)])
    assert ms_ssim(ms_ssim_tensor(preds), ms_ssim_tensor(target)).item() == pytest.approx(expected, abs=1e-12)
    float32 = ms_ssim(ms_ssim_tensor(preds, torch.float32), ms_ssim_tensor(target, torch.float32)).item()
    assert float32 == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("scales", [2, 4])
def test_fewer_scales_have_weights_that_sum_to_one(scales: int) -> None:
    weights = tuple(weight / sum(WEIGHTS[:scales]) for weight in WEIGHTS[:scales])
    preds, target = photo_and_distortion(90, 100)
    expected = np.mean([published(preds[..., c], target[..., c], weights) for c in range(3)])
    assert ms_ssim(ms_ssim_tensor(preds), ms_ssim_tensor(target), scales).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_every_factor_is_that_of_torchmetrics() -> None:
    """Not its own MS-SSIM, whose coarsest scale averages windows that reach into a mirrored border, too."""
    noisy, photo = (ms_ssim_tensor(x)[0][:, None] for x in photo_and_distortion(192, 176))  # channels as images
    expected = torch.ones(3, dtype=torch.float64)
    preds, target = noisy, photo
    for scale, weight in enumerate(WEIGHTS):
        if scale == len(WEIGHTS) - 1:
            _, full = structural_similarity_index_measure(preds, target, data_range=1.0, return_full_image=True)
            factor = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
        else:
            _, factor = structural_similarity_index_measure(
                preds, target, data_range=1.0, return_contrast_sensitivity=True, reduction="none"
            )
        expected = expected * factor**weight
        preds, target = (torch.nn.functional.avg_pool2d(x, 2) for x in (preds, target))
    ours = ms_ssim(noisy[:, 0][None], photo[:, 0][None])
    assert ours.item() == pytest.approx(expected.mean().item(), abs=1e-9)


def test_the_published_weights() -> None:
    assert WEIGHTS == (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    assert scale_weights(5) == WEIGHTS
    assert scale_weights(1) == (1.0,)
    with pytest.raises(ValueError, match="1 to 5 scales, not 6"):
        scale_weights(6)


@pytest.mark.slow
@given(first=st.floats(0, 1), second=st.floats(0, 1))
def test_flat_images_differ_in_luminance_at_the_coarsest_scale_alone(first: float, second: float) -> None:
    preds, target = (torch.full((1, 3, 41, 42), value, dtype=torch.float64) for value in (first, second))
    luminance = (2 * first * second + C1) / (first**2 + second**2 + C1)
    weight = WEIGHTS[2] / sum(WEIGHTS[:3])
    assert ms_ssim(preds, target, 3).item() == pytest.approx(luminance**weight, abs=1e-9)


def test_one_scale_is_ssim() -> None:
    preds, target = (ms_ssim_tensor(x) for x in photo_and_distortion(40, 50))
    torch.testing.assert_close(ms_ssim(preds, target, 1), ssim(preds, target))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(21, 30), width=st.integers(21, 30))
def test_ms_ssim_properties(seed: int, height: int, width: int) -> None:
    preds, target = random(2, 2, 3, height, width, seed=seed)
    values = ms_ssim(preds, target, 2)
    assert ((values >= 0) & (values <= 1)).all()
    torch.testing.assert_close(values, ms_ssim(target, preds, 2))
    torch.testing.assert_close(values, torch.cat([ms_ssim(preds[i : i + 1], target[i : i + 1], 2) for i in range(2)]))
    torch.testing.assert_close(ms_ssim(preds, preds, 2), torch.ones(2, dtype=torch.float64))


def test_ms_ssim_gradients_are_those_of_finite_differences() -> None:
    noisy, photo = (ms_ssim_tensor(x) for x in photo_and_distortion(41, 42))
    noisy.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ms_ssim(x, photo, 3), noisy, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opposite_structures_count_as_none_and_have_a_finite_gradient(dtype: torch.dtype) -> None:
    preds = random(1, 3, 41, 41).to(dtype).requires_grad_()
    value = ms_ssim(preds, 1 - preds.detach(), 3)
    assert value.item() == 0
    value.sum().backward()
    assert preds.grad is not None
    assert torch.equal(preds.grad, torch.zeros_like(preds))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_ms_ssim_gradients_are_finite_at_flat_images(level: float, dtype: torch.dtype) -> None:
    preds = torch.full((1, 3, 41, 41), level, dtype=dtype, requires_grad=True)
    ms_ssim(preds, torch.full_like(preds, level), 3).sum().backward()
    assert preds.grad is not None
    assert preds.grad.isfinite().all()


@pytest.mark.parametrize(("scales", "smallest"), [(1, 11), (2, 21), (3, 41), (4, 81), (5, 161)])
def test_images_below_the_smallest_size_are_refused(scales: int, smallest: int) -> None:
    assert smallest_side_px(scales) == smallest
    image = torch.rand(1, 3, smallest, smallest + 3)
    assert ms_ssim(image, image, scales).item() == pytest.approx(1, abs=1e-5)
    narrow = image[..., : smallest - 1]
    with pytest.raises(ImageTooSmallError, match=f"at {scales} scales? needs .* {smallest} px; an image has"):
        ms_ssim(narrow, narrow, scales)
