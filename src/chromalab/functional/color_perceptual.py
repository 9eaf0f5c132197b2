"""A color distance fitted to human ratings: deep features after color casts and saturation have been equalized.

People tolerate deviations that a whole image shares, such as a cast or stronger colors, far more than colors in the
wrong places; LPIPS and similar distances do not. The chroma of the prediction is therefore first shifted and scaled to
the mean and spread of the truth. Then features of EfficientNet-Lite0 are compared at a small size, because people judge
the colors of objects and not of pixels. Paleness is a separate part. The weights are fitted to ratings, see
`chromalab.evaluation.calibrate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from chromalab.color.spaces import lab_to_rgb, rgb_to_lab
from chromalab.core.records import Record
from chromalab.functional.perceptual import NORM_EPSILON
from chromalab.functional.tensors import check_pair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PARTS = ("things", "worst_places", "whole", "paleness")
"""The parts of the distance, see `color_parts`."""

LARGEST_STRETCH = 4.0
"""Largest factor by which the chroma of a pale prediction is scaled to that of the truth."""

WORST_SHARE = 0.9


class ColorPerceptualParameters(Record):
    """The parameters of the distance, and how they were fitted.

    Attributes:
        side_px: shorter side to which larger images are reduced.
        weights: weights of the parts by name, not negative.
        fitted_to: name of the ratings.
        ratings_sha256: hash of their file.
        n_images: number of rated images.
        ridge: strength of the regularization.
        pooled_srcc: rank correlation with people over all images, each scored by the parameters without its scene.
        scene_srcc: mean of the rank correlations within scenes, likewise.
        folds: for every scene, the parameters that were fitted without it.
    """

    side_px: int
    weights: dict[str, float]
    fitted_to: str = ""
    ratings_sha256: str = ""
    n_images: int = 0
    ridge: float = 0.0
    pooled_srcc: float | None = None
    scene_srcc: float | None = None
    folds: dict[str, ColorPerceptualParameters] = {}

    @property
    def summary(self) -> str:
        """The parameters and their correlation with people, in one line."""
        weights = ", ".join(f"{name} {weight:.3g}" for name, weight in self.weights.items())
        found = (self.pooled_srcc, self.scene_srcc)
        pooled, own = ("unknown" if value is None else f"{value:.3f}" for value in found)
        return (
            f"side {self.side_px} px, {weights}; rank correlation with people, each scene left out in turn: {pooled} "
            f"pooled, {own} within scenes"
        )


class _Taps(Protocol):
    def taps(self, rgb: Tensor) -> Sequence[Tensor]:
        """Return the five feature maps of EfficientNet-Lite0."""


def color_perceptual(preds: Tensor, target: Tensor, trunk: _Taps, parameters: ColorPerceptualParameters) -> Tensor:
    """Return the weighted sum of the parts.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range; the distance is not symmetric.
        trunk: EfficientNet-Lite0.
        parameters: size and weights.

    Returns:
        (B,) float64, at least 0, and 0 for identical images.
    """
    parts = color_parts(preds, target, trunk, parameters.side_px)
    return sum((weight * parts[name] for name, weight in parameters.weights.items()), start=parts[PARTS[0]] * 0)


def color_parts(preds: Tensor, target: Tensor, trunk: _Taps, side_px: int) -> dict[str, Tensor]:
    """Return the parts of the distance.

    - `things`: squared difference of unit feature vectors at the deepest tap (stride 32), the mean over places.
    - `worst_places`: the same at the fourth tap (stride 16), the 90th percentile over places.
    - `whole`: 1 - the cosine between the mean features of the deepest tap.
    - `paleness`: log((1 + s) / (1 + s')) if the spread s' of the prediction's chroma is below the spread s of the
      truth's, otherwise 0.

    For the first three, the mean of (a*, b*) of the prediction and the spread around it are set to those of the truth,
    within a factor of 4 and the gamut.

    Args:
        preds: RGB (B, 3, H, W) in [0, 1].
        target: the same shape and range.
        trunk: EfficientNet-Lite0.
        side_px: shorter side to which larger images are reduced.

    Returns:
        (B,) float64 each, at least 0.
    """
    check_pair(preds, target)
    preds_lab, target_lab = (rgb_to_lab(_reduced(rgb, side_px).double()) for rgb in (preds, target))
    preds_spread, target_spread = _spread(preds_lab), _spread(target_lab)
    stretch = (target_spread / preds_spread.clamp_min(1e-9)).clamp_max(LARGEST_STRETCH)
    stretch = torch.where(preds_spread == target_spread, 1.0, stretch)
    mean = target_lab[:, 1:].mean(dim=(2, 3), keepdim=True)
    first = trunk.taps(_rendered(preds_lab, stretch, mean))
    second = trunk.taps(_rendered(target_lab, torch.ones_like(stretch), mean))
    worst = _unit_difference(first[3], second[3]).flatten(1).quantile(WORST_SHARE, dim=1)
    pooled = [tap[-1].mean(dim=(2, 3)) for tap in (first, second)]
    return {
        "things": _unit_difference(first[4], second[4]).mean(dim=(1, 2)).double(),
        "worst_places": worst.double(),
        "whole": _unit_difference(*(part[..., None, None] for part in pooled)).flatten(1).mean(dim=1).double() / 2,
        "paleness": torch.log((1 + target_spread) / (1 + preds_spread)).clamp_min(0),
    }


def _reduced(rgb: Tensor, side_px: int) -> Tensor:
    height, width = rgb.shape[-2:]
    scale = side_px / min(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return F.interpolate(rgb, size=size, mode="bilinear", align_corners=False, antialias=True)


def _spread(lab: Tensor) -> Tensor:
    """Return the standard deviation of (a*, b*) around their mean, (B,)."""
    color = lab[:, 1:]
    return (color - color.mean(dim=(2, 3), keepdim=True)).square().mean(dim=(1, 2, 3)).sqrt()


def _rendered(lab: Tensor, stretch: Tensor, mean: Tensor) -> Tensor:
    """Return images with colors scaled around their mean, which becomes `mean`, as clipped RGB, float32."""
    color = lab[:, 1:]
    moved = (color - color.mean(dim=(2, 3), keepdim=True)) * stretch[:, None, None, None] + mean
    return lab_to_rgb(torch.cat([lab[:, :1], moved], dim=1)).clamp(0, 1).float()


def _unit_difference(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared difference of unit feature vectors at every place, (B, H, W)."""
    units = [tap / (tap.norm(dim=1, keepdim=True) + NORM_EPSILON) for tap in (first, second)]
    difference: Tensor = (units[0] - units[1]).square().sum(dim=1)
    return difference
