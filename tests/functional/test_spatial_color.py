"""HyAB, S-CIELAB and FLIP against published programs, a second implementation and hand-computed values."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import torch
from numpy.typing import NDArray
from skimage.data import astronaut, coffee

from chromalab.functional.delta_e import delta_e_76
from chromalab.functional.spatial_color import PIXELS_PER_DEGREE, flip, flip_image, hyab, seen_lab

REFERENCE = Path(__file__).parents[1] / "references" / "flip_evaluator_1.7.json"
"""Mean errors by NVIDIA's program; the file holds the recipe."""

Image = NDArray[np.uint8]


def pairs() -> dict[str, tuple[Image, Image]]:
    """Return predictions and targets, (H, W, 3)."""
    face, cup = astronaut()[60:220, 140:330], coffee()[80:200, 150:290]
    gray = np.repeat(np.rint(face.mean(axis=-1, keepdims=True)), 3, axis=-1)
    noise = np.random.default_rng(0).integers(-40, 41, cup.shape)
    checks = np.indices((48, 80)).sum(axis=0)[..., None] % 2
    red, green = np.array([150, 70, 60]), np.array([30, 120, 110])
    values = {
        "gray": (gray, face),
        "paler": (0.4 * face + 0.6 * gray, face),
        "noisy": (np.clip(cup + noise, 0, 255), cup),
        "shifted": (np.roll(cup, 1, axis=1), cup),
        "swapped channels": (cup[..., ::-1], cup),
        "fine checks": (np.where(checks, red, green), np.where(checks, green, red)),
        "flat": (np.tile(red, (20, 30, 1)), np.tile(green, (20, 30, 1))),
        "black and white": (np.zeros((20, 30, 3)), np.full((20, 30, 3), 255)),
    }
    return {name: (np.rint(a).astype(np.uint8), np.rint(b).astype(np.uint8)) for name, (a, b) in values.items()}


def tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].double() / 255


def lab_tensor(*color: float) -> torch.Tensor:
    return torch.tensor(color, dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 10, 20), (50, 10, 20), 0),
        ((50, 10, 20), (57, 10, 20), 7),
        ((50, 10, 20), (50, 13, 24), 5),  # a 3-4-5 triangle in (a*, b*)
        ((80, -5, 12), (60, 0, 0), 20 + 13),  # a 5-12-13 triangle; the Euclidean distance is 23.9
    ],
)
def test_hyab_of_hand_computed_colors(first: tuple[float, ...], second: tuple[float, ...], expected: float) -> None:
    assert hyab(lab_tensor(*first), lab_tensor(*second)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", pairs())
@pytest.mark.parametrize("pixels_per_degree", [PIXELS_PER_DEGREE, 30.0])
def test_flip_equals_nvidias_program(name: str, pixels_per_degree: float) -> None:
    preds, target = (flip_image(tensor(image), pixels_per_degree) for image in pairs()[name])
    expected = json.loads(REFERENCE.read_text())["mean"][f"{pixels_per_degree:.0f}"][name]
    assert flip(preds, target).mean().item() == pytest.approx(expected, abs=5e-5)


def test_flip_of_flat_colors_is_the_pixelwise_formula() -> None:
    """The filters do not change flat colors, and flat images have no edges: sections 4.1.2 and 4.1.3 remain."""

    def hunt(rgb: NDArray[np.floating]) -> NDArray[np.floating]:
        lightness, a, b = skimage.color.rgb2lab(rgb)
        return np.array([lightness, 0.01 * lightness * a, 0.01 * lightness * b])

    def color_error(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
        lightness, a, b = hunt(first) - hunt(second)
        return float((abs(lightness) + math.hypot(a, b)) ** 0.7)

    preds, target = pairs()["flat"]
    largest = color_error(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    error = color_error(preds[0, 0] / 255, target[0, 0] / 255)
    share = error / (0.4 * largest)
    expected = 0.95 * share if share < 1 else 0.95 + 0.05 * (error - 0.4 * largest) / (0.6 * largest)
    found = flip(flip_image(tensor(preds)), flip_image(tensor(target)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-4)


@pytest.mark.slow
def test_flip_is_symmetric_and_1_is_the_largest_error() -> None:
    for preds, target in pairs().values():
        first, second = flip_image(tensor(preds)), flip_image(tensor(target))
        error = flip(first, second)
        torch.testing.assert_close(error, flip(second, first))
        assert error.min() >= 0
        assert error.max() <= 1
    green, blue = (tensor(np.full((9, 9, 3), color, dtype=np.uint8)) for color in ([0, 255, 0], [0, 0, 255]))
    assert flip(flip_image(green), flip_image(blue)).mean().item() == pytest.approx(1, abs=1e-12)


def scipy_seen_lab(image: Image, pixels_per_degree: float) -> NDArray[np.floating]:
    """Return what S-CIELAB compares, by the paper's two-dimensional kernels and SciPy's correlation."""
    to_opponents = (
        np.array([[278.7336, 721.8031, -106.5520], [-448.7736, 289.8056, 77.1569], [85.9513, -589.9859, 501.1089]])
        / 1000
    )
    table = [
        [(0.921, 0.0283), (0.105, 0.133), (-0.108, 4.336)],
        [(0.531, 0.0392), (0.330, 0.494)],
        [(0.488, 0.0536), (0.371, 0.386)],
    ]
    opponents = skimage.color.rgb2xyz(image) @ to_opponents.T
    half = int(pixels_per_degree / 2)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] / pixels_per_degree
    for channel, gaussians in enumerate(table):
        kernel = np.zeros_like(x)
        for weight, spread in gaussians:
            gaussian = np.exp(-(x**2 + y**2) / spread**2)
            kernel += weight * gaussian / gaussian.sum()
        kernel /= kernel.sum()
        opponents[..., channel] = scipy.ndimage.correlate(opponents[..., channel], kernel, mode="nearest")
    xyz = opponents @ np.linalg.inv(to_opponents).T
    lab: NDArray[np.floating] = skimage.color.xyz2lab(xyz)
    return lab


@pytest.mark.slow
@pytest.mark.parametrize("pixels_per_degree", [PIXELS_PER_DEGREE, 23.0])
@pytest.mark.parametrize("name", ["paler", "noisy", "fine checks"])
def test_s_cielab_equals_a_second_implementation(name: str, pixels_per_degree: float) -> None:
    for image in pairs()[name]:
        crop = image[:40, :50]
        found = seen_lab(tensor(crop), pixels_per_degree)[0].permute(1, 2, 0)
        np.testing.assert_allclose(found.numpy(), scipy_seen_lab(crop, pixels_per_degree), atol=2e-3)


def test_s_cielab_of_flat_colors_is_cielab() -> None:
    """Zhang and Wandell 1996: over uniform regions, the errors equal those of the standard formula."""
    preds, target = pairs()["flat"]
    expected = skimage.color.deltaE_cie76(skimage.color.rgb2lab(preds), skimage.color.rgb2lab(target))
    found = delta_e_76(seen_lab(tensor(preds)), seen_lab(tensor(target)))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-3)


def test_s_cielab_blurs_fine_checks_away_that_are_seen_from_close_up() -> None:
    """The two images are each other's negative: pixel by pixel, their colors differ as much as those of flat ones."""
    preds, target = (tensor(image) for image in pairs()["fine checks"])
    flat = [seen_lab(tensor(image)) for image in pairs()["flat"]]
    whole = delta_e_76(*flat).mean()
    inside = (slice(None), slice(None), slice(8, -8), slice(8, -8))
    from_far, close_up = (
        delta_e_76(seen_lab(preds, ppd)[inside], seen_lab(target, ppd)[inside]).mean()
        for ppd in (PIXELS_PER_DEGREE, 10.0)
    )
    assert from_far < 0.05 * whole
    assert from_far < 0.5 * close_up


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (63, 64), (65, 129)])
def test_any_size_keeps_its_shape_and_flat_values(shape: tuple[int, int]) -> None:
    rgb = torch.full((2, 3, *shape), 0.5, dtype=torch.float64)
    lab = seen_lab(rgb)
    assert lab.shape == (2, 3, *shape)
    torch.testing.assert_close(lab, lab[:, :, :1, :1].expand_as(lab))
    parts = flip_image(rgb)
    assert parts.color.shape == (2, 3, *shape)
    assert parts.edges.abs().max() < 1e-12
    assert parts.points.abs().max() < 1e-12
