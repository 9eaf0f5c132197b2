"""The distance for color: what it forgives, what it doesn't, and its parts by hand."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.color
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from skimage.data import astronaut, coffee

from chromalab.functional.color_perceptual import PARTS, ColorPerceptualParameters, color_parts, color_perceptual
from chromalab.metrics.perceptual import shipped_parameters
from chromalab.nets.efficientnet_lite import EfficientNetLite, load_efficientnet_lite0
from tests.evaluation.rated import changed


@pytest.fixture(scope="module")
def trunk() -> EfficientNetLite:
    return load_efficientnet_lite0().requires_grad_(requires_grad=False)


def tensor(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


PHOTO = coffee()[60:260, 150:400]


def distance(preds: np.ndarray, trunk: EfficientNetLite) -> float:
    return float(color_perceptual(tensor(preds), tensor(PHOTO), trunk, shipped_parameters()))


def test_identical_images_have_no_distance(trunk: EfficientNetLite) -> None:
    assert distance(PHOTO, trunk) == 0


def test_a_cast_and_stronger_colors_are_forgiven_and_others_are_not(trunk: EfficientNetLite) -> None:
    warm, vivid = (distance(changed(PHOTO, *change), trunk) for change in ((1.0, 12.0), (1.25, 0.0)))
    pale, grey, wrong = (distance(changed(PHOTO, *change), trunk) for change in ((0.4, 0.0), (0.0, 0.0), (-1.0, 0.0)))
    assert max(warm, vivid) < pale < grey
    assert max(warm, vivid) < wrong


def test_parts_follow_their_definitions(trunk: EfficientNetLite) -> None:
    """By scikit-image's CIELAB and plain formulas, on an image small enough not to be reduced."""
    target = astronaut()[:64, 100:180]
    preds = changed(target, 0.7, 6.0)
    found = color_parts(tensor(preds), tensor(target), trunk, side_px=64)
    labs = [skimage.color.rgb2lab(image) for image in (preds, target)]
    means = [lab[..., 1:].mean(axis=(0, 1)) for lab in labs]
    spreads = [np.sqrt(((lab[..., 1:] - mean) ** 2).mean()) for lab, mean in zip(labs, means, strict=True)]
    assert float(found["paleness"]) == pytest.approx(np.log((1 + spreads[1]) / (1 + spreads[0])), rel=1e-3)
    moved = labs[0].copy()
    moved[..., 1:] = (labs[0][..., 1:] - means[0]) * spreads[1] / spreads[0] + means[1]
    rendered = [np.clip(skimage.color.lab2rgb(lab), 0, 1) for lab in (moved, labs[1])]
    taps = [trunk.taps(torch.from_numpy(image).permute(2, 0, 1)[None].float()) for image in rendered]
    units = [[F.normalize(tap, dim=1) for tap in side] for side in taps]
    squares = [(first - second).square().sum(dim=1) for first, second in zip(*units, strict=True)]
    assert float(found["things"]) == pytest.approx(float(squares[4].mean()), rel=0.02, abs=2e-4)
    assert float(found["worst_places"]) == pytest.approx(np.quantile(squares[3].numpy(), 0.9), rel=0.02, abs=2e-4)
    pooled = [side[4].mean(dim=(2, 3)) for side in taps]
    assert float(found["whole"]) == pytest.approx(
        1 - float(F.cosine_similarity(pooled[0], pooled[1])), rel=0.02, abs=2e-4
    )


@pytest.mark.slow
def test_large_images_are_reduced_first(trunk: EfficientNetLite) -> None:
    large = [tensor(image) for image in (changed(PHOTO, 0.3, 5.0), PHOTO)]
    small = [F.interpolate(image, size=(100, 125), mode="bilinear", antialias=True) for image in large]
    for name in PARTS:
        first, second = (color_parts(pair[0], pair[1], trunk, side_px=100)[name] for pair in (large, small))
        torch.testing.assert_close(first, second, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_have_finite_distances(trunk: EfficientNetLite, level: float) -> None:
    flat, photo = torch.full((1, 3, 40, 50), level), tensor(PHOTO[:40, :50])
    for pair in ((flat, photo), (photo, flat), (flat, flat)):
        value = color_perceptual(*pair, trunk, shipped_parameters())
        assert value.isfinite().all()
        assert value >= 0


def test_the_weights_are_a_weighted_sum(trunk: EfficientNetLite) -> None:
    pair = tensor(changed(PHOTO, 0.3, 5.0)), tensor(PHOTO)
    parts = color_parts(*pair, trunk, side_px=96)
    parameters = ColorPerceptualParameters(side_px=96, weights={"things": 2.0, "paleness": 0.5})
    expected = 2 * parts["things"] + 0.5 * parts["paleness"]
    torch.testing.assert_close(color_perceptual(*pair, trunk, parameters), expected)
