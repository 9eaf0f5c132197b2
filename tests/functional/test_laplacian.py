"""The Laplacian pyramid against SciPy's filters and the interpolation of Burt and Adelson written out."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch

from chromalab.functional.laplacian import expand, laplacian_pyramid, reduce

SIZES = pytest.mark.parametrize(("height", "width"), [(16, 24), (13, 6), (1, 5), (1, 1)])


def images(height: int, width: int) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def scipy_reduce(image: np.ndarray) -> np.ndarray:
    for axis in (-1, -2):
        image = scipy.ndimage.correlate1d(image, np.array([1, 4, 6, 4, 1]) / 16, axis=axis, mode="nearest")
    return image[..., ::2, ::2]


def numpy_expand_last(image: np.ndarray, size: int) -> np.ndarray:
    """Interpolate along the last axis: even pixels are (1 6 1) / 8 of the coarse ones, odd pixels (4 4) / 8."""
    padded = np.concatenate([image[..., :1], image, image[..., -1:]], axis=-1)
    doubled = np.empty((*image.shape[:-1], 2 * image.shape[-1]))
    doubled[..., ::2] = (padded[..., :-2] + 6 * padded[..., 1:-1] + padded[..., 2:]) / 8
    doubled[..., 1::2] = (padded[..., 1:-1] + padded[..., 2:]) / 2
    return doubled[..., :size]


@SIZES
def test_reducing_is_scipys_filter_at_every_second_pixel(height: int, width: int) -> None:
    given = images(height, width)
    np.testing.assert_allclose(reduce(given).numpy(), scipy_reduce(given.numpy()), atol=1e-14)


@SIZES
def test_expanding_interpolates_with_the_same_kernel(height: int, width: int) -> None:
    coarse = images(-(-height // 2), -(-width // 2))
    rows = numpy_expand_last(coarse.numpy(), width)
    expected = numpy_expand_last(rows.swapaxes(-1, -2), height).swapaxes(-1, -2)
    np.testing.assert_allclose(expand(coarse, height, width).numpy(), expected, atol=1e-14)


@SIZES
def test_the_levels_add_up_to_the_image(height: int, width: int) -> None:
    given = images(height, width)
    total, *details = reversed(laplacian_pyramid(given, 4))
    for detail in details:
        total = detail + expand(total, detail.shape[-2], detail.shape[-1])
    torch.testing.assert_close(total, given)


def test_a_uniform_image_has_no_details() -> None:
    *details, remainder = laplacian_pyramid(torch.full((1, 2, 9, 12), 0.25, dtype=torch.float64), 5)
    assert [level.shape[-2:] for level in details] == [(9, 12), (5, 6), (3, 3), (2, 2)]
    assert all(level.abs().max() < 1e-15 for level in details)
    torch.testing.assert_close(remainder, torch.full((1, 2, 1, 1), 0.25, dtype=torch.float64))
