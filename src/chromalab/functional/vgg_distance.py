"""Distances between two pictures by what chosen layers of a VGG network see in them: content and style losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from chromalab.functional.feature_distance import at_least_single
from chromalab.functional.gram import gram_distance
from chromalab.functional.pairs import check_pair
from chromalab.nets.vgg16 import layer_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chromalab.nets.trunks import Trunk


def mean_absolute(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of |preds - target| over channels and places, (B,) from (B, C, H, W); at 0 the gradient is 0."""
    return functional.l1_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


def mean_square(preds: Tensor, target: Tensor) -> Tensor:
    """Return the mean of (preds - target)^2 over channels and places, (B,) from (B, C, H, W)."""
    return functional.mse_loss(preds, target, reduction="none").mean(dim=(1, 2, 3))


COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": mean_absolute,
    "l2": mean_square,
    "gram": gram_distance,
}
"""Ways to compare two feature maps, each (B, C, H, W), by name; they give (B,)."""


class VGGDistance(nn.Module):
    """A weighted sum over layers of a frozen network: how far apart two pictures' feature maps are.

    Pictures of any size go through, down to 1 px.

    Args:
        trunk: VGG16 with batch normalization or without.
        weights: the weight of every layer that is looked at, by its name, as `relu2_2` (see `layer_places`).
        comparison: `l1`, `l2` or `gram`, see `COMPARISONS`.
    """

    def __init__(self, trunk: Trunk, weights: Mapping[str, float], comparison: str) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(requires_grad=False).eval()
        places = layer_places(trunk.features)
        self.weights = dict(sorted((places[layer], weight) for layer, weight in weights.items()))
        self.compare = COMPARISONS[comparison]

    def forward(self, preds: Tensor, target: Tensor) -> Tensor:
        """Return the distance of each pair of pictures; differentiable in both.

        Args:
            preds: (B, 3, H, W), sRGB as stored, in [0, 1].
            target: as `preds`.

        Returns:
            (B,), 0 for equal pictures. Features are compared in at least single precision.

        Raises:
            ValueError: the batches are of different shapes, or not RGB.
        """
        check_pair(preds, target)
        both = zip(*(self.trunk.outputs(rgb, self.weights) for rgb in (preds, target)), strict=True)
        with torch.autocast(preds.device.type, enabled=False):
            parts = [
                weight * self.compare(at_least_single(a), at_least_single(b))
                for weight, (a, b) in zip(self.weights.values(), both, strict=True)
            ]
            return torch.stack(parts).sum(dim=0)
