"""Distances between the features that trained networks see, taken on sRGB whatever the training space is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from chromalab.functional.lite0_distance import Lite0Distance
from chromalab.functional.lpips import LPIPS
from chromalab.losses.base import ColorBatch, LossEntry, LossTerm

if TYPE_CHECKING:
    from torch import Tensor, nn

TrunkName = Literal["vgg", "alex", "squeeze"]


class FeatureDistance(LossTerm):
    """A frozen feature distance as a loss; colours are converted to sRGB differentiably and not clipped.

    Args:
        distance: maps two sRGB batches to one value for each image.
    """

    def __init__(self, distance: nn.Module) -> None:
        super().__init__()
        self.distance = distance.requires_grad_(requires_grad=False).eval()

    def train(self, mode: bool = True) -> FeatureDistance:  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Keep the distance in evaluation mode whatever mode the term is in."""
        super().train(mode)
        self.distance.eval()
        return self

    def forward(self, batch: ColorBatch) -> Tensor:
        """Return the distance of every image from its target, shape (B,)."""
        return cast("Tensor", self.distance(batch.preds_rgb, batch.target_rgb))


def _lpips(trunk: TrunkName) -> LossTerm:
    return FeatureDistance(LPIPS(trunk))


def _lite0() -> LossTerm:
    return FeatureDistance(Lite0Distance())


_TRUNKS: tuple[tuple[TrunkName, str], ...] = (("vgg", "vgg16"), ("alex", "alexnet"), ("squeeze", "squeezenet1_1"))

ENTRIES = (
    *(
        LossEntry(
            name=f"lpips_{trunk}",
            family="perceptual",
            formula="sum_l mean_hw sum_c w_lc (f_lc(preds) - f_lc(target))^2, f of unit length over channels",
            source="Zhang et al. 2018 (LPIPS), eq. 1, linear weights version 0.1",
            build=partial(_lpips, trunk),
            needs=(network,),
            network=network,
        )
        for trunk, network in _TRUNKS
    ),
    LossEntry(
        name="perceptual_lite0",
        family="perceptual",
        formula="sum_l mean_hw sum_c (f_lc(preds) - f_lc(target))^2, f of unit length, five taps of EfficientNet-Lite0",
        source="this project: the form of LPIPS with all weights 1 over EfficientNet-Lite0; it is not LPIPS",
        build=_lite0,
        needs=("efficientnet_lite0",),
        network="efficientnet_lite0",
    ),
)
