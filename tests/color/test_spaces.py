"""The training spaces against scikit-image, on the whole RGB cube, and at singular points."""

from __future__ import annotations

import kornia.color
import numpy as np
import pytest
import skimage.color
import torch

from chromalab.color.spaces import AB_SCALE, SPACES, UV_SCALE, lab_to_rgb, luma, rgb_to_lab


def rgb_cube(steps: int = 33) -> torch.Tensor:
    axis = torch.linspace(0, 1, steps, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))
    return grid.reshape(1, 3, steps, steps * steps)


def solid(*rgb: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(rgb, dtype=dtype).reshape(1, 3, 1, 1).expand(1, 3, 2, 2).clone()


# Kornia's XYZ matrices are rounded to eight digits and its Lab knee to six: this leaves an error of 2e-4.
@pytest.mark.parametrize(("name", "tolerance"), [("lab", 2e-4), ("yuv", 1e-12), ("rgb", 1e-12)])
def test_decoding_inverts_encoding_on_the_whole_cube(name: str, tolerance: float) -> None:
    space = SPACES[name]
    rgb = rgb_cube()
    torch.testing.assert_close(space.decode(*space.encode(rgb)), rgb, atol=tolerance, rtol=0)


def test_lab_agrees_with_scikit_image_on_the_cube() -> None:
    rgb = rgb_cube()
    expected = skimage.color.rgb2lab(rgb[0].permute(1, 2, 0).numpy())
    # the two libraries round the RGB-to-XYZ matrix differently: 0.02 is far below a just noticeable difference (2.3)
    np.testing.assert_allclose(rgb_to_lab(rgb)[0].permute(1, 2, 0).numpy(), expected, atol=0.02)


def test_the_inverse_of_lab_agrees_with_scikit_image() -> None:
    lab = skimage.color.rgb2lab(rgb_cube(9)[0].permute(1, 2, 0).numpy())
    ours = lab_to_rgb(torch.from_numpy(lab).permute(2, 0, 1)[None])
    expected = skimage.color.lab2rgb(lab)
    np.testing.assert_allclose(ours[0].permute(1, 2, 0).numpy(), expected, atol=5e-4)


def test_yuv_agrees_with_scikit_image_and_kornia() -> None:
    rgb = rgb_cube(9)
    y, uv = SPACES["yuv"].encode(rgb)
    ours = torch.cat([y, uv * torch.tensor(UV_SCALE, dtype=torch.float64).reshape(1, 2, 1, 1)], dim=1)
    expected = skimage.color.rgb2yuv(rgb[0].permute(1, 2, 0).numpy())
    np.testing.assert_allclose(ours[0].permute(1, 2, 0).numpy(), expected, atol=3e-5)  # scikit-image rounds to 8 digits
    torch.testing.assert_close(ours, kornia.color.rgb_to_yuv(rgb), atol=2e-3, rtol=0)  # Kornia rounds to 3 digits


@pytest.mark.parametrize("name", list(SPACES))
def test_colors_of_srgb_stay_within_the_stated_range(name: str) -> None:
    lightness, color = SPACES[name].encode(rgb_cube(17))
    assert lightness.min() >= 0
    assert lightness.max() <= 1 + 1e-9
    assert color.abs().max() <= 1 + 1e-9


@pytest.mark.parametrize("name", list(SPACES))
def test_the_neutral_axis_has_no_color(name: str) -> None:
    space = SPACES[name]
    ramp = torch.linspace(0, 1, 256, dtype=torch.float64).expand(1, 3, 1, 256)
    lightness, color = space.encode(ramp)
    torch.testing.assert_close(color, space.grey(lightness), atol=2e-4, rtol=0)
    decoded = space.decode(lightness, space.grey(lightness))
    torch.testing.assert_close(decoded, ramp, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", ["lab", "yuv"])
def test_the_output_keeps_the_input_lightness_for_any_chroma(name: str) -> None:
    space = SPACES[name]
    generator = torch.Generator().manual_seed(0)
    rgb = 0.35 + 0.3 * torch.rand(1, 3, 8, 8, generator=generator, dtype=torch.float64)
    lightness, _ = space.encode(rgb)
    color = 0.1 * (2 * torch.rand(1, 2, 8, 8, generator=generator, dtype=torch.float64) - 1)
    again, _ = space.encode(space.decode(lightness, color))
    torch.testing.assert_close(again, lightness, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", list(SPACES))
@pytest.mark.parametrize("grey", [0.0, 0.003, 0.04045, 0.5, 1.0])
def test_gradients_are_finite_at_black_white_and_gray(name: str, grey: float) -> None:
    space = SPACES[name]
    rgb = solid(grey, grey, grey).requires_grad_()
    lightness, color = space.encode(rgb)
    (lightness.sum() + color.pow(2).sum()).backward()
    assert rgb.grad is not None
    assert rgb.grad.isfinite().all()

    color = space.grey(lightness.detach()).clone().requires_grad_()
    space.decode(lightness.detach(), color).pow(2).sum().backward()
    assert color.grad is not None
    assert color.grad.isfinite().all()


@pytest.mark.parametrize("name", list(SPACES))
def test_gradients_equal_finite_differences(name: str) -> None:
    space = SPACES[name]
    rgb = torch.rand(1, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(space.encode, (rgb,))
    lightness, color = (part.detach().requires_grad_() for part in space.encode(rgb))
    assert torch.autograd.gradcheck(lambda light, col: space.decode(light, col) * 1.0, (lightness, color))


def test_out_of_gamut_colors_keep_a_gradient() -> None:
    lightness = torch.full((1, 1, 1, 1), 0.5)
    color = torch.tensor([90.0, 90.0]).reshape(1, 2, 1, 1).div(AB_SCALE).requires_grad_()
    rgb = SPACES["lab"].decode(lightness, color)
    assert rgb.min() < 0
    rgb.min().backward()
    assert color.grad is not None
    assert color.grad.abs().sum() > 0


def test_luma_weights_sum_to_one_and_are_bt601() -> None:
    assert luma(solid(1, 1, 1))[0, 0, 0, 0] == pytest.approx(1)
    values = [luma(solid(*primary))[0, 0, 0, 0].item() for primary in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert values == pytest.approx([0.299, 0.587, 0.114])
