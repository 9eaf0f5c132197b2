"""Distances between the features that trained networks see, taken on sRGB whatever the training space is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from chromalab.functional.lite0_distance import Lite0Distance
from chromalab.functional.lpips import LPIPS
from chromalab.losses import vgg_features
from chromalab.losses.base import LossEntry
from chromalab.losses.frozen import FeatureDistance

if TYPE_CHECKING:
    from chromalab.losses.base import LossTerm

TrunkName = Literal["vgg", "alex", "squeeze"]


def _lpips(trunk: TrunkName) -> LossTerm:
    distance = LPIPS(trunk)
    return FeatureDistance(distance, smallest_px=distance.smallest_px)


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
    *vgg_features.ENTRIES,
)
