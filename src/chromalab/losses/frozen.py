"""Losses that judge pictures by networks which are not trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from chromalab.losses.base import ColorBatch, LossTerm

if TYPE_CHECKING:
    from torch import Tensor, nn


class FeatureDistance(LossTerm):
    """A frozen feature distance as a loss; colors are converted to sRGB differentiably and not clipped.

    Args:
        distance: maps two sRGB batches to one value for each image.
        network: see `LossTerm`.
        smallest_px: see `LossTerm`.
    """

    def __init__(self, distance: nn.Module, *, network: str | None = None, smallest_px: int = 1) -> None:
        super().__init__()
        self.distance = distance.requires_grad_(requires_grad=False).eval()
        self.network = network
        self.smallest_px = smallest_px

    def train(self, mode: bool = True) -> FeatureDistance:  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Keep the distance in evaluation mode whatever mode the term is in."""
        super().train(mode)
        self.distance.eval()
        return self

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the distance of every image from its target, shape (B,)."""
        return cast("Tensor", self.distance(batch.preds_rgb, batch.target_rgb))
